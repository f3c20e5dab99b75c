"""Control messages of the stream: reading requests, writing acknowledgements and PINGPONG.

Pure text in and out (KIS protocol notes §5.1); the server decides what is answered.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from observer_core.kis import fields

REGISTER: Final = "1"
REMOVE: Final = "2"

TR_EXPECTED: Final = "H0STANC0"
"""Expected executions of KRX: the first 45 fields of a trade."""
ORDER_NOTICES: Final = frozenset(("H0STCNI0", "H0STCNI9"))
"""Encrypted; the key of their registration is an account's HTS id, not a symbol."""
SUBSCRIBABLE: Final = frozenset((
    fields.TR_TRADE, fields.TR_BOOK, fields.TR_MARKET_OPERATION, fields.TR_TRADE_NXT, fields.TR_TRADE_UNIFIED,
    TR_EXPECTED, "H0NXASP0", "H0UNASP0", "H0NXMKO0", "H0UNMKO0", "H0NXANC0", "H0UNANC0", "H0STCNI0",
))  # fmt: skip
"""TRs that are acknowledged on the real host; those of Nextrade alone never carry data here."""
ON_VIRTUAL: Final = frozenset((fields.TR_TRADE, fields.TR_BOOK, "H0STCNI9"))
_CUSTOMER_TYPES: Final = frozenset(("P", "B"))


class Verdict(NamedTuple):
    """The broker's answer to a request: code, rt_cd and text."""

    code: str
    rt_cd: str
    text: str


_TEXTS: Final = {
    "OPSP0000": "SUBSCRIBE SUCCESS",
    "OPSP0001": "UNSUBSCRIBE SUCCESS",
    "OPSP0002": "ALREADY IN SUBSCRIBE",
    "OPSP0003": "UNSUBSCRIBE ERROR(not found!)",
    "OPSP0007": "SUBSCRIBE INTERNAL ERROR",
    "OPSP0008": "MAX SUBSCRIBE OVER",
    "OPSP0009": "SUBSCRIBE ERROR : mci send failed",
    "OPSP0010": "SUBSCRIBE WARNING : invalid appkey",
    "OPSP0011": "invalid approval : NOT FOUND",
    "OPSP8991": "SUBSCRIBE ERROR : invalid tr_id",
    "OPSP8992": "SUBSCRIBE ERROR : invalid tr_key",
    "OPSP8993": "JSON PARSING ERROR : invalid tr_key",
    "OPSP8994": "JSON PARSING ERROR : personalseckey not found",
    "OPSP8995": "JSON PARSING ERROR : appsecret not found",
    "OPSP8996": "ALREADY IN USE appkey",
    "OPSP8997": "JSON PARSING ERROR : invalid tr_type",
    "OPSP8998": "JSON PARSING ERROR : invalid custtype",
    "OPSP8999": "resource not available (ALLOC_CALL_PARAM)",
    "OPSP9990": "JSON PARSING ERROR : tr_key not found",
    "OPSP9991": "JSON PARSING ERROR : input not found",
    "OPSP9992": "JSON PARSING ERROR : body not found",
    "OPSP9993": "JSON PARSING ERROR : internal error",
    "OPSP9994": "JSON PARSING ERROR : INVALID appkey",
    "OPSP9995": "JSON PARSING ERROR : resource not available",
    "OPSP9996": "JSON PARSING ERROR : appkey",
    "OPSP9997": "JSON PARSING ERROR : custtype not found",
    "OPSP9998": "JSON PARSING ERROR : header not found",
    "OPSP9999": "JSON PARSING ERROR : invalid json format",
}
_RT_CODES: Final = {"OPSP0000": "0", "OPSP0001": "0", "OPSP8996": "9"}
VERDICTS: Final = {code: Verdict(code, _RT_CODES.get(code, "1"), text) for code, text in _TEXTS.items()}
"""Every code of the stream server."""

SUBSCRIBED: Final = VERDICTS["OPSP0000"]
UNSUBSCRIBED: Final = VERDICTS["OPSP0001"]
ALREADY_SUBSCRIBED: Final = VERDICTS["OPSP0002"]
NOT_SUBSCRIBED: Final = VERDICTS["OPSP0003"]
TOO_MANY: Final = VERDICTS["OPSP0008"]
INVALID_APPKEY: Final = VERDICTS["OPSP0010"]
INVALID_TR_ID: Final = VERDICTS["OPSP8991"]
INVALID_TR_KEY: Final = VERDICTS["OPSP8992"]
IN_USE: Final = VERDICTS["OPSP8996"]


def invalid_approval(approval_key: str) -> Verdict:
    """Return OPSP0011, whose text echoes the approval key as the broker's does."""
    return Verdict("OPSP0011", "1", f"invalid approval : NOT FOUND {approval_key}")


class StreamRequest(NamedTuple):
    """A registration or removal of a client."""

    approval_key: str
    tr_type: str
    tr_id: str
    tr_key: str


class Pong(NamedTuple):
    """An echoed PINGPONG."""

    text: str


_encode = msgspec.json.Encoder().encode


def parse_request(message: str | bytes) -> StreamRequest | Pong | Verdict:
    """Return a client's message, or the verdict on its form."""
    try:
        content = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return VERDICTS["OPSP9999"]
    header = _member(content, "header")
    if header is None:
        return VERDICTS["OPSP9998"]
    if header.get("tr_id") == fields.TR_PINGPONG:
        return Pong(message if isinstance(message, str) else message.decode("utf-8", "replace"))
    body = _member(content, "body")
    if body is None:
        return VERDICTS["OPSP9992"]
    wanted = _member(body, "input")
    return VERDICTS["OPSP9991"] if wanted is None else _registration(header, wanted)


def _member(content: Any, name: str) -> dict[str, Any] | None:
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, dict) else None


def _registration(header: dict[str, Any], wanted: dict[str, Any]) -> StreamRequest | Verdict:
    """Return the request, or the verdict on the first of its values that is wrong."""
    checks = (
        ("OPSP9994", isinstance(header.get("approval_key"), str)),
        ("OPSP9997", "custtype" in header),
        ("OPSP8998", header.get("custtype") in _CUSTOMER_TYPES),
        ("OPSP8997", header.get("tr_type") in (REGISTER, REMOVE)),
        ("OPSP9990", "tr_key" in wanted),
        ("OPSP8993", isinstance(wanted.get("tr_key"), str)),
        ("OPSP8991", isinstance(wanted.get("tr_id"), str)),
    )
    for code, passed in checks:
        if not passed:
            return VERDICTS[code]
    return StreamRequest(header["approval_key"], header["tr_type"], wanted["tr_id"], wanted["tr_key"])


def acknowledgement(verdict: Verdict, tr_id: str, tr_key: str, cipher: tuple[str, str] | None = None) -> str:
    """Return the answer to a request; `cipher` is the session's (iv, key) and is sent on success only."""
    body: dict[str, object] = {"rt_cd": verdict.rt_cd, "msg_cd": verdict.code, "msg1": verdict.text}
    if cipher is not None and verdict.rt_cd == "0":
        body["output"] = {"iv": cipher[0], "key": cipher[1]}
    header = {"tr_id": tr_id, "tr_key": tr_key, "encrypt": "Y" if tr_id in ORDER_NOTICES else "N"}
    return _encode({"header": header, "body": body}).decode()


def in_use_notice() -> str:
    """Return OPSP8996, whose header names no TR."""
    return acknowledgement(IN_USE, "(null)", "")


def pingpong(timestamp: str) -> str:
    """Return the keep-alive text for an exchange time YYYYMMDDHHMMSS."""
    return _encode({"header": {"tr_id": fields.TR_PINGPONG, "datetime": timestamp}}).decode()
