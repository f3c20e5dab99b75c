"""The console in a browser: textual-serve on loopback, one ordinary `observer-tui` for every open page.

Separate because it needs the extra `browser`, and nothing of the console itself. The sockets of the core ask the kernel
who connects; a port of loopback cannot, and every user of the machine and every web site in the operator's browser
reaches it. So the page is given only to who knows the key in the printed address, and only under that address.
"""

import asyncio
import hmac
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

ADDRESS = "127.0.0.1"
"""The only one; there is no option for another."""

_LEAVE_S = 5.0
"""A console leaves by itself within three seconds, even when nobody takes what it writes."""

_EXIT_S = 1.0
"""Between a console's last word and its end."""

_HEARTBEAT_S = 15.0
"""A page that does not answer a ping has gone, and its console with it."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Session(AppService):
    """One console behind one page."""

    async def run(self) -> None:
        """Pass on what the console writes; a dead one's last picture is not left standing as if it were the present."""
        await super().run()
        await self.remote_close()

    async def stop(self) -> None:
        """Let the console leave; one that does not is killed."""
        process = self._process
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    await super().stop()
            if process is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _EXIT_S)
        finally:
            if process is not None and process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()


class BrowserServer(Server):
    """Serves the console to browsers of this machine; bound when it is made."""

    def __init__(self, arguments: Sequence[str], port: int) -> None:
        """Bind the port; 0 takes a free one.

        Raises:
            OSError: the port is taken, or not ours to take.
        """
        self._socket = socket.create_server((ADDRESS, port))
        port = self._socket.getsockname()[1]
        self._authority = f"{ADDRESS}:{port}"
        self._cookie = f"observer-tui-{port}"
        self._key = secrets.token_urlsafe(16)
        self._sessions: set[_Session] = set()
        command = shlex.join([sys.executable, "-P", "-m", "observer_tui", *arguments])
        # Without `exec` a shell would stand between the console and its end.
        super().__init__(f"exec {command}", ADDRESS, port, "observer-tui", f"http://{self._authority}")
        self.url = f"{self.public_url}/?key={self._key}"

    def serve(self, debug: bool = False) -> None:
        """Serve until SIGINT or SIGTERM."""
        self.debug = debug
        application = self._make_app()
        web.run_app(application, sock=self._socket, access_log=None, print=None, shutdown_timeout=_LEAVE_S)

    async def _make_app(self) -> web.Application:
        application = await super()._make_app()
        application.middlewares.append(self._guard)
        return application

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing: who starts this prints the address."""

    async def on_shutdown(self, app: web.Application) -> None:
        """End all consoles."""
        await asyncio.gather(*(session.stop() for session in self._sessions))

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Answer only under the one address and only with the key.

        A foreign Host is a name that was pointed at loopback (DNS rebinding), a foreign Origin the page of a web site.
        """
        if request.host != self._authority or request.headers.get("Origin", self.public_url) != self.public_url:
            raise web.HTTPForbidden(text=f"only {self.public_url} is answered here\n")
        given = request.query.get("key", "")
        if not hmac.compare_digest((given or request.cookies.get(self._cookie, "")).encode(), self._key.encode()):
            raise web.HTTPForbidden(text="open the whole address that observer-tui printed, with its key\n")
        response = await handler(request)
        if not response.prepared:
            # textual-serve's page would fetch a font from a web site; nothing leaves the machine.
            response.headers["Content-Security-Policy"] = (
                "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; "
                f"connect-src 'self' ws://{self._authority}"
            )
            response.headers["Cache-Control"] = "no-store"
            if given:
                response.set_cookie(self._cookie, self._key, httponly=True, samesite="Strict")
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run a console for as long as its page is open."""
        websocket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, timeout=_LEAVE_S)
        await websocket.prepare(request)

        async def close() -> None:
            await websocket.close()

        session = _Session(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        self._sessions.add(session)
        try:
            await session.start(to_int(request.query.get("width", ""), 80), to_int(request.query.get("height", ""), 24))
            await self._process_messages(websocket, session)
        finally:
            await session.stop()
            self._sessions.discard(session)
        return websocket
