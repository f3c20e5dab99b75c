"""The WebSocket's text frames, without any I/O: what a received text is, and the texts to send.

Separate from the stream so that every form the broker ever sent is tested without a socket. Parsing never raises:
whatever arrives becomes one of four things, and what cannot be read keeps its text and a reason. Approval keys, which
the broker echoes in some errors, are masked in everything that leaves this module.
"""

import re
from typing import NamedTuple, TypeAlias

import msgspec

from observer_core.kis.fields import TR_PINGPONG

_KEY_FORM = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_ECHOED_KEY = re.compile(r"(approval[^:]*:\s*)(?!NOT FOUND)\S{8,}", re.IGNORECASE)
_COUNT_DIGITS = 6


class Registration(NamedTuple):
    """One subscription: a stream and a symbol."""

    tr_id: str
    tr_key: str


class DataFrame(msgspec.Struct, frozen=True, gc=False):
    """Observations of one stream: `count` records, their fields in one list.

    The width of a record is computed from the frame, because the broker appends fields without lead time; a frame
    whose fields do not divide evenly lost its tail.
    """

    tr_id: str
    count: int
    payload: str
    fields: list[str]

    @property
    def width(self) -> int:
        """Return the fields per record, rounded down."""
        return len(self.fields) // self.count

    @property
    def even(self) -> bool:
        """Return whether the fields divide evenly among the records."""
        return len(self.fields) % self.count == 0


class ControlMessage(msgspec.Struct, frozen=True):
    """An acknowledgement or an error of the broker; KIS protocol notes §5.1 lists the codes."""

    tr_id: str
    tr_key: str
    rt_cd: str
    code: str
    text: str

    @property
    def registration(self) -> Registration:
        """Return which subscription it is about; meaningless for errors of the whole session."""
        return Registration(self.tr_id, self.tr_key)


class Ping(msgspec.Struct, frozen=True):
    """The broker asks for a sign of life: send `text` back."""

    text: str


class RejectedFrame(msgspec.Struct, frozen=True):
    """A text that is none of the known forms."""

    reason: str
    raw: str


Message: TypeAlias = DataFrame | ControlMessage | Ping | RejectedFrame


class _Header(msgspec.Struct):
    tr_id: str | None = None
    tr_key: str | None = None


class _Body(msgspec.Struct):
    rt_cd: str | int | None = None
    msg_cd: str | None = None
    msg1: str | None = None


class _Control(msgspec.Struct):
    header: _Header
    body: _Body | None = None


_control_decoder = msgspec.json.Decoder(_Control)
_encoder = msgspec.json.Encoder()


def mask_keys(text: str) -> str:
    """Return the text with everything masked that is or may be an approval key."""
    return _ECHOED_KEY.sub(r"\1***", _KEY_FORM.sub("***", text))


def parse_frame(frame: str | bytes) -> Message:
    """Return what a received text is; never raises."""
    text = frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame
    match text[:1]:
        case "0":
            return _parse_data(text)
        case "{":
            return _parse_control(text)
        case "1":
            # Order notices of an account: a collector neither asks for them nor has a use for them.
            return _rejected("encrypted", text)
        case _:
            return _rejected("unknown_form", text)


def _parse_data(text: str) -> Message:
    parts = text.split("|", 3)
    if len(parts) != 4 or parts[0] != "0" or not parts[1]:
        return _rejected("incomplete_header", text)
    _, tr_id, digits, payload = parts
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _COUNT_DIGITS and int(digits)):
        return _rejected("bad_count", text)
    fields = payload.split("^")
    count = int(digits)
    if len(fields) < count:
        return _rejected("fewer_fields_than_records", text)
    return DataFrame(tr_id, count, payload, fields)


def _parse_control(text: str) -> Message:
    try:
        control = _control_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _rejected("bad_json", text)
    header, body = control.header, control.body
    if header.tr_id == TR_PINGPONG:
        return Ping(text)
    if body is None:
        return _rejected("no_body", text)
    rt_cd = "" if body.rt_cd is None else str(body.rt_cd)
    return ControlMessage(
        header.tr_id or "", header.tr_key or "", rt_cd, body.msg_cd or "", mask_keys((body.msg1 or "").strip())
    )


def _rejected(reason: str, text: str) -> RejectedFrame:
    return RejectedFrame(reason, mask_keys(text))


def subscribe_message(approval_key: str, registration: Registration) -> str:
    """Return the text that registers one symbol for one stream."""
    return _request(approval_key, "1", registration)


def unsubscribe_message(approval_key: str, registration: Registration) -> str:
    """Return the text that removes one registration."""
    return _request(approval_key, "2", registration)


def _request(approval_key: str, tr_type: str, registration: Registration) -> str:
    header = {"approval_key": approval_key, "custtype": "P", "tr_type": tr_type, "content-type": "utf-8"}
    body = {"input": {"tr_id": registration.tr_id, "tr_key": registration.tr_key}}
    return _encoder.encode({"header": header, "body": body}).decode()
