"""Questions to the terminal before the screen opens: is it one, how large, how wide does it draw block characters."""

import os
import select
import sys
import termios
import tty
from collections.abc import Callable

from observer_core.clock import NS_PER_MS, Clock

SIZE_WAIT_MS = 300
"""Container engines report 0 x 0 first and the true size a moment later."""

REPLY_WAIT_MS = 60
"""Beyond the time that importing takes anyway; a terminal that does not answer by then is taken as usual."""

_QUESTION = b"\r\xe2\x96\x81\x1b[6n"
_ERASE = b"\r  \r"


def is_terminal() -> bool:
    """Return whether there is a screen to draw on and a keyboard to read."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def wait_for_size(clock: Clock) -> None:
    """Wait a moment for a terminal that says it has no size yet."""
    deadline_ns = clock.monotonic_ns() + SIZE_WAIT_MS * NS_PER_MS
    while clock.monotonic_ns() < deadline_ns:
        size = os.get_terminal_size(sys.stdout.fileno())
        if size.columns and size.lines:
            return
        select.select([], [], [], 0.01)


def draws_blocks_wide(meanwhile: Callable[[], None], clock: Clock) -> bool:
    """Return whether a block character moves the cursor by two columns.

    Asks (prints one, requests the cursor's position), does `meanwhile` the imports that are needed anyway, then reads
    the answer. A terminal that does not answer is taken to draw them in one column.
    """
    source, target = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(source)
    reply = b""
    try:
        tty.setcbreak(source, termios.TCSANOW)
        os.write(target, _QUESTION)
        meanwhile()
        deadline_ns = clock.monotonic_ns() + REPLY_WAIT_MS * NS_PER_MS
        while not reply.endswith(b"R") and (left_ns := deadline_ns - clock.monotonic_ns()) > 0:
            if select.select([source], [], [], left_ns / 1e9)[0]:
                reply += os.read(source, 1)
        os.write(target, _ERASE)
    finally:
        termios.tcsetattr(source, termios.TCSANOW, before)
    return column_of(reply) == 3


def column_of(reply: bytes) -> int | None:
    """Return the column of a cursor position report, None when it is not one."""
    start = reply.rfind(b"\x1b[")
    row, separator, column = reply[start + 2 : -1].partition(b";")
    if start < 0 or not separator or not reply.endswith(b"R") or not row.isdigit() or not column.isdigit():
        return None
    return int(column)
