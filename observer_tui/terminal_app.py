"""An app that behaves on real terminals: signals end it cleanly, a stalled terminal never stalls it.

Separate from `app` because this is about Textual 8, not about Observer; it uses two private names of Textual
(`_display`, the driver's `_writer_thread`), which the test in a real terminal guards.
"""

import asyncio
import gc
import signal
from typing import Any

from rich.console import RenderableType
from textual.app import App
from textual.events import Mount, Resize
from textual.screen import Screen

_DEEP_QUEUE = 6
"""Waiting writes from which frames are dropped: the writer thread's queue holds 30, then the event loop would block."""


class TerminalApp(App[None]):
    """Base of the console."""

    ENABLE_COMMAND_PALETTE = True

    def __init__(self) -> None:
        super().__init__()
        self._skipped = False

    async def on_mount(self, _event: Mount) -> None:
        """Install signal handlers and the repair of dropped frames."""
        # Otherwise every measured text asks the terminal for its size.
        self.console.size = self.size
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._leave, number)
        self.set_interval(0.25, self._repair)
        self.call_after_refresh(_settle)

    def on_resize(self, event: Resize) -> None:
        """Keep the size that texts are measured against."""
        self.console.size = event.size

    def _leave(self, number: int) -> None:
        """Leave as after a signal; the terminal is restored on the way out."""
        self.exit(return_code=128 + number)

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


def _settle() -> None:
    """Collect garbage from now on, but never again look at what the start has made."""
    gc.freeze()
    gc.enable()
