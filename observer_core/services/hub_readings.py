"""Memory and CPU of the tree's processes as the kernel counts them (/proc).

Separate from `hub_rows`, which is pure, and from the status messages: a process that hangs is still measured here.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from observer_core.services.hub_rows import ProcessReading

_PROC = Path("/proc")
_TICK_MS = 1_000 // os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_USER_TICKS_FIELD = 11
_SYSTEM_TICKS_FIELD = 12
"""Positions after the closing bracket of the command name in /proc/PID/stat (proc_pid_stat(5), fields 14 and 15)."""


def read_processes(pids: Iterable[int]) -> dict[int, ProcessReading]:
    """Return what the kernel says about each pid; one that ended meanwhile is left out."""
    found: dict[int, ProcessReading] = {}
    for pid in pids:
        cpu_ms = _cpu_ms(pid)
        if cpu_ms is not None:
            found[pid] = ProcessReading(memory_bytes=_memory_bytes(pid), cpu_ms=cpu_ms)
    return found


def _cpu_ms(pid: int) -> int | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return (int(fields[_USER_TICKS_FIELD]) + int(fields[_SYSTEM_TICKS_FIELD])) * _TICK_MS


def _memory_bytes(pid: int) -> int | None:
    """Return the proportional set size: pages shared with the parent by fork are counted once over all; else RSS."""
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except OSError:
        return None
