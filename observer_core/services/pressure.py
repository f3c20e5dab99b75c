"""How hard the machine, or the part of it granted to this container, is pressed: read from the kernel.

Separate from the mitigation, which is pure. A reading that cannot be had is None, never 0.
"""

import os
from pathlib import Path

from observer_core.clock import NS_PER_S

_CGROUP = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_US_PER_S = 1_000_000
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_IDLE_FIELDS = (3, 4)
"""idle and iowait in the first line of /proc/stat (proc_stat(5)), after the word `cpu`."""


class PressureGauge:
    """CPU and memory in per cent of what this container may use, of the whole machine where nothing is limited."""

    def __init__(self, cgroup: Path = _CGROUP, proc: Path = _PROC) -> None:
        self._cgroup = cgroup
        self._proc = proc
        self._before: tuple[float, int] | None = None

    def cpu_percent(self, monotonic_ns: int) -> float | None:
        """Return the CPU used since the last call, in per cent of what is granted; None at the first call."""
        used_s = self._used_s()
        if used_s is None:
            return None
        before, self._before = self._before, (used_s, monotonic_ns)
        if before is None or monotonic_ns <= before[1]:
            return None
        return 100.0 * (used_s - before[0]) / ((monotonic_ns - before[1]) / NS_PER_S) / self._granted_cpus()

    def memory_percent(self) -> float | None:
        """Return the memory that cannot be given back, in per cent of the limit."""
        current, limit = _number(self._cgroup / "memory.current"), _number(self._cgroup / "memory.max")
        if current is not None and limit:
            # Files that were only read are given back when somebody needs the room.
            return 100.0 * (current - _table(self._cgroup / "memory.stat").get("inactive_file", 0)) / limit
        machine = _table(self._proc / "meminfo")
        total, available = machine.get("MemTotal:"), machine.get("MemAvailable:")
        return 100.0 * (total - available) / total if total and available is not None else None

    def _used_s(self) -> float | None:
        if self._limited_cpus() is not None:
            used_us = _table(self._cgroup / "cpu.stat").get("usage_usec")
            return None if used_us is None else used_us / _US_PER_S
        try:
            fields = (self._proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        except OSError:
            return None
        busy = sum(int(field) for place, field in enumerate(fields) if place not in _IDLE_FIELDS)
        return busy / _TICKS_PER_S

    def _granted_cpus(self) -> float:
        return self._limited_cpus() or float(os.cpu_count() or 1)

    def _limited_cpus(self) -> float | None:
        try:
            quota, period = (self._cgroup / "cpu.max").read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return None
        return None if quota == "max" else int(quota) / int(period)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _table(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return {fields[0]: int(fields[1]) for line in lines if len(fields := line.split()) >= 2 and fields[1].isdigit()}
