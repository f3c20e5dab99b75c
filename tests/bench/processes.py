"""What the kernel says of processes: processor time, memory, children. Read from /proc, by whoever measures."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.fixtures.supervised import alive

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and of the children it has reaped; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(field) for field in fields[11:15]) / _TICKS_PER_S


def cpu_fine_s(pid: int) -> float:
    """Return the processor time of a live process's threads, to the nanosecond."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def pss_mb(pid: int) -> float:
    """Return the proportional share of memory of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def live_children(pid: int) -> list[int]:
    """Return the direct children of a process that are no zombies."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [child for child in map(int, text.split()) if alive(child)]


def descendants(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for child in live_children(pid):
        found += descendants(child)
    return found


def names(pids: Iterable[int]) -> dict[int, str]:
    """Return the names of live processes."""
    found: dict[int, str] = {}
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            found[pid] = Path(f"/proc/{pid}/comm").read_text().strip()
    return found
