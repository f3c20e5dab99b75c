"""The console's terminal where that is a page of a browser: Textual's web driver with the habits of a real terminal.

Separate from `terminal_app` because only a console that `observer-tui --browser` started needs it. Uses private names
of Textual 8, which the tests with a real server guard.
"""

import os
import signal
import sys
from typing import Any, cast

from textual.app import App
from textual.drivers._writer_thread import WriterThread
from textual.drivers.web_driver import WebDriver


class BrowserDriver(WebDriver):
    """Writes from a thread, so that a page that takes nothing costs frames and never holds the event loop."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        output = os.fdopen(os.dup(cast("Any", sys.__stdout__).fileno()), "wb")
        self._writer_thread = WriterThread(cast("Any", output))
        self._write = cast("Any", self._writer_thread.write)

    def start_application_mode(self) -> None:
        """Open the screen; the mouse is taken only where it is wanted."""
        self._writer_thread.start()
        super().start_application_mode()
        if not self._mouse:
            self._disable_mouse_support()

    def stop_application_mode(self) -> None:
        """Say that this is the end, and write what is left."""
        super().stop_application_mode()
        self._writer_thread.stop()

    def on_meta(self, packet_type: str, payload: dict[str, object]) -> None:
        """Take the end of the page for the hang-up of a terminal, after which nobody is waited for."""
        if packet_type == "quit":
            os.kill(os.getpid(), signal.SIGHUP)
            return
        super().on_meta(packet_type, payload)
