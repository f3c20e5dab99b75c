"""An app that behaves on real terminals: signals end it cleanly, a stalled or vanished terminal never holds it.

Separate from `app` because this is about Textual 8, not about Observer; it uses private names of Textual (`_display`,
the driver's `_writer_thread` and mouse switches), which the tests in real terminals guard.
"""

import asyncio
import gc
import os
import select
import signal
import sys
import termios
import threading
from contextlib import suppress
from typing import Any

from rich.console import RenderableType
from textual.app import App
from textual.driver import Driver
from textual.events import CursorPosition, Event, InputEvent, Mount, Resize
from textual.screen import Screen

_DEEP_QUEUE = 6
"""Waiting writes from which frames are dropped: the writer thread's queue holds 30, then the event loop would block."""

_LOOK_S = 1.0
_ANSWER_S = 5.0
"""A terminal that answered before and now does not within this time has gone."""

_LEAVE_S = 3.0
"""Leaving restores the terminal first; one that takes nothing is not waited for any longer."""

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class TerminalApp(App[None]):
    """Base of the console."""

    ENABLE_COMMAND_PALETTE = True

    def __init__(self, probe_after_s: float = 0.0, *, in_browser: bool = False) -> None:
        super().__init__(driver_class=_browser_driver() if in_browser else None)
        self._skipped = False
        self._probe_after_s = probe_after_s
        """Seconds without input after which the terminal is asked whether it is there; 0 = never."""
        self._quiet_s = 0.0
        self._asked_s: float | None = None
        self._answers = False
        """Whether this terminal answers questions at all."""

    async def on_mount(self, _event: Mount) -> None:
        """Install signal handlers, the repair of dropped frames and the look after the terminal."""
        # Otherwise every measured text asks the terminal for its size.
        self.console.size = self.size
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._leave, number)
            if self._probe_after_s:
                self._ask_terminal()
            self.set_interval(_LOOK_S, self._look_after_terminal)
        self.set_interval(0.25, self._repair)
        self.call_after_refresh(_settle)

    def on_resize(self, event: Resize) -> None:
        """Keep the size that texts are measured against."""
        self.console.size = event.size

    async def on_event(self, event: Event) -> None:
        """Notice that somebody, or at least the terminal, is there."""
        if isinstance(event, CursorPosition):
            self._answers, self._quiet_s, self._asked_s = True, 0.0, None
        elif isinstance(event, InputEvent):
            self._quiet_s, self._asked_s = 0.0, None
        await super().on_event(event)

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave; the terminal is restored on the way out, or at the latest after some seconds."""
        if not self.is_headless:
            before = getattr(self._driver, "attrs_before", None)
            end = threading.Timer(_LEAVE_S, _end_now, (return_code, before))
            end.daemon = True
            end.start()
        super().exit(result, return_code, message)

    def _leave(self, number: int) -> None:
        """Leave as after a signal."""
        self.exit(return_code=128 + number)

    def toggle_mouse(self) -> bool:
        """Take the mouse, or leave it to the terminal and its own selection; return whether it is taken now."""
        driver: Any = self._driver
        taken = not getattr(driver, "_mouse", False)
        if taken:
            driver._mouse = True
            driver._enable_mouse_support()
        else:
            driver._disable_mouse_support()
            driver._mouse = False
        driver.flush()
        return taken

    def waiting_writes(self) -> int:
        """Return how many writes the terminal has not taken yet."""
        thread: Any = getattr(self._driver, "_writer_thread", None)
        return 0 if thread is None else int(thread._queue.qsize())

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if self.waiting_writes() > _DEEP_QUEUE:
            self._skipped = True
            return
        super()._display(screen, renderable)

    def _repair(self) -> None:
        """Paint everything once when the terminal reads again after frames were dropped."""
        if self._skipped and self.waiting_writes() <= 1:
            self._skipped = False
            self.screen.refresh()
            self.on_slow_terminal()

    def on_slow_terminal(self) -> None:
        """React to a terminal that did not take the frames; for subclasses."""

    def _look_after_terminal(self) -> None:
        """Leave when the terminal was hung up, or does not answer after a long time without a key."""
        if _is_hung_up():
            self._leave(signal.SIGHUP)
            return
        self._quiet_s += _LOOK_S
        if not self._answers or not self._probe_after_s or self._quiet_s < self._probe_after_s:
            return
        if self._asked_s is None:
            self._asked_s = self._quiet_s
            self._ask_terminal()
        elif self._quiet_s - self._asked_s >= _ANSWER_S:
            # A container engine may keep a process whose client is gone, and its terminal with it.
            self._leave(signal.SIGHUP)

    def _ask_terminal(self) -> None:
        """Ask for the cursor's position, which every terminal tells; a full queue is not added to."""
        driver: Any = self._driver
        if driver is not None and self.waiting_writes() <= _DEEP_QUEUE:
            driver.write("\x1b[6n")
            driver.flush()


def _browser_driver() -> type[Driver]:
    from observer_tui.browser_driver import BrowserDriver

    return BrowserDriver


def _is_hung_up() -> bool:
    """Return whether the terminal at the other end is gone for good."""
    if sys.__stdin__ is None:
        return True
    look = select.poll()
    look.register(sys.__stdin__.fileno(), 0)
    return any(events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, events in look.poll(0))


def _end_now(return_code: int, before: Any) -> None:
    """End a console whose terminal takes nothing: its modes can be restored, but nothing more can be written to it."""
    with suppress(OSError, termios.error):
        if before is not None and sys.__stdin__ is not None:
            termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, before)
    os._exit(return_code)


def _settle() -> None:
    """Collect garbage from now on, but never again look at what the start has made."""
    gc.collect()
    gc.freeze()
    gc.enable()
