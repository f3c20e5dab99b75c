"""A small file of fixed size that several processes share under a lock: the memory of the budgets.

Separate from the budgets so that locking, damage and forking are handled once. The page cache is the shared memory:
reads and writes go by offset instead of a mapping, because a mapped file that somebody truncates kills its readers
with SIGBUS. The lock is `flock`, which the kernel releases when its holder dies, however it dies.

Beside it every opener can hold a mark of its own for as long as it lives (a lock on one byte far behind the content,
bound to the open file): so the others can ask the kernel whether somebody still lives, also across containers.
"""

import contextlib
import fcntl
import os
import struct
from pathlib import Path

_MARKS_OFFSET = 1 << 62
_FLOCK = struct.Struct("@hhqqi4x")
"""The kernel's `struct flock` on 64-bit machines: type, whence, start, length, process."""


class BudgetFile:
    """Fixed-size file with a non-blocking lock; damaged, short or deleted files are recreated.

    Every process has a descriptor of its own, also after a fork: a lock belongs to the open file, so an inherited
    descriptor would let parent and child in together.
    """

    def __init__(self, path: Path, size_bytes: int, mark: int | None = None) -> None:
        """Note where the file is; it is opened at the first use.

        Args:
            path: made when it is missing.
            size_bytes: of its content.
            mark: held for as long as the file is open; below 2^62 and chosen at random. None = no mark.
        """
        self._path = path
        self._size_bytes = size_bytes
        self._mark = mark
        self._fd = -1
        self._pid = 0

    def try_lock(self) -> bool:
        """Take the lock; False when another process has it right now."""
        fd = self._descriptor()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        stat = os.fstat(fd)
        if stat.st_nlink == 0:
            # Somebody deleted the file: the others will open a new one, so this lock protects nothing.
            self.close()
            return self.try_lock()
        if stat.st_size != self._size_bytes:
            os.ftruncate(fd, 0)
            # Real blocks, so that a full disk cannot fail a later write into a hole.
            os.posix_fallocate(fd, 0, self._size_bytes)
        return True

    def unlock(self) -> None:
        """Release the lock."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def is_marked(self, mark: int) -> bool:
        """Return whether another opener that lives holds a mark."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _MARKS_OFFSET + mark, 1, 0)
        answer = fcntl.fcntl(self._descriptor(), fcntl.F_OFD_GETLK, asked)
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`; what a damaged file lacks reads as zeros."""
        return os.pread(self._descriptor(), length, offset).ljust(length, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes at an offset."""
        os.pwrite(self._descriptor(), data, offset)

    def close(self) -> None:
        """Give the descriptor back; the next use opens the file again."""
        if self._fd >= 0 and self._pid == os.getpid():
            os.close(self._fd)
        self._fd = -1

    def _descriptor(self) -> int:
        if self._fd < 0 or self._pid != os.getpid():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._pid = os.getpid()
            if self._mark is not None:
                lock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _MARKS_OFFSET + self._mark, 1, 0)
                with contextlib.suppress(BlockingIOError):
                    # Only a parent from before a fork has the same one; while it lives, so do we.
                    fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, lock)
        return self._fd
