"""The checks in front of every quotation: rate, keys, token, tr_id; and the broker's refusal bodies.

Separate from the endpoints: the order of the checks and the shape of the errors are the broker's
(KIS protocol notes §4), whatever is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import msgspec
from starlette.responses import Response

from observer_core.errors import ObserverError
from observer_core.kis.simulator.credentials import CredentialRefused
from observer_core.kis.simulator.venue import Venue

RATE_REFUSED = "EGW00201"
_OAUTH_SHAPED = frozenset(("EGW00103", "EGW00105", "EGW00133"))
_JSON = "application/json; charset=utf-8"
_encode = msgspec.json.Encoder().encode


class Refusal(ObserverError):
    """A refused quotation: the broker's code and text, and the HTTP status."""

    def __init__(self, code: str, text: str, status: int = 500) -> None:
        self.code = code
        self.text = text
        self.status = status
        super().__init__(code)


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer as the broker labels it."""
    return Response(_encode(body), status, headers=headers, media_type=_JSON)


def refusal_response(code: str, text: str, status: int = 500) -> Response:
    """Return a refusal: the OAuth shape for key errors (403), else the quotation envelope."""
    if code in _OAUTH_SHAPED:
        return json_response({"error_description": text, "error_code": code}, 403)
    return json_response({"rt_cd": "1", "msg_cd": code, "msg1": text}, status)


class RestGate:
    """Let a quotation pass or raise `Refusal`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._random = Random(f"{venue.seed}:refusals")

    def check(self, headers: Mapping[str, str], tr_id: str, arrived_ns: int) -> None:
        """Raise `Refusal` unless the call may pass; `arrived_ns` is the monotonic time of arrival."""
        venue = self._venue
        appkey = headers.get("appkey", "")
        try:
            venue.credentials.check_pair(appkey, headers.get("appsecret", ""))
            self._check_rate(appkey, arrived_ns)
            scheme, _, token = headers.get("authorization", "").partition(" ")
            venue.credentials.check_token(token if scheme == "Bearer" else "", appkey, venue.clock.now_ns())
        except CredentialRefused as refused:
            raise Refusal(refused.code, refused.text) from refused
        if headers.get("tr_id", "") != tr_id:
            raise Refusal("OPSQ0002", "없는 서비스 코드 입니다.")

    def _check_rate(self, appkey: str, arrived_ns: int) -> None:
        knobs = self._venue.faults.knobs
        unlucky = knobs.random_refusal_rate > 0 and self._random.random() < knobs.random_refusal_rate
        if unlucky or not self._venue.limiter.admit(appkey, arrived_ns, knobs.rest_limit, knobs.rest_window):
            self._venue.counters.rest_limit_refusals += 1
            raise Refusal(RATE_REFUSED, "초당 거래건수를 초과하였습니다.")
