"""Answers to questions, leases and commands, by role. The sockets are elsewhere: bytes and a peer in, an answer out.

Separate so that the rules (who may ask what, what is written down first, what counts as malformed) stand in one place.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, assert_never

from observer_core.clock import Clock
from observer_core.errors import MalformedMessage
from observer_core.messages import Event
from observer_core.orders import Order
from observer_core.questions import (
    PROTOCOL_MAJOR,
    AcquireLease,
    Answer,
    Command,
    GetAudit,
    GetGaps,
    GetHistory,
    GetLog,
    GetSymbol,
    GetSymbols,
    GetTicket,
    GetView,
    Hello,
    Question,
    decode_question,
)
from observer_core.services.hub_audit import AuditLine, AuditTrail, lease_line, ticket_line
from observer_core.services.hub_details import DetailDesk
from observer_core.services.hub_errands import Errands
from observer_core.services.hub_leases import LeaseBook, Peer, Refusal, described
from observer_core.services.hub_orders import OrderDesk
from observer_core.services.hub_state import HubState
from observer_core.tree_messages import TicketUpdate

logger = logging.getLogger(__name__)

VIEWER = "viewer"
OPERATOR = "operator"

Forward = Callable[[Order], str | None]
"""Hand an order to the supervisor; returns why that failed, None = done."""


class Colleagues(NamedTuple):
    """Who else works on questions: tickets, look-ups, errands, and the way to the supervisor."""

    orders: OrderDesk
    details: DetailDesk
    errands: Errands
    forward: Forward


class QuestionDesk:
    """The one who answers."""

    def __init__(self, state: HubState, trail: AuditTrail, colleagues: "Colleagues", clock: Clock) -> None:
        self._state = state
        self._trail = trail
        self._orders = colleagues.orders
        self._details = colleagues.details
        self._errands = colleagues.errands
        self._forward = colleagues.forward
        self._clock = clock
        self._audit_turn = asyncio.Lock()
        self._progress: asyncio.Queue[TicketUpdate] = asyncio.Queue()
        self.leases = LeaseBook()
        self.malformed_total = 0

    async def answer(self, role: str, peer: Peer | None, raw: bytes) -> Answer:
        """Return the answer to whatever a peer sent; never raises for what it contains."""
        try:
            question = decode_question(raw)
        except MalformedMessage as error:
            self.malformed_total += 1
            logger.warning("malformed question", extra={"peer": str(peer), "reason": error.reason})
            return Answer(request_id="", role=role, error=f"not a question of this protocol: {error.reason}")
        return await self._answer(role, peer, question)

    def refuse_frames(self, role: str, count: int) -> Answer:
        """Answer a message that is not one frame."""
        self.malformed_total += 1
        return Answer(request_id="", role=role, error=f"a question is one frame after the identity, not {count}")

    def progress(self, update: TicketUpdate) -> None:
        """Take the supervisor's word on a ticket."""
        known = self._orders.find(update.ticket)
        ticket = self._orders.update(update)
        self._state.add_ticket(ticket)
        # A new hub is told all tickets again: what the trail already says is not written twice.
        if known is None or (known.state, known.text) != (ticket.state, ticket.text):
            self._progress.put_nowait(ticket)

    async def keep_trail(self) -> None:
        """Write progress of tickets to the audit trail, for ever."""
        while True:
            await self._write(ticket_line("ticket", await self._progress.get()))

    async def _answer(self, role: str, peer: Peer | None, question: Question) -> Answer:
        match question:
            case Hello():
                return _greeting(role, question)
            case GetView():
                return Answer(request_id=question.request_id, role=role, view=self._state.view)
            case GetTicket():
                return self._ticket(role, question)
            case AcquireLease() | Command():
                return await self._operate(role, peer, question)
            case GetSymbols() | GetSymbol() | GetGaps() | GetLog() | GetAudit() | GetHistory():
                return await self._details.answer(role, question)
            case _:
                assert_never(question)

    async def _operate(self, role: str, peer: Peer | None, question: AcquireLease | Command) -> Answer:
        if role != OPERATOR:
            return Answer(request_id=question.request_id, role=role, error="this socket only answers: use rw.sock")
        if peer is None:
            text = "the kernel does not say who asks: orders are taken over ipc only"
            return Answer(request_id=question.request_id, role=role, error=text)
        if isinstance(question, AcquireLease):
            return await self._lease(peer, question)
        return await self._command(peer, question)

    def _ticket(self, role: str, question: GetTicket) -> Answer:
        ticket = self._orders.find(question.ticket)
        error = None if ticket is not None else "no such ticket: it never arrived, or is too old (see the audit log)"
        return Answer(request_id=question.request_id, role=role, ticket=ticket, error=error)

    async def _lease(self, peer: Peer, question: AcquireLease) -> Answer:
        now_ns = self._clock.now_ns()
        lease = self.leases.acquire(peer, question, now_ns)
        if isinstance(lease, Refusal):
            who = described(peer, question.operator)
            await self._write(lease_line("refused", who, lease.text, peer, now_ns, None))
            return Answer(request_id=question.request_id, role=OPERATOR, error=lease.text)
        fact = "lease" if lease.until_ns > now_ns else "lease_ended"
        await self._write(lease_line(fact, lease.who, lease.reason, peer, now_ns, lease.until_ns))
        self._tell(fact, "info", lease.who, lease.reason or "given back")
        return Answer(request_id=question.request_id, role=OPERATOR, lease=lease)

    async def _command(self, peer: Peer, command: Command) -> Answer:
        now_ns = self._clock.now_ns()
        held = self.leases.holds(peer, now_ns)
        ticket, order, repeated, errand = self._orders.accept(command, peer, held, self._state.tree, now_ns)
        if not repeated:
            await self._write(ticket_line("refused" if ticket.state == "refused" else "order", ticket, peer))
            if errand:
                self._state.add_ticket(ticket)
                self._errands.begin(ticket, command, self._errand_progress)
            else:
                ticket = await self._pass_on(ticket, order)
        return Answer(request_id=command.request_id, role=OPERATOR, ticket=ticket)

    def _errand_progress(self, update: TicketUpdate) -> None:
        self.progress(update)
        if update.state in {"done", "failed"}:
            text = f"{update.verb} by {update.who} ({update.reason}) {update.state}: {update.text}"
            self._tell("order", "info" if update.state == "done" else "warning", update.target, text)

    async def _pass_on(self, ticket: TicketUpdate, order: Order | None) -> TicketUpdate:
        """Show a new ticket and hand its order to the supervisor; return the ticket as it stands then."""
        self._state.add_ticket(ticket)
        if order is None:
            self._tell("order", "warning", ticket.target, f"{ticket.verb} by {ticket.who} refused: {ticket.text}")
            return ticket
        failure = self._forward(order)
        if failure is None:
            return ticket
        failed = TicketUpdate(ticket=ticket.ticket, state="failed", text=failure, at_ns=self._clock.now_ns())
        ticket = self._orders.update(failed)
        self._state.add_ticket(ticket)
        self._tell("order", "error", ticket.target, f"{ticket.verb} by {ticket.who} failed: {failure}")
        await self._write(ticket_line("ticket", ticket))
        return ticket

    def _tell(self, name: str, severity: str, subject: str, text: str) -> None:
        self._state.add_event(
            Event(at_ns=self._clock.now_ns(), name=name, severity=severity, subject=subject, text=text)
        )

    async def _write(self, line: AuditLine) -> None:
        async with self._audit_turn:
            if not await asyncio.to_thread(self._trail.append, line):
                self._tell("audit_not_written", "error", "hub", f"{line.fact} by {line.who}: see the hub's log")


def _greeting(role: str, hello: Hello) -> Answer:
    if hello.protocol[0] == PROTOCOL_MAJOR:
        return Answer(request_id=hello.request_id, role=role)
    text = f"this hub speaks protocol {PROTOCOL_MAJOR}, {hello.client} {hello.protocol[0]}: install the same version"
    return Answer(request_id=hello.request_id, role=role, error=text)
