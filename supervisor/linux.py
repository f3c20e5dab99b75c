"""The few calls of Linux that Python does not wrap: parent-death signal, subreaper, process name, memory.

Separate because it is the only place with a foreign-function interface.
"""

import ctypes
import os
import signal
from array import array
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from observer_core.errors import ProcessError

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PF_EXITING = 0x4
_MADV_POPULATE_WRITE = 23
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ENTRY_BYTES = 8
_OWN = 1 << 63 | 1 << 56
"""Flags of /proc/PID/pagemap: the page is present, and nobody else has it mapped."""
_STAT_FLAGS = 6
"""Place of the kernel's flags in /proc/PID/stat, counted after the name."""

# Looked up before any fork: a child must not load libraries between fork and its own set-up.
_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_madvise = _libc.madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def become_subreaper() -> None:
    """Make this process the parent of every orphan among its descendants, as PID 1 is anyway.

    Raises:
        ProcessError: the kernel refuses.
    """
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise ProcessError(f"PR_SET_CHILD_SUBREAPER: {os.strerror(ctypes.get_errno())}")


def die_with_parent(parent_pid: int) -> bool:
    """Have the kernel kill this process with its parent; return False when the parent is dead already."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    # It may have died between the fork and the call; nobody would tell us any more.
    return os.getppid() == parent_pid


def name_process(name: str) -> None:
    """Set the name that `ps` and `top` show (15 bytes)."""
    _prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def own_pages_like(pid: int) -> int:
    """Copy, now, every inherited page that another child of the same image has copied by writing to it.

    Each such page would cost a fault of some microseconds when this process first writes to it, which it will. Where
    the kernel does not tell (pagemap) or does not know the call (before Linux 5.14) that is what happens.

    Returns:
        How many pages were asked for.
    """
    asked = 0
    try:
        with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
            for begin, end in _writable_areas():
                pagemap.seek(begin // _PAGE_BYTES * _ENTRY_BYTES)
                entries = array("Q", pagemap.read((end - begin) // _PAGE_BYTES * _ENTRY_BYTES))
                for own, run in groupby(range(len(entries)), lambda page: entries[page] & _OWN == _OWN):  # noqa: B023
                    pages = list(run) if own else []
                    if pages:
                        _madvise(begin + pages[0] * _PAGE_BYTES, len(pages) * _PAGE_BYTES, _MADV_POPULATE_WRITE)
                        asked += len(pages)
    except OSError:
        return asked
    return asked


def _writable_areas() -> Iterator[tuple[int, int]]:
    """Yield the addresses of this process's private, writable memory."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, flags, *_ = line.split(None, 2)
        if flags.startswith("rw") and flags.endswith("p"):
            begin, _, end = addresses.partition("-")
            yield int(begin, 16), int(end, 16)


def memory_events_file(membership: str, root: Path) -> Path | None:
    """Return the memory.events file of a cgroup-2 membership (the text of /proc/self/cgroup), None without one."""
    for line in membership.splitlines():
        hierarchy, _, path = line.partition("::")
        if hierarchy == "0":
            return root / path.lstrip("/") / "memory.events"
    return None


def own_memory_events_file() -> Path | None:
    """Return this process's memory.events file, None where control groups are not visible."""
    try:
        return memory_events_file(Path("/proc/self/cgroup").read_text(), Path("/sys/fs/cgroup"))
    except OSError:
        return None


def out_of_memory_kills(file: Path | None) -> int:
    """Return how often the kernel killed for want of memory in this control group; 0 when unknown."""
    if file is None:
        return 0
    try:
        counters = dict(line.split() for line in file.read_text().splitlines())
        return int(counters.get("oom_kill", "0"))
    except (OSError, ValueError):
        return 0


def own_bytes(pid: int) -> int:
    """Return the resident memory of a process that no file stands behind; 0 when it is gone.

    Pages shared with the parent since the fork count as its own: a part that is the same for every child.
    """
    try:
        resident, shared = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def is_ending(pid: int) -> bool:
    """Return whether a process is on its way out or gone: its descriptors close before its death is told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True
    return bool(int(fields[_STAT_FLAGS]) & _PF_EXITING)


def children_of_self() -> list[int]:
    """Return the pids of all direct children, adopted orphans included; empty where the kernel does not tell."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []
