"""Memory, descriptors and disk over time: whatever has warmed up must be flat.

Sampled from /proc, past the system's own figures. A process that is killed begins a new life: only what an old
enough life uses is compared, so that growth from life to life (with the journal, say) shows as well as a leak.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.chaos import processes
from tests.chaos.system import ChaosSystem

SAMPLE_S = 2.0
WARM_UP_S = 15.0
MEMORY_GROWTH_LIMIT_BYTES = 16 * 1024 * 1024
"""Over the whole run, by the fitted line."""
DESCRIPTOR_GROWTH_LIMIT = 8
COST_STRETCHES = 9
DISK_GROWTH_LIMIT = 0.10
"""How much more disk a record may cost in the last third of a run than in the second."""
FEWEST_SAMPLES = 10
FILE = "samples.jsonl"


class Sample(NamedTuple):
    """One process at one instant."""

    at_s: float
    name: str
    age_s: float
    memory_bytes: int
    descriptors: int


class DiskSample(NamedTuple):
    """The disk at one instant."""

    at_s: float
    archive_bytes: int
    """Journal, archive and database: grows with every record."""
    other_bytes: int
    """Logs, state, sockets: grows with nothing."""
    sent_bytes: int
    """Size of the exchange's ledger: what the rest is measured against."""


class Sampler:
    """Takes samples in a thread of its own and appends them to a file."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE
        self._first_seen: dict[int, float] = {}

    def run(self, system: ChaosSystem, stopping: threading.Event) -> None:
        """Sample until told to stop."""
        begun_ns = system.monotonic_ns()
        turn = 0
        while not stopping.wait(SAMPLE_S):
            at_s = system.seconds_since(begun_ns)
            lines = [json.dumps(sample) for sample in self._processes(system, at_s)]
            if turn % 5 == 0:
                lines.append(json.dumps(_disk(system, at_s)))
            turn += 1
            with self._file.open("a") as file:
                file.writelines(f"{line}\n" for line in lines)

    def _processes(self, system: ChaosSystem, at_s: float) -> Iterable[Sample]:
        pids = {row.name: row.pid for row in system.rows() if row.pid}
        if system.supervisor is not None:
            pids["supervisor"] = system.supervisor.pid
        for name, pid in pids.items():
            usage = processes.usage_of(pid)
            if usage is not None:
                age_s = at_s - self._first_seen.setdefault(pid, at_s)
                yield Sample(at_s, name, age_s, usage.memory_bytes, usage.descriptors)


def _disk(system: ChaosSystem, at_s: float) -> DiskSample:
    data = system.paths.data
    archive = sum(processes.size_of(data / name) for name in ("journal", "swing", "scalp", "system"))
    everything = processes.size_of(data) + processes.size_of(system.paths.logs)
    ledger = (system.directory / "ledger.jsonl").stat().st_size
    return DiskSample(at_s, archive, everything - archive, ledger)


class Slope(NamedTuple):
    """Growth of one quantity over the run by the fitted line."""

    subject: str
    samples: int
    typical: float
    growth: float
    limit: float

    @property
    def flat(self) -> bool:
        """Return whether it stays below its limit."""
        return self.growth <= self.limit


def slopes(directory: Path) -> list[Slope]:
    """Return the slope of every process's memory and descriptors, and of the disk."""
    by_name: dict[str, list[Sample]] = defaultdict(list)
    disk: list[DiskSample] = []
    for line in (directory / FILE).read_text().splitlines():
        values = json.loads(line)
        if len(values) == len(DiskSample._fields):
            disk.append(DiskSample(*values))
        elif values[2] >= WARM_UP_S:
            by_name[values[1]].append(Sample(*values))
    found: list[Slope] = []
    for name, samples in sorted(by_name.items()):
        times = [sample.at_s for sample in samples]
        memory = [float(sample.memory_bytes) for sample in samples]
        descriptors = [float(sample.descriptors) for sample in samples]
        found.append(
            _slope(f"{name} memory MB", times, [each / 2**20 for each in memory], MEMORY_GROWTH_LIMIT_BYTES / 2**20)
        )
        found.append(_slope(f"{name} descriptors", times, descriptors, DESCRIPTOR_GROWTH_LIMIT))
    found += _disk_slopes(disk)
    return [slope for slope in found if slope.samples >= FEWEST_SAMPLES]


def _slope(subject: str, times: list[float], values: list[float], limit: float) -> Slope:
    middle = sorted(values)[len(values) // 2]
    return Slope(subject, len(values), middle, gradient(times, values) * (max(times) - min(times)), limit)


def gradient(times: list[float], values: list[float]) -> float:
    """Return the slope of the least-squares line, 0 for fewer than two instants."""
    mean_time, mean_value = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - mean_time) ** 2 for time in times)
    if not spread:
        return 0.0
    return sum((t - mean_time) * (v - mean_value) for t, v in zip(times, values, strict=True)) / spread


def _disk_slopes(disk: list[DiskSample]) -> list[Slope]:
    third = len(disk) // 3
    if third < 2:
        return []
    cost = [_typical_cost(disk[third : 2 * third + 1]), _typical_cost(disk[2 * third :])]
    other = [sample.other_bytes / 2**20 for sample in disk[third:]]
    return [
        Slope("disk per byte sent", len(disk), cost[0], cost[1] - cost[0], DISK_GROWTH_LIMIT * cost[0]),
        Slope("logs and state MB", len(disk), other[len(other) // 2], max(other) - min(other), 64.0),
    ]


def _typical_cost(disk: list[DiskSample]) -> float:
    """Return the median over some stretches: a finished hour that is sealed makes one of them negative."""
    step = max(1, (len(disk) - 1) // COST_STRETCHES)
    costs = [_cost(first, last) for first, last in zip(disk[::step], disk[step::step], strict=False)]
    return median(costs)


def _cost(first: DiskSample, last: DiskSample) -> float:
    return (last.archive_bytes - first.archive_bytes) / max(last.sent_bytes - first.sent_bytes, 1)
