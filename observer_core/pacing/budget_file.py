"""A small file of fixed size that several processes share under a lock: the memory of the budgets.

Separate from the budgets so that locking, damage and forking are handled once. The page cache is the shared memory:
reads and writes go by offset instead of a mapping, because a mapped file that somebody truncates kills its readers
with SIGBUS. The lock is `flock`, which the kernel releases when its holder dies, however it dies.
"""

import fcntl
import os
from pathlib import Path


class BudgetFile:
    """Fixed-size file with a non-blocking lock; damaged, short or deleted files are recreated.

    Every process has a descriptor of its own, also after a fork: a lock belongs to the open file, so an inherited
    descriptor would let parent and child in together.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
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
        return self._fd
