"""Waiting for the tenure of a data directory: a successor that is warm before its predecessor ends.

A standby has imported everything and holds nothing but its own run directory. When the predecessor begins to stop,
it forks all processes at once; each of them takes its role as soon as the old holder has closed it.
"""

import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from observer_core.errors import ProcessError
from observer_core.locks import HeldLock, hold

MARKER = "standby"
"""File in the run directory that is there while this supervisor waits; deployment scripts look at it."""

_POLL_S = 0.01

_logger = logging.getLogger(__name__)


class StoppedEarly(Exception):
    """A standby was told to stop before it had anything to stop."""


def await_tenure(lock_file: Path, run_directory: Path) -> HeldLock:
    """Wait until nobody has the tenure and take it.

    Raises:
        ProcessError: the lock file cannot be opened.
        StoppedEarly: a stop signal came before.
    """
    marker = run_directory / MARKER
    with _stop_signals() as told:
        try:
            while not told:
                try:
                    return hold(lock_file, "supervisor")
                except ProcessError as error:
                    if not isinstance(error.__cause__, BlockingIOError):
                        raise
                    if not marker.exists():
                        _announce(marker, str(error))
                time.sleep(_POLL_S)
            raise StoppedEarly
        finally:
            marker.unlink(missing_ok=True)


def _announce(marker: Path, predecessor: str) -> None:
    _logger.info("standby is warm and waits", extra={"reason": predecessor})
    sys.stdout.write(f"standby: {predecessor}; takes over when it stops\n")
    sys.stdout.flush()
    marker.write_text(f"{predecessor}\n")


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect stop signals for as long as there is nothing to stop: PID 1 of a container has no default for them."""
    told: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        told.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
