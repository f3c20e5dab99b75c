"""The control port: counts, ledger flush and faults, for tests, benchmarks and demonstrations. Loopback only."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from observer_core.errors import ConfigError
from observer_core.kis.simulator.rest_gate import json_response
from observer_core.kis.simulator.stream import StreamPort
from observer_core.kis.simulator.trading_hours import timestamp_text
from observer_core.kis.simulator.venue import Venue


class ControlPort:
    """Answer the control requests of one venue."""

    def __init__(self, venue: Venue, stream: StreamPort) -> None:
        self._venue = venue
        self._stream = stream

    def application(self) -> Starlette:
        """Return the web application."""
        return Starlette(
            routes=[
                Route("/stats", self._stats, methods=["GET"]),
                Route("/ledger/flush", self._flush, methods=["POST"]),
                Route("/faults", self._show_faults, methods=["GET"]),
                Route("/faults", self._set_faults, methods=["POST"]),
            ]
        )

    async def _stats(self, _request: Request) -> Response:
        venue = self._venue
        now_ns = venue.exchange.clock.now_ns()
        return json_response(
            {
                **venue.counters.as_json(),
                "ledger_rows": venue.ledger.rows,
                "exchange_time": timestamp_text(now_ns),
                "exchange_time_ns": now_ns,
                "continuous": venue.exchange.is_continuous(now_ns),
                "listings": len(venue.exchange.listings),
            }
        )

    async def _flush(self, _request: Request) -> Response:
        self._venue.ledger.flush()
        return json_response({"ledger_rows": self._venue.ledger.rows})

    async def _show_faults(self, _request: Request) -> Response:
        return json_response(self._venue.faults.knobs)

    async def _set_faults(self, request: Request) -> Response:
        """Change the named knobs and carry out the actions; 400 changes nothing."""
        try:
            wanted = msgspec.json.decode(await request.body(), type=dict[str, Any])
            actions = self._venue.faults.apply(wanted)
        except (msgspec.MsgspecError, ConfigError) as error:
            return json_response({"error": str(error)}, 400)
        if actions.drop_sessions:
            self._stream.drop_sessions(actions.drop_sessions)
        return json_response(self._venue.faults.knobs)
