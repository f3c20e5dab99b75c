"""Signals as something to poll for: handlers only take note, a pipe wakes the loop.

Separate because handlers are process-wide state that must be put back as it was found.
"""

import os
import signal
from collections import Counter, deque
from types import FrameType, TracebackType
from typing import Any

from observer_core.pipes import open_pipe

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Wakeup:
    """Installs the handlers for as long as it is entered."""

    def __init__(self) -> None:
        self.fd = -1
        self._write_fd = -1
        self._received: deque[int] = deque()
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1

    def __enter__(self) -> "Wakeup":
        """Install the handlers and open the pipe."""
        self.fd, self._write_fd = open_pipe()
        # A full pipe wakes the loop as well as one byte does; the list is complete.
        self._wakeup_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Put everything back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.fd)
        os.close(self._write_fd)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._received.append(number)

    def take(self) -> Counter[int]:
        """Empty the pipe and return how often each signal arrived since the last call."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            pass
        taken: Counter[int] = Counter()
        while self._received:
            taken[self._received.popleft()] += 1
        return taken
