"""HTTP to the broker and nothing more: one kept-alive client per process, times stamped, failures translated.

Separate from the endpoints so that the HTTP library is known in one place. Calls go through httpcore itself: httpx
above it doubles the CPU of a call and of a restart. It does not retry: whether a second request is allowed is a
question of the budget, which the caller holds.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import certifi
import httpcore
import msgspec

from observer_core.clock import Clock
from observer_core.errors import TransientFeedError

_SENDING = "http11.send_request_headers.started"
_SENT = "http11.send_request_body.complete"
_CONNECTIONS = 16
_KEEP_ALIVE_S = 30.0
_DOWNLOAD_LIMIT_BYTES = 32 * 1024 * 1024
_DOWNLOAD_TIMEOUT_S = 30.0


class DroppedConnectionError(TransientFeedError):
    """The broker closed an idle connection under the request: a second one, on a fresh connection, may follow."""


class Answer(NamedTuple):
    """What came back, with the wall-clock times of sending and receipt."""

    status: int
    body: bytes
    requested_ns: int
    received_ns: int
    lost_since_ns: int | None = None
    """When an earlier attempt was made whose answer may have been lost on the way."""


@cache
def tls_context() -> ssl.SSLContext:
    """Return the process-wide TLS context; built before the fork, it is the dearest part of a client's start.

    Plain addresses get it too: without one, the client would build another that nobody uses.
    """
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())


class Transport:
    """A client for one host. Create it in the process and event loop that use it."""

    def __init__(self, base_url: str, user_agent: str, timeout_s: float, clock: Clock) -> None:
        # They log every request, at the lowest level with all headers: volume and secrets nobody asked for.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.first_sent = asyncio.Event()
        """Set when a first request is on its way or has failed: what may wait for that does not delay it."""
        self._base_url = base_url
        self._clock = clock
        self._headers = {"accept": "*/*", "connection": "keep-alive", "user-agent": user_agent}
        self._timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls_context(), max_connections=_CONNECTIONS, keepalive_expiry=_KEEP_ALIVE_S
        )

    async def get(self, path: str, headers: Mapping[str, str], before_sending: Callable[[], Awaitable[None]]) -> Answer:
        """Send a GET for a path with its query.

        Args:
            path: appended to the base address as it is.
            headers: the endpoint's own headers.
            before_sending: awaited when a connection stands and the request is about to be written.

        Raises:
            DroppedConnectionError: the connection broke without an answer.
            TransientFeedError: no answer in time, or no connection.
        """
        return await self._send("GET", path, headers, None, before_sending)

    async def post(self, path: str, document: Mapping[str, str]) -> Answer:
        """Send a POST with a JSON document; raises as `get`."""
        headers = {"content-type": "application/json"}
        return await self._send("POST", path, headers, msgspec.json.encode(document), None)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        before_sending: Callable[[], Awaitable[None]] | None,
    ) -> Answer:
        requested_ns = self._clock.now_ns()

        async def trace(event: str, _info: Mapping[str, Any]) -> None:
            nonlocal requested_ns
            if event == _SENDING:
                if before_sending is not None:
                    await before_sending()
                requested_ns = self._clock.now_ns()
            elif event == _SENT:
                self.first_sent.set()

        try:
            response = await self._pool.request(
                method,
                self._base_url + path,
                headers=list({**self._headers, **headers}.items()),
                content=body,
                extensions={"timeout": self._timeouts, "trace": trace},
            )
        except httpcore.TimeoutException as error:
            raise TransientFeedError(f"no answer in time ({type(error).__name__})", code="timeout") from error
        except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError) as error:
            raise DroppedConnectionError(f"connection lost ({type(error).__name__})", code="dropped") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise TransientFeedError(f"no connection ({type(error).__name__})", code="transport") from error
        finally:
            self.first_sent.set()
        return Answer(response.status, response.content, requested_ns, self._clock.now_ns())


async def download_file(url: str, user_agent: str, timeout_s: float = _DOWNLOAD_TIMEOUT_S) -> bytes:
    """Return the content of a public file of the broker (listing files); no credential is sent.

    Raises:
        TransientFeedError: it cannot be had now, or is unreasonably large.
    """
    # Imported here: its command line brings rich and pygments along, 10 MB in the image of every process.
    import httpx

    content = bytearray()
    try:
        async with (
            httpx.AsyncClient(
                headers={"user-agent": user_agent}, timeout=timeout_s, verify=tls_context(), trust_env=False
            ) as client,
            client.stream("GET", url, follow_redirects=True) as response,
        ):
            response.raise_for_status()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _DOWNLOAD_LIMIT_BYTES:
                    raise TransientFeedError(f"{url} is larger than {_DOWNLOAD_LIMIT_BYTES} bytes", code="size")
    except httpx.HTTPError as error:
        raise TransientFeedError(f"{url} cannot be downloaded ({type(error).__name__})", code="download") from error
    return bytes(content)
