"""Control messages of the stream: reading requests, writing acknowledgements and PINGPONG.

Pure text in and out (KIS protocol notes §5.1); the server decides what is answered.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from observer_core.kis import fields

REGISTER: Final = "1"
REMOVE: Final = "2"

SUBSCRIBABLE: Final = frozenset((
    fields.TR_TRADE, fields.TR_BOOK, fields.TR_MARKET_OPERATION, fields.TR_TRADE_NXT, fields.TR_TRADE_UNIFIED,
    "H0NXASP0", "H0UNASP0", "H0NXMKO0", "H0UNMKO0", "H0STANC0", "H0NXANC0", "H0UNANC0",
))  # fmt: skip
"""TRs that are acknowledged; only trades and books of KRX ever carry data here."""
ON_VIRTUAL: Final = frozenset((fields.TR_TRADE, fields.TR_BOOK))


class Verdict(NamedTuple):
    """The broker's answer to a request: code, rt_cd and text."""

    code: str
    rt_cd: str
    text: str


SUBSCRIBED: Final = Verdict("OPSP0000", "0", "SUBSCRIBE SUCCESS")
UNSUBSCRIBED: Final = Verdict("OPSP0001", "0", "UNSUBSCRIBE SUCCESS")
ALREADY_SUBSCRIBED: Final = Verdict("OPSP0002", "1", "ALREADY IN SUBSCRIBE")
NOT_SUBSCRIBED: Final = Verdict("OPSP0003", "1", "UNSUBSCRIBE ERROR(not found!)")
TOO_MANY: Final = Verdict("OPSP0008", "1", "MAX SUBSCRIBE OVER")
INVALID_TR_ID: Final = Verdict("OPSP8991", "1", "invalid tr_id")
INVALID_TR_KEY: Final = Verdict("OPSP8992", "1", "invalid tr_key")
MALFORMED: Final = Verdict("OPSP8993", "1", "JSON PARSING ERROR")
INVALID_TR_TYPE: Final = Verdict("OPSP8999", "1", "invalid tr_type")
IN_USE: Final = Verdict("OPSP8996", "9", "ALREADY IN USE appkey")


def invalid_approval(approval_key: str) -> Verdict:
    """Return OPSP0011, whose text echoes the approval key as the broker's does."""
    return Verdict("OPSP0011", "1", f"invalid approval : NOT FOUND {approval_key}")


class _RequestHeader(msgspec.Struct):
    approval_key: str = ""
    tr_type: str = ""
    tr_id: str = ""


class _RequestInput(msgspec.Struct):
    tr_id: str
    tr_key: str


class _RequestBody(msgspec.Struct):
    input: _RequestInput


class StreamRequest(msgspec.Struct):
    """A message of a client: a registration, a removal, or an echoed PINGPONG (no body)."""

    header: _RequestHeader
    body: _RequestBody | None = None

    @property
    def is_pong(self) -> bool:
        """Tell whether the message answers a PINGPONG."""
        return self.header.tr_id == fields.TR_PINGPONG


_decode = msgspec.json.Decoder(StreamRequest).decode
_encode = msgspec.json.Encoder().encode


def parse_request(message: str | bytes) -> StreamRequest | None:
    """Return a client's message, None when it has not the broker's form."""
    try:
        return _decode(message)
    except msgspec.MsgspecError:
        return None


def acknowledgement(verdict: Verdict, tr_id: str, tr_key: str, cipher: tuple[str, str] | None = None) -> str:
    """Return the answer to a request; `cipher` is the session's (iv, key) and is sent on success only."""
    body: dict[str, object] = {"rt_cd": verdict.rt_cd, "msg_cd": verdict.code, "msg1": verdict.text}
    if cipher is not None and verdict.rt_cd == "0":
        body["output"] = {"iv": cipher[0], "key": cipher[1]}
    header = {"tr_id": tr_id, "tr_key": tr_key, "encrypt": "N"}
    return _encode({"header": header, "body": body}).decode()


def in_use_notice() -> str:
    """Return OPSP8996, whose header names no TR."""
    return acknowledgement(IN_USE, "(null)", "")


def pingpong(timestamp: str) -> str:
    """Return the keep-alive text for an exchange time YYYYMMDDHHMMSS."""
    return _encode({"header": {"tr_id": fields.TR_PINGPONG, "datetime": timestamp}}).decode()
