"""Length-prefixed frames over pipes between the supervisor and its children.

A frame is a big-endian u32 length and that many bytes. Separate from `messages` because a pipe is a stream of bytes
that may be cut anywhere: the parser keeps what is incomplete, the outbox keeps what the pipe did not take.
"""

import os
import select
from collections import deque

from observer_core.errors import MalformedMessage

FRAME_LIMIT_BYTES = 1 << 20
"""A longer frame than this is not ours: nothing that travels over these pipes comes near it."""

_PREFIX_BYTES = 4
_READ_BYTES = 1 << 16


def open_pipe() -> tuple[int, int]:
    """Return (read end, write end), both non-blocking and closed on exec."""
    return os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)


def frame(payload: bytes) -> bytes:
    """Return the payload with its length before it."""
    return len(payload).to_bytes(_PREFIX_BYTES, "big") + payload


def write_frame(fd: int, payload: bytes) -> bool:
    """Write one small frame at once; return False when the pipe is full and nothing was written.

    A pipe takes up to 4,096 bytes (PIPE_BUF) whole or not at all; a longer frame needs an `Outbox`.

    Raises:
        BrokenPipeError: nobody reads any more.
        ValueError: the frame is longer than a pipe takes in one piece.
    """
    data = frame(payload)
    if len(data) > 4096:
        raise ValueError(f"a frame of {len(data)} bytes cannot be written in one piece")
    try:
        os.write(fd, data)
    except BlockingIOError:
        return False
    return True


def read_available(fd: int) -> bytes:
    """Return what can be read now, b"" when nothing waits.

    Raises:
        EOFError: the other end is closed and everything was read.
    """
    try:
        data = os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return b""
    if not data:
        raise EOFError("the other end of the pipe is closed")
    return data


def await_frame(fd: int) -> bytes:
    """Wait for one frame that is written in one piece and return its payload; what follows it stays in the pipe.

    Raises:
        EOFError: the other end is closed.
    """
    select.select([fd], [], [])
    prefix = os.read(fd, _PREFIX_BYTES)
    if not prefix:
        raise EOFError("the other end of the pipe is closed")
    return os.read(fd, int.from_bytes(prefix, "big"))


class FrameBuffer:
    """Incremental parser: takes bytes in any portions, gives whole payloads."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that are complete now.

        Raises:
            MalformedMessage: a length beyond the limit; the stream cannot be followed any further.
        """
        pending = self._pending
        pending += data
        payloads: list[bytes] = []
        start = 0
        while len(pending) - start >= _PREFIX_BYTES:
            body = start + _PREFIX_BYTES
            length = int.from_bytes(pending[start:body], "big")
            if length > FRAME_LIMIT_BYTES:
                raise MalformedMessage(bytes(pending[start:body]), f"a frame of {length} bytes is announced")
            if len(pending) - body < length:
                break
            payloads.append(bytes(pending[body : body + length]))
            start = body + length
        del pending[:start]
        return payloads


class Outbox:
    """Bounded queue of frames before a non-blocking pipe; whole frames are dropped, oldest first, never parts.

    The queue outlives the pipe: frames that wait when a reader dies go to the next one.
    """

    __slots__ = ("_fd", "_limit", "_partial", "_queue", "dropped_total")

    def __init__(self, fd: int = -1, limit: int = 256) -> None:
        self._fd = fd
        self._limit = limit
        self._queue: deque[bytes] = deque()
        self._partial = b""
        self.dropped_total = 0

    def attach(self, fd: int) -> None:
        """Go on with another pipe, -1 for none; what an old pipe took in part is lost with it."""
        self._fd = fd
        self._partial = b""

    def offer(self, payload: bytes) -> None:
        """Queue one payload; the oldest waiting one gives way when the queue is full."""
        if len(self._queue) >= self._limit:
            self._queue.popleft()
            self.dropped_total += 1
        self._queue.append(frame(payload))

    @property
    def waiting(self) -> int:
        """Return how many frames are not yet written whole."""
        return len(self._queue) + bool(self._partial)

    def flush(self) -> bool:
        """Write as much as the pipe takes now; return whether everything is written.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        while self._fd >= 0 and (self._partial or self._queue):
            data = self._partial or self._queue.popleft()
            self._partial = data
            try:
                written = os.write(self._fd, data)
            except BlockingIOError:
                return False
            self._partial = data[written:]
        return self.waiting == 0
