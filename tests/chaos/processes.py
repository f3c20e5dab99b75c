"""What the harness knows and does about other processes: from /proc and by signals, past the system's own view."""

import os
import signal
import threading
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Usage(NamedTuple):
    """Memory that is a process's own, and its open descriptors."""

    memory_bytes: int
    descriptors: int


def pause(seconds: float) -> None:
    """Wait."""
    threading.Event().wait(seconds)


def children_of(pid: int) -> list[int]:
    """Return the pids of a process's children; empty when it is gone."""
    children: list[int] = []
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
        for task in tasks:
            children += map(int, (task / "children").read_text().split())
    except OSError:
        pass
    return children


def name_of(pid: int) -> str:
    """Return the name of a process, "" when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def tree_of(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for child in children_of(pid):
        found += tree_of(child)
    return found


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return whether there was somebody to take it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def stop_tree(pid: int) -> list[int]:
    """SIGSTOP a process and everything below it; return them."""
    stopped = tree_of(pid)
    for each in stopped:
        send(each, signal.SIGSTOP)
    return stopped


def resume_tree(pid: int) -> None:
    """SIGCONT a process and everything below it."""
    for each in tree_of(pid):
        send(each, signal.SIGCONT)


def usage_of(pid: int) -> Usage | None:
    """Return what a process uses; None when it is gone."""
    try:
        status = (PROC / str(pid) / "status").read_text()
        descriptors = len(list((PROC / str(pid) / "fd").iterdir()))
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return Usage(int(line.split()[1]) * 1024, descriptors)
    return None


def size_of(directory: Path) -> int:
    """Return the bytes of all files below a directory; what vanishes meanwhile does not count."""
    total = 0
    for path, _directories, files in os.walk(directory):
        for name in files:
            try:
                total += os.lstat(f"{path}/{name}").st_size
            except OSError:
                continue
    return total
