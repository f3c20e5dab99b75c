"""The REST port of the simulated exchange: keys, quotations and listing files."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from observer_core.clock import kst_datetime
from observer_core.kis.simulator.credentials import CredentialRefused
from observer_core.kis.simulator.master_shelf import MasterShelf
from observer_core.kis.simulator.rest_connections import Connections
from observer_core.kis.simulator.rest_endpoints import ENDPOINTS
from observer_core.kis.simulator.rest_errors import NO_SUCH_SERVICE
from observer_core.kis.simulator.rest_gate import Refusal, RestGate, json_response, refusal_response
from observer_core.kis.simulator.trading_hours import hour_text
from observer_core.kis.simulator.venue import Venue

QUOTATIONS_PATH: Final = "/uapi/domestic-stock/v1/quotations"
_EXPIRES_IN_S: Final = 86_400
_MAINTENANCE: Final = "<html><body>Service Unavailable</body></html>"


class RestPort:
    """Answer the requests of one venue."""

    def __init__(self, venue: Venue, connections: Connections) -> None:
        self._venue = venue
        self._connections = connections
        self._gate = RestGate(venue)
        self._masters = MasterShelf(venue)

    def application(self) -> Starlette:
        """Return the web application."""
        return Starlette(
            routes=[
                Route("/oauth2/tokenP", self._token, methods=["POST"]),
                Route("/oauth2/Approval", self._approval, methods=["POST"]),
                Route("/oauth2/revokeP", self._revoke, methods=["POST"]),
                Route("/uapi/hashkey", self._hashkey, methods=["POST"]),
                Route(QUOTATIONS_PATH + "/{name}", self._quotation, methods=["GET"]),
                Route("/common/master/{name}", self._master, methods=["GET"]),
            ]
        )

    async def _quotation(self, request: Request) -> Response:
        venue = self._venue
        arrived_ns = venue.clock.monotonic_ns()
        name = request.path_params["name"]
        venue.counters.requests[name] += 1
        if (hindrance := await self._hindered(request)) is not None:
            return hindrance
        endpoint = ENDPOINTS.get(name)
        try:
            if endpoint is None or (venue.faults.knobs.virtual and not endpoint.on_virtual):
                raise Refusal(NO_SUCH_SERVICE)
            self._gate.check_fault(name, quotation=True)
            self._gate.check(request.headers, endpoint.tr_id, arrived_ns)
            query = {key.upper(): value for key, value in request.query_params.items()}
            body = endpoint.answer(venue, query)
        except Refusal as refusal:
            return self._refused(refusal, request.headers.get("appkey", ""))
        headers = {"tr_id": endpoint.tr_id, "tr_cont": "", "gt_uid": uuid.uuid4().hex}
        return json_response(body, headers=headers)

    async def _hindered(self, request: Request) -> Response | None:
        """Wait for the latency in force; return what an outage answers instead."""
        knobs = self._venue.faults.knobs
        if knobs.rest_latency_ms > 0:
            await asyncio.sleep(knobs.rest_latency_ms / 1_000)
            if request.client is not None and not self._connections.is_open((request.client.host, request.client.port)):
                # Whoever asked has died or given up meanwhile: what nobody can receive was never sent.
                self._venue.counters.rest_dropped += 1
                return Response(status_code=500)
        if knobs.rest_down or (knobs.maintenance and self._in_maintenance(knobs.maintenance)):
            self._venue.counters.rest_refusals["down"] += 1
            return Response(_MAINTENANCE, 500, media_type="text/html")
        if self._gate.loses_connection() and request.client is not None:
            self._venue.counters.rest_dropped += 1
            self._connections.close((request.client.host, request.client.port))
            await asyncio.sleep(0)
            return Response(status_code=500)  # for a connection that is gone: nobody receives it
        return None

    def _in_maintenance(self, span: str) -> bool:
        """Tell whether the exchange's time of day lies in HH:MM-HH:MM, which may pass midnight."""
        start, end = (edge.replace(":", "") + "00" for edge in span.split("-"))
        now = hour_text(self._venue.exchange.clock.now_ns())
        return start <= now < end if start <= end else now >= start or now < end

    def _refused(self, refusal: Refusal, appkey: str) -> Response:
        self._venue.counters.rest_refusals[refusal.code] += 1
        self._venue.refused("rest", refusal.code, self._venue.credentials.known_ordinal(appkey))
        return refusal_response(refusal)

    async def _token(self, request: Request) -> Response:
        counters = self._venue.counters
        counters.requests["tokenP"] += 1
        if (hindrance := await self._hindered(request)) is not None:
            return hindrance
        body = await _json_body(request)
        try:
            appkey = self._admitted_appkey("tokenP", body, "appsecret")
            token = self._venue.credentials.issue_token(appkey, self._venue.clock.now_ns())
        except (CredentialRefused, Refusal) as refused:
            counters.tokens_refused += 1
            return self._refused(Refusal(refused.code, refused.text), str(body.get("appkey", "")))
        counters.tokens_issued += 1
        return json_response(
            {
                "access_token": token.value,
                "access_token_token_expired": f"{kst_datetime(token.expires_ns):%Y-%m-%d %H:%M:%S}",
                "token_type": "Bearer",
                "expires_in": _EXPIRES_IN_S,
            }
        )

    async def _approval(self, request: Request) -> Response:
        self._venue.counters.requests["Approval"] += 1
        if (hindrance := await self._hindered(request)) is not None:
            return hindrance
        body = await _json_body(request)
        try:
            appkey = self._admitted_appkey("Approval", body, "secretkey")
        except (CredentialRefused, Refusal) as refused:
            return self._refused(Refusal(refused.code, refused.text), str(body.get("appkey", "")))
        self._venue.counters.approvals_issued += 1
        key = self._venue.credentials.issue_approval(appkey, self._venue.clock.now_ns())
        return json_response({"approval_key": key})

    async def _revoke(self, request: Request) -> Response:
        self._venue.counters.requests["revokeP"] += 1
        body = await _json_body(request)
        self._venue.credentials.revoke_token(str(body.get("token", "")))
        return json_response({"code": 200, "message": "접근토큰 폐기에 성공하였습니다"})

    async def _hashkey(self, request: Request) -> Response:
        self._venue.counters.requests["hashkey"] += 1
        content = await request.body()
        return json_response({"BODY": await _json_body(request), "HASH": hashlib.sha256(content).hexdigest()})

    def _admitted_appkey(self, name: str, body: dict[str, Any], secret_name: str) -> str:
        """Return the appkey of a key request; the secret has another name at each endpoint."""
        appkey = str(body.get("appkey", ""))
        self._gate.check_fault(name, quotation=False)
        self._venue.credentials.check_pair(appkey, str(body.get(secret_name, "")))
        if body.get("grant_type") != "client_credentials":
            raise CredentialRefused("EGW00103", "유효하지 않은 AppKey입니다.")
        self._gate.check_oauth_rate(name, appkey, self._venue.clock.monotonic_ns())
        return appkey

    async def _master(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._venue.counters.requests[name] += 1
        return self._masters.answer(name)


async def _json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request, empty when it is none."""
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
