"""The control port: counts, ledger flush and faults, for tests, benchmarks and demonstrations. Loopback only."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from observer_core.errors import ConfigError
from observer_core.kis.simulator.faults import Actions
from observer_core.kis.simulator.knobs import knob_descriptions
from observer_core.kis.simulator.rest_connections import Connections
from observer_core.kis.simulator.rest_gate import json_response
from observer_core.kis.simulator.stream import StreamPort
from observer_core.kis.simulator.trading_hours import timestamp_text
from observer_core.kis.simulator.venue import Venue


class ControlPort:
    """Answer the control requests of one venue."""

    def __init__(self, venue: Venue, stream: StreamPort, connections: Connections) -> None:
        self._venue = venue
        self._stream = stream
        self._connections = connections

    def application(self) -> Starlette:
        """Return the web application."""
        return Starlette(
            routes=[
                Route("/stats", self._stats, methods=["GET"]),
                Route("/ledger/flush", self._flush, methods=["POST"]),
                Route("/faults", self._show_faults, methods=["GET"]),
                Route("/faults", self._set_faults, methods=["POST"]),
                Route("/knobs", self._describe, methods=["GET"]),
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
                "phase": venue.exchange.hours.phase(now_ns),
                "speed": venue.exchange.clock.speed,
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
            actions = self._venue.apply_faults(wanted)
        except (msgspec.MsgspecError, ConfigError) as error:
            return json_response({"error": str(error)}, 400)
        self._act(actions)
        return json_response(self._venue.faults.knobs)

    async def _describe(self, _request: Request) -> Response:
        """Answer what each knob means and what it is at the moment."""
        values = msgspec.structs.asdict(self._venue.faults.knobs)
        meanings = knob_descriptions()
        return json_response({name: {"value": values[name], "meaning": meanings[name]} for name in values})

    def _act(self, actions: Actions) -> None:
        """Carry out what concerns connections."""
        if actions.operation_code:
            self._stream.push_operation(actions.operation_code)
        if actions.encrypted_frame:
            self._stream.send_order_notice()
        if actions.freeze_sessions:
            self._stream.freeze_sessions()
        if actions.drop_sessions:
            self._stream.drop_sessions(actions.drop_sessions)
        if actions.drop_connections:
            self._connections.close_all()
