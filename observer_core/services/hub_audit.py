"""The audit trail: one JSON line for every lease, order and outcome, appended and synced before it takes effect.

Separate because it must outlive the hub: its tail is also how a new hub knows the tickets of the one before.
"""

import logging
import os
from pathlib import Path

import msgspec

from observer_core.clock import kst_datetime
from observer_core.services.hub_leases import Peer
from observer_core.tree_messages import TicketUpdate

logger = logging.getLogger(__name__)

AUDIT_FILE = "audit.jsonl"
_TAIL_BYTES = 256 * 1024


class AuditLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fact: who asked for what, and what became of it."""

    at: str
    at_ns: int
    fact: str
    """"lease", "lease_ended", "order", "refused" or "ticket" (progress of an order)."""
    who: str
    reason: str = ""
    uid: int | None = None
    gid: int | None = None
    pid: int | None = None
    ticket: str = ""
    verb: str = ""
    target: str = ""
    state: str = ""
    text: str = ""
    until_ns: int | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AuditLine)


def ticket_line(fact: str, ticket: TicketUpdate, peer: Peer | None = None) -> AuditLine:
    """Return the fact about a ticket."""
    return AuditLine(
        at=_korean_time(ticket.at_ns),
        at_ns=ticket.at_ns,
        fact=fact,
        who=ticket.who,
        reason=ticket.reason,
        uid=None if peer is None else peer.uid,
        gid=None if peer is None else peer.gid,
        pid=None if peer is None else peer.pid,
        ticket=ticket.ticket,
        verb=ticket.verb,
        target=ticket.target,
        state=ticket.state,
        text=ticket.text,
    )


def lease_line(fact: str, who: str, reason: str, peer: Peer, now_ns: int, until_ns: int | None) -> AuditLine:
    """Return the fact about a lease."""
    return AuditLine(
        at=_korean_time(now_ns),
        at_ns=now_ns,
        fact=fact,
        who=who,
        reason=reason,
        uid=peer.uid,
        gid=peer.gid,
        pid=peer.pid,
        until_ns=until_ns,
    )


class AuditTrail:
    """The append-only file; one hub at a time writes it (its lock sees to that)."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / AUDIT_FILE

    def append(self, line: AuditLine) -> bool:
        """Append one fact and sync it; return whether that worked. Blocks for the disk: call it in a thread.

        A failure is logged, not raised: on a full disk an operator must still be able to pause a shard.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.write(fd, _encoder.encode(line) + b"\n")
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            logger.error("audit line not written", extra={"fact": line.fact, "who": line.who, "error": str(error)})
            return False
        return True

    def recover(self) -> list[TicketUpdate]:
        """Return the tickets of the file's tail, oldest first, and end a line that a crash tore."""
        try:
            with self._path.open("rb+") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                tail = file.read()
                if tail and not tail.endswith(b"\n"):
                    file.write(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.warning("audit trail cannot be read", extra={"error": str(error)})
            return []
        return [ticket for ticket in map(_ticket, tail.splitlines()) if ticket is not None]


def _ticket(raw: bytes) -> TicketUpdate | None:
    try:
        line = _decoder.decode(raw)
    except msgspec.DecodeError:
        return None
    if not line.ticket:
        return None
    return TicketUpdate(
        ticket=line.ticket,
        state=line.state,
        text=line.text,
        at_ns=line.at_ns,
        verb=line.verb,
        target=line.target,
        who=line.who,
        reason=line.reason,
    )


def _korean_time(at_ns: int) -> str:
    return kst_datetime(at_ns).isoformat(timespec="milliseconds")
