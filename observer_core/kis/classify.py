"""What a failure of the broker means: a pure function from an answer to the kind of error, or to none.

Separate from the clients because it is knowledge about the broker, not about transport, and is tested as a table
(KIS protocol notes §4 and §5.1). The body decides, whatever the HTTP status: the broker sends refusals of all kinds
as 500, and a 500 without its JSON is a genuine outage.
"""

from typing import TypeAlias

import msgspec

from observer_core.errors import (
    FatalFeedError,
    FeedError,
    RateRefusedError,
    ReauthenticateError,
    SymbolRefusedError,
    TransientFeedError,
)
from observer_core.kis.wire import ControlMessage, mask_keys

RATE_REFUSED = "EGW00201"
TOKEN_EXPIRED = "EGW00123"  # noqa: S105 - the code of an error
TOKEN_INVALID = "EGW00121"  # noqa: S105 - the code of an error
TOKEN_TOO_SOON = "EGW00133"  # noqa: S105 - the code of an error
SUBSCRIBED = "OPSP0000"
UNSUBSCRIBED = "OPSP0001"
ALREADY_SUBSCRIBED = "OPSP0002"
NOT_SUBSCRIBED = "OPSP0003"
TOO_MANY_REGISTRATIONS = "OPSP0008"
KEY_IN_USE = "OPSP8996"

_Kind: TypeAlias = type[FeedError]

_REST_KINDS: dict[str, _Kind] = {
    RATE_REFUSED: RateRefusedError,
    TOKEN_EXPIRED: ReauthenticateError,
    TOKEN_INVALID: ReauthenticateError,
    TOKEN_TOO_SOON: TransientFeedError,
    "EGW00103": FatalFeedError,
    "EGW00105": FatalFeedError,
    "EGW02004": FatalFeedError,
    "EGW00300": TransientFeedError,
    "EGW00301": TransientFeedError,
    "EGW00302": TransientFeedError,
    "EGW00316": TransientFeedError,
    "OPSQ0002": FatalFeedError,
    "OPSQ0003": TransientFeedError,
    "OPSQ1002": TransientFeedError,
    "OPSQ2001": SymbolRefusedError,
}
_STREAM_KINDS: dict[str, _Kind | None] = {
    SUBSCRIBED: None,
    UNSUBSCRIBED: None,
    ALREADY_SUBSCRIBED: None,
    NOT_SUBSCRIBED: None,
    "OPSP0007": TransientFeedError,
    "OPSP0009": TransientFeedError,
    TOO_MANY_REGISTRATIONS: SymbolRefusedError,
    "OPSP0010": ReauthenticateError,
    "OPSP0011": ReauthenticateError,
    "OPSP8991": SymbolRefusedError,
    "OPSP8992": SymbolRefusedError,
    KEY_IN_USE: TransientFeedError,
}
_HTTP_OK = 200
_HTTP_UNAUTHORIZED = 401
_HTTP_TOO_MANY = 429
_HTTP_SERVER_ERROR = 500


class _Envelope(msgspec.Struct):
    rt_cd: str | int | None = None
    msg_cd: str | None = None
    msg1: str | None = None
    error_code: str | None = None
    error_description: str | None = None


_decoder = msgspec.json.Decoder(_Envelope)


def rest_failure(status: int, body: bytes) -> FeedError | None:
    """Return the error that an answer is, None if it carries what was asked for."""
    try:
        envelope = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _without_envelope(status)
    # Quotations are "0" or failed; the OAuth answers have no rt_cd, and name an error by error_code.
    succeeded = envelope.rt_cd in {"0", 0} if envelope.rt_cd is not None else envelope.error_code is None
    if succeeded and status == _HTTP_OK:
        return None
    code = (envelope.error_code or envelope.msg_cd or "").strip()
    text = mask_keys((envelope.error_description or envelope.msg1 or "").strip()) or f"HTTP {status}"
    kind = _REST_KINDS.get(code) or _unknown_kind(status, code)
    return kind(text, code=code)


def _unknown_kind(status: int, code: str) -> _Kind:
    if status == _HTTP_TOO_MANY:
        return RateRefusedError
    if status >= _HTTP_SERVER_ERROR or code.startswith("EGW") or not code:
        return TransientFeedError
    # A well-formed refusal with a code we do not know is about what was asked for: the caller asks in smaller parts.
    return SymbolRefusedError


def _without_envelope(status: int) -> FeedError:
    if status == _HTTP_TOO_MANY:
        return RateRefusedError("HTTP 429 without the broker's envelope")
    if status == _HTTP_UNAUTHORIZED:
        return ReauthenticateError("HTTP 401 without the broker's envelope")
    return TransientFeedError(f"HTTP {status} without the broker's envelope")


def stream_failure(message: ControlMessage) -> FeedError | None:
    """Return the error that a control message is, None for an acknowledgement."""
    text = message.text or message.code
    if message.code in _STREAM_KINDS:
        kind = _STREAM_KINDS[message.code]
        return kind(text, code=message.code) if kind else None
    if message.rt_cd == "0":
        return None
    # What is left are complaints about the form of our messages: repeating them cannot help.
    malformed = message.code.startswith(("OPSP899", "OPSP999"))
    return (FatalFeedError if malformed else TransientFeedError)(text, code=message.code)
