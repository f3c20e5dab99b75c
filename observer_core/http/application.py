"""The HTTP endpoints: whether the process lives, whether the system is ready, what it sees. Reading only.

Separate from `server`, which binds and serves: this is a plain ASGI application over a source of views.
"""

from collections.abc import Callable

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from observer_core.clock import NS_PER_S, Clock
from observer_core.http.readiness import readiness
from observer_core.view import SystemView

_encoder = msgspec.json.Encoder()


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Body of /health: the process that answers is alive."""

    status: str
    version: str
    pid: int | None
    as_of_ns: int
    view_age_s: float


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Body of /ready."""

    ready: bool
    phase: str
    failing: tuple[str, ...]
    as_of_ns: int


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Body of every error."""

    error: str
    status: int


def create_application(current_view: Callable[[], SystemView], pid: int, clock: Clock) -> Starlette:
    """Return the application over whatever `current_view` returns at the time of a request."""

    async def health(_request: Request) -> Response:
        now_ns = clock.now_ns()
        view = current_view()
        age_s = round(max(0, now_ns - view.as_of_ns) / NS_PER_S, 3)
        return _json(Health(status="ok", version=view.version, pid=pid, as_of_ns=now_ns, view_age_s=age_s))

    async def ready(_request: Request) -> Response:
        now_ns = clock.now_ns()
        verdict = readiness(current_view(), now_ns)
        body = Ready(ready=verdict.ready, phase=verdict.phase, failing=verdict.failing, as_of_ns=now_ns)
        return _json(body, 200 if verdict.ready else 503)

    async def status(_request: Request) -> Response:
        return _json(current_view())

    return Starlette(
        routes=[Route("/health", health), Route("/ready", ready), Route("/status", status)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )


def _json(body: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        _encoder.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _failed(_request, error)
    headers = dict(error.headers) if error.headers else None
    return _json(Problem(error=error.detail, status=error.status_code), error.status_code, headers)


async def _failed(_request: Request, _error: Exception) -> Response:
    # Starlette logs the traceback through uvicorn; the client learns nothing of our insides.
    return _json(Problem(error="internal error: see the hub's log", status=500), 500)
