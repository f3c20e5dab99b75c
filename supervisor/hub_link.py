"""The supervisor's end of the pipes to the hub: reports out, orders in, and never a wait for either.

A dead, slow or absent hub costs the tree nothing: notices wait in a bounded queue, of the tree itself only the newest
state is sent, and a new hub is told every known ticket again.
"""

import logging
from collections import Counter
from collections.abc import Iterable

from observer_core.errors import MalformedMessage
from observer_core.messages import Event, encode
from observer_core.orders import Order, decode_order
from observer_core.pipes import FrameBuffer, Outbox, read_available
from observer_core.tree_messages import ProcessReport, SupervisorEvent, TicketUpdate, TreeReport
from supervisor.orders import Answer, Moment, Notice
from supervisor.policy import Child
from supervisor.states import State

DEATHS_SHOWN = 5
"""In every report; the whole tally is in the supervisor's memory file."""

_logger = logging.getLogger(__name__)


class HubLink:
    """Pipes to the hub of the moment; -1 = there is none."""

    def __init__(self) -> None:
        self.order_fd = -1
        self.tree_fd = -1
        self._outbox = Outbox()
        self._orders = FrameBuffer()

    def attach(self, order_fd: int, tree_fd: int, tickets: Iterable[TicketUpdate]) -> None:
        """Serve a new hub, beginning with the tickets it has to know."""
        self.order_fd, self.tree_fd = order_fd, tree_fd
        self._orders = FrameBuffer()
        self._outbox.attach(tree_fd)
        for ticket in tickets:
            self._outbox.offer(encode(ticket))

    def detach(self) -> None:
        """Forget the pipes of a dead hub; whoever made them closes them."""
        self.order_fd = self.tree_fd = -1
        self._outbox.attach(-1)

    @property
    def blocked(self) -> bool:
        """Return whether frames wait for the pipe to take more."""
        return self.tree_fd >= 0 and self._outbox.waiting > 0

    def send(self, message: TicketUpdate | SupervisorEvent) -> None:
        """Queue a message that should arrive, now or at the next hub."""
        self._outbox.offer(encode(message))
        self.flush()

    def send_tree(self, report: TreeReport) -> bool:
        """Send the state of the tree unless older frames still wait; return whether it went out or nobody is there."""
        if self.tree_fd < 0:
            return True
        if not self.flush():
            return False
        self._outbox.offer(encode(report))
        self.flush()
        return True

    def flush(self) -> bool:
        """Write what the pipe takes; return whether nothing waits."""
        try:
            return self._outbox.flush()
        except BrokenPipeError:
            # The hub is dying; its death is noticed, and its successor served, elsewhere.
            self.detach()
            return True

    def receive(self) -> list[Order]:
        """Return the orders that arrived; an unreadable one is logged and skipped."""
        if self.order_fd < 0:
            return []
        orders: list[Order] = []
        try:
            for raw in self._orders.feed(read_available(self.order_fd)):
                orders += _decoded(raw)
        except EOFError:
            self.order_fd = -1
        except MalformedMessage as error:
            _logger.error("order pipe is out of step and no longer read", extra={"reason": error.reason})
            self.order_fd = -1
        return orders


def _decoded(raw: bytes) -> list[Order]:
    try:
        return [decode_order(raw)]
    except MalformedMessage as error:
        _logger.error("order is unreadable", extra={"reason": error.reason})
        return []


def ticket_update(answer: Answer, at_ns: int) -> TicketUpdate:
    """Return an answer as the hub knows it."""
    order = answer.order
    return TicketUpdate(
        ticket=order.ticket,
        state=answer.state,
        text=answer.text,
        at_ns=at_ns,
        verb=order.verb.value,
        target=order.target,
        who=order.who,
        reason=order.reason,
    )


def supervisor_event(notice: Notice, at_ns: int) -> SupervisorEvent:
    """Return a notice as the hub knows it."""
    return SupervisorEvent(
        event=Event(at_ns=at_ns, name=notice.event, severity=notice.severity, subject=notice.subject, text=notice.text)
    )


def tree_report(children: Iterable[Child], pid: int, started_ns: int, now: Moment) -> TreeReport:
    """Return the state of all children; monotonic times become wall times."""
    return TreeReport(
        as_of_ns=now.wall_ns,
        supervisor_pid=pid,
        started_ns=started_ns,
        processes=tuple(_process_report(child, now) for child in children),
    )


def _process_report(child: Child, now: Moment) -> ProcessReport:
    next_start_ns = child.next_start_ns if child.state in {State.BACKOFF, State.QUARANTINED} else None
    last = child.deaths[-1] if child.deaths else None
    return ProcessReport(
        name=child.name,
        kind=child.spec.kind,
        state=child.state.value,
        pid=child.pid,
        started_ns=child.started_wall_ns,
        restarts=child.restarts,
        last_exit=f"{last.cause}: {last.text}" if last else "",
        next_start_ns=None if next_start_ns is None else next_start_ns - now.monotonic_ns + now.wall_ns,
        generation=child.generation,
        deaths=tuple((death.at_ns, death.cause.value, death.text) for death in child.deaths[-DEATHS_SHOWN:]),
        deaths_by_cause=dict(Counter(death.cause.value for death in child.deaths)),
    )
