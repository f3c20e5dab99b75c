"""The HTTP endpoints: whether the process lives, whether the system is ready, what it sees. Reading only.

Separate from `server`, which binds and serves: this is a plain ASGI application over a source of views.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from observer_core.clock import NS_PER_S, Clock
from observer_core.http.bodies import Health, Problem, Ready, freshness, manifest_body
from observer_core.http.metrics import CONTENT_TYPE, exposition
from observer_core.http.readiness import readiness
from observer_core.http.symbols import SYMBOL_FORM, CompletenessOf, OwnersOf, symbol_status
from observer_core.ids import DayNumber
from observer_core.market.bars import FRAMES
from observer_core.paths import Paths
from observer_core.view import SystemView

FILES_AT_ONCE = 2
"""Requests that read files; others wait, so that no number of clients can take the disk."""

_encoder = msgspec.json.Encoder()


class Sources(NamedTuple):
    """What the endpoints are answered from."""

    current_view: Callable[[], SystemView]
    paths: Paths
    owners_of: OwnersOf
    completeness_of: CompletenessOf
    pid: int
    clock: Clock


class _Endpoints:
    """One method an endpoint; each answers from the newest view."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._reading = asyncio.Semaphore(FILES_AT_ONCE)

    async def health(self, _request: Request) -> Response:
        now_ns, view = self._sources.clock.now_ns(), self._sources.current_view()
        age_s = round(max(0, now_ns - view.as_of_ns) / NS_PER_S, 3)
        pid = self._sources.pid
        return _json(Health(status="ok", version=view.version, pid=pid, as_of_ns=now_ns, view_age_s=age_s))

    async def ready(self, _request: Request) -> Response:
        now_ns = self._sources.clock.now_ns()
        verdict = readiness(self._sources.current_view(), now_ns)
        body = Ready(ready=verdict.ready, phase=verdict.phase, failing=verdict.failing, as_of_ns=now_ns)
        return _json(body, 200 if verdict.ready else 503)

    async def status(self, _request: Request) -> Response:
        return _json(self._sources.current_view())

    async def symbol(self, request: Request) -> Response:
        name, timeframe = request.path_params["symbol"], request.query_params.get("timeframe", "1m")
        if timeframe not in FRAMES:
            raise HTTPException(400, f"timeframe is one of {', '.join(FRAMES)}")
        if SYMBOL_FORM.fullmatch(name) is None:
            raise HTTPException(404, "not a symbol")
        async with self._reading:
            owners = await asyncio.to_thread(self._sources.owners_of, name)
            if not owners:
                raise HTTPException(404, f"{name} is not collected: see `observerctl universe show`")
            now_ns = self._sources.clock.now_ns()
            archive = self._sources.paths.data
            found = await asyncio.to_thread(symbol_status, archive, name, owners, timeframe, now_ns)
            completeness = await asyncio.to_thread(self._sources.completeness_of, name)
        return _json(msgspec.structs.replace(found, completeness=completeness))

    async def metrics(self, _request: Request) -> Response:
        text = exposition(self._sources.current_view(), self._sources.clock.now_ns())
        return Response(text, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    async def freshness(self, _request: Request) -> Response:
        return _json(freshness(self._sources.current_view(), self._sources.clock.now_ns()))

    async def manifest(self, request: Request) -> Response:
        day = _day(request.query_params.get("day"))
        async with self._reading:
            body = await asyncio.to_thread(manifest_body, self._sources.paths, day)
        if body is None:
            raise HTTPException(404, "no file of that day is sealed")
        return _json(body)


def create_application(sources: Sources) -> Starlette:
    """Return the application over whatever the sources say at the time of a request."""
    answers = _Endpoints(sources)
    return Starlette(
        routes=[
            Route("/health", answers.health),
            Route("/ready", answers.ready),
            Route("/status", answers.status),
            Route("/status/{symbol}", answers.symbol),
            Route("/metrics", answers.metrics),
            Route("/freshness", answers.freshness),
            Route("/manifest.json", answers.manifest),
            Route("/static/manifest.json", answers.manifest),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )


def _day(text: str | None) -> DayNumber | None:
    if text is None:
        return None
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise HTTPException(400, "day is YYYYMMDD")
    return DayNumber(int(text))


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
