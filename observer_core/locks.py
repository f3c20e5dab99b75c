"""One holder per role: `flock` on a file that names its holder.

Separate because every role that must not run twice (supervisor, shard, sink, hub) takes its lock here before it
binds, opens or connects anything: a second `bind` of an ipc path would steal it silently.
"""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from observer_core.errors import ProcessError

_TEXT_LIMIT_BYTES = 512


@dataclass(slots=True)
class HeldLock:
    """A lock that this process holds until `close` or its death, whichever comes first."""

    path: Path
    fd: int

    def close(self) -> None:
        """Give the lock back; doing so twice is harmless."""
        if self.fd >= 0:
            # Emptied first: the name of a former holder would mislead whoever reads the file.
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, 0)
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> "HeldLock":
        """Return the lock itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Give the lock back."""
        self.close()


def hold(path: Path, holder: str = "") -> HeldLock:
    """Take the lock of a file, which is made when it is missing, and write pid and `holder` into it.

    The file is never removed: an unlinked lock file would let two processes hold "the same" lock.

    Raises:
        ProcessError: another process holds it (named in the message), or the file cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ProcessError(f"the lock file {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        found = _holder_of(fd)
        os.close(fd)
        raise ProcessError(f"{path} is held by {found}") from error
    except OSError as error:
        os.close(fd)
        raise ProcessError(f"the lock file {path} cannot be locked: {error.strerror}") from error
    with contextlib.suppress(OSError):
        # A full disk costs the name in a later refusal, not the start.
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {holder or path.stem}\n".encode(), 0)
    return HeldLock(path, fd)


def _holder_of(fd: int) -> str:
    pid, _, name = os.pread(fd, _TEXT_LIMIT_BYTES, 0).decode(errors="replace").strip().partition(" ")
    if not pid:
        return "a process that has not written its pid yet"
    return f"process {pid} ({name})" if name else f"process {pid}"
