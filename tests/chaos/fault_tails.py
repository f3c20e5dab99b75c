"""What a crash in the middle of a write leaves behind: half a frame in a journal, half a line in the archive.

The supervisor is held still meanwhile, so that the process's next life finds the damage as after a crash.
"""

import contextlib
import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.chaos import processes
from tests.chaos.fault_stops import pid_of
from tests.chaos.faults import SkippedError, fault
from tests.chaos.system import ChaosSystem


@contextlib.contextmanager
def dead(system: ChaosSystem, name: str) -> Iterator[None]:
    """Kill a process; its next life begins only after the block."""
    pid = pid_of(system, name)
    if system.supervisor is None:
        raise SkippedError("there is no supervisor")
    processes.send(system.supervisor.pid, signal.SIGSTOP)
    try:
        processes.send(pid, signal.SIGKILL)
        while processes.is_alive(pid):
            system.sleep(0.005)
        yield
    finally:
        processes.send(system.supervisor.pid, signal.SIGCONT)


def newest(paths: list[Path]) -> Path:
    """Return the file that was written last."""
    if not paths:
        raise SkippedError("there is no file to damage")
    return max(paths, key=lambda path: path.stat().st_mtime_ns)


@fault("torn journal tail", alone=True)
def torn_journal(system: ChaosSystem, random: Random) -> None:
    """Kill a shard and leave a frame of which only a part was written."""
    name = random.choice(("swing-0", "swing-2", "scalp-0"))
    with dead(system, name):
        segment = newest(list((system.paths.data / "journal" / name).glob("*.seg")))
        whole = struct.pack(">IIQ", 5_000, random.getrandbits(32), 1) + random.randbytes(5_000)
        with segment.open("ab") as file:
            file.write(whole[: random.randrange(1, len(whole))])


@fault("zeroed journal tail", alone=True)
def zeroed_journal(system: ChaosSystem, random: Random) -> None:
    """Kill a shard and leave a block of zeros, as a file system does that had grown the file before the crash."""
    name = random.choice(("swing-1", "swing-3", "scalp-0"))
    with dead(system, name):
        segment = newest(list((system.paths.data / "journal" / name).glob("*.seg")))
        with segment.open("ab") as file:
            file.write(bytes(random.randrange(1, 4_096)))


@fault("torn archive line", alone=True)
def torn_archive(system: ChaosSystem, random: Random) -> None:
    """Kill the archive's writer and leave half a line."""
    with dead(system, "jsonl"):
        archive = newest(
            [path for track in ("swing", "scalp") for path in (system.paths.data / track).rglob("*.jsonl")]
        )
        line = archive.read_bytes().splitlines()[0] if archive.stat().st_size < 50_000_000 else b'{"kind":"quote","sh'
        with archive.open("ab") as file:
            file.write(line[: random.randrange(1, len(line))])
