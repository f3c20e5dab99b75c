"""What a client of the hub asks and orders, and the hub's one answer: the dialogue over its two sockets.

Separate from `view`, which everybody is sent unasked; a question brings what is not in it.
"""

from typing import TypeAlias

import msgspec

from observer_core.details import AuditTail, GapList, LogTail, RateHistory, SymbolColumns, SymbolDetail
from observer_core.messages import decode_with
from observer_core.tree_messages import TicketUpdate
from observer_core.view import LeaseView, SystemView

PROTOCOL_MAJOR = 1
PROTOCOL_MINOR = 1


class _Question(msgspec.Struct, frozen=True, kw_only=True, tag_field="t"):
    request_id: str


class Hello(_Question, frozen=True, kw_only=True, tag="hello"):
    """First message of a client: its protocol version and who it says it is."""

    protocol: tuple[int, int]
    client: str
    operator: str = ""


class GetView(_Question, frozen=True, kw_only=True, tag="get_view"):
    """Ask for the whole view."""


class GetTicket(_Question, frozen=True, kw_only=True, tag="get_ticket"):
    """Ask what became of a command."""

    ticket: str


class AcquireLease(_Question, frozen=True, kw_only=True, tag="lease"):
    """Ask to give orders for ten minutes; only the operators' socket answers it. `seconds=0` gives it back."""

    operator: str
    reason: str
    seconds: int = 600


class Command(_Question, frozen=True, kw_only=True, tag="command"):
    """An order; `request_id` is its ticket. Never resent by itself: ask with `GetTicket`."""

    verb: str
    target: str
    operator: str
    reason: str
    generation: int | None = None
    count: int | None = None
    """How many processes; for the verb "scale", whose target is their kind."""
    option: str = ""
    """A variation of the verb, such as "dry_run" of "replay"."""


class GetSymbols(_Question, frozen=True, kw_only=True, tag="symbols"):
    """Ask for the freshness of every symbol; the list comes along unless `known` is its version."""

    known: str = ""


class GetSymbol(_Question, frozen=True, kw_only=True, tag="symbol"):
    """Ask for everything about one symbol."""

    code: str


class GetGaps(_Question, frozen=True, kw_only=True, tag="gaps"):
    """Ask for the gaps of the day."""


class GetLog(_Question, frozen=True, kw_only=True, tag="log"):
    """Ask for the end of a process's log."""

    process: str
    kind: str = "log"
    """"log" or "stacks" (the dumps of a process that hung)."""
    level: str = ""
    """Least level, such as "WARNING"; "" = all."""
    contains: str = ""


class GetAudit(_Question, frozen=True, kw_only=True, tag="audit"):
    """Ask for the end of the audit trail."""

    contains: str = ""


class GetHistory(_Question, frozen=True, kw_only=True, tag="history"):
    """Ask for the processes' rates of the last quarter of an hour, so that a new console's charts are full."""


Inquiry: TypeAlias = GetSymbols | GetSymbol | GetGaps | GetLog | GetAudit | GetHistory
"""Questions about what is not in the view."""

Question: TypeAlias = Hello | GetView | GetTicket | AcquireLease | Command | Inquiry


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="answer"):
    """The hub's answer; exactly one of the optional parts is set, or `error` with what to do."""

    request_id: str
    protocol: tuple[int, int] = (PROTOCOL_MAJOR, PROTOCOL_MINOR)
    role: str = "viewer"
    """"viewer" on ro.sock, "operator" on rw.sock."""
    view: SystemView | None = None
    ticket: TicketUpdate | None = None
    lease: LeaseView | None = None
    error: str | None = None
    symbols: SymbolColumns | None = None
    symbol: SymbolDetail | None = None
    gaps: GapList | None = None
    log: LogTail | None = None
    audit: AuditTail | None = None
    history: RateHistory | None = None


_question_decoder: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_answer_decoder = msgspec.msgpack.Decoder(Answer)


def decode_question(raw: bytes) -> Question:
    """Decode what a client asks."""
    return decode_with(_question_decoder, raw)


def decode_answer(raw: bytes) -> Answer:
    """Decode what the hub answers."""
    return decode_with(_answer_decoder, raw)
