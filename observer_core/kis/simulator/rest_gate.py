"""The checks in front of every quotation: faults, keys, rate, token, tr_id; and the broker's refusal bodies.

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
from observer_core.kis.simulator.rest_errors import NO_SUCH_SERVICE, RATE_REFUSED, REST_ERRORS, error_body
from observer_core.kis.simulator.venue import Venue

_JSON = "application/json; charset=utf-8"
_encode = msgspec.json.Encoder().encode


class Refusal(ObserverError):
    """A refused call: the broker's code; text and HTTP status as the code has them unless given."""

    def __init__(self, code: str, text: str | None = None, status: int | None = None) -> None:
        known = REST_ERRORS[code]
        self.code = code
        self.text = known.text if text is None else text
        self.status = known.status if status is None else status
        super().__init__(code)


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer as the broker labels it."""
    return Response(_encode(body), status, headers=headers, media_type=_JSON)


def refusal_response(refusal: Refusal) -> Response:
    """Return a refusal in the shape of its code."""
    return json_response(error_body(refusal.code, refusal.text), refusal.status)


class RestGate:
    """Let a call pass or raise `Refusal`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._random = Random(f"{venue.seed}:refusals")

    def check(self, headers: Mapping[str, str], tr_id: str, arrived_ns: int) -> None:
        """Raise `Refusal` unless the quotation may pass; `arrived_ns` is the monotonic time of arrival."""
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
            raise Refusal(NO_SUCH_SERVICE)

    def check_fault(self, name: str, *, quotation: bool) -> None:
        """Raise the refusal that is switched on for an endpoint, for its share of the calls."""
        knobs = self._venue.faults.knobs
        concerned = knobs.rest_error_endpoint == name or (quotation and not knobs.rest_error_endpoint)
        if knobs.rest_error_code and concerned and self._random.random() < knobs.rest_error_rate:
            raise Refusal(knobs.rest_error_code, status=knobs.rest_error_status or None)

    def check_oauth_rate(self, name: str, appkey: str, arrived_ns: int) -> None:
        """Raise `Refusal` when an appkey asks for keys too often."""
        limit = self._venue.faults.knobs.oauth_limit
        if limit and not self._venue.limiter.admit(f"{name}:{appkey}", arrived_ns, limit):
            raise Refusal(RATE_REFUSED)

    def loses_connection(self) -> bool:
        """Draw whether a call ends without an answer."""
        rate = self._venue.faults.knobs.rest_drop_rate
        return rate > 0 and self._random.random() < rate

    def _check_rate(self, appkey: str, arrived_ns: int) -> None:
        knobs = self._venue.faults.knobs
        unlucky = knobs.random_refusal_rate > 0 and self._random.random() < knobs.random_refusal_rate
        if unlucky or not self._venue.limiter.admit(
            appkey, arrived_ns, knobs.call_limit, knobs.rest_window, count_refused=knobs.refusals_count
        ):
            self._venue.counters.rest_limit_refusals += 1
            raise Refusal(RATE_REFUSED, status=knobs.rate_refusal_status)
