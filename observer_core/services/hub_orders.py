"""Commands and their tickets: which are taken, which are refused, and what became of them. Pure.

Separate from `hub_leases` (who may order) and from the supervisor, which carries the orders out. A command is
recognised by its request id, so that one that arrives twice is done once.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from observer_core.orders import Errand, Order, Verb
from observer_core.questions import Command
from observer_core.services.hub_leases import REASON_LIMIT, Peer, described, shown
from observer_core.services.scaling import SCALABLE_KIND, SHARDS_LIMIT
from observer_core.tree_messages import ProcessReport, TicketUpdate, TreeReport

COLLECTING_KINDS = ("swing", "scalp")
TICKETS_REMEMBERED = 500
ID_LIMIT = 64


class Verdict(NamedTuple):
    """What becomes of a command: its ticket, and the order for the supervisor when it is a new one that is taken."""

    ticket: TicketUpdate
    order: Order | None
    repeated: bool
    errand: bool = False
    """Whether it is one that the hub arranges itself."""


class OrderDesk:
    """The tickets of the last commands; `remembered` are those of an earlier hub, oldest first.

    `errand_refusal` says why an errand cannot be run; the supervisor's verbs are judged here.
    """

    def __init__(
        self, remembered: Iterable[TicketUpdate] = (), errand_refusal: Callable[[Command], str | None] | None = None
    ) -> None:
        self._errand_refusal = errand_refusal
        self._tickets: dict[str, TicketUpdate] = {}
        for ticket in remembered:
            self._keep(ticket)

    def accept(self, command: Command, peer: Peer, holds_lease: bool, tree: TreeReport | None, now_ns: int) -> Verdict:
        """Decide on a command of a peer."""
        known = self._tickets.get(command.request_id)
        if known is not None and (known.verb, known.target) == (command.verb, command.target):
            return Verdict(known, None, repeated=True)
        ticket = TicketUpdate(
            ticket=shown(command.request_id, ID_LIMIT),
            state="accepted",
            text="passed on to the supervisor",
            at_ns=now_ns,
            verb=shown(command.verb, ID_LIMIT),
            target=shown(command.target, ID_LIMIT),
            who=described(peer, command.operator),
            reason=shown(command.reason, REASON_LIMIT),
        )
        errand = self._errand_refusal is not None and command.verb in set(Errand)
        refusal = _unfit(command, holds_lease)
        if refusal is None:
            refusal = self._errand_refusal(command) if self._errand_refusal and errand else _refusal(command, tree)
        if known is not None:
            # The ticket of the first command stays what it is.
            refused = msgspec.structs.replace(
                ticket, state="refused", text=f"ticket {ticket.ticket} is another command's"
            )
            return Verdict(refused, None, repeated=True)
        if refusal is not None:
            ticket = msgspec.structs.replace(ticket, state="refused", text=refusal)
            self._keep(ticket)
            return Verdict(ticket, None, repeated=False)
        if errand:
            ticket = msgspec.structs.replace(ticket, text="begun")
            self._keep(ticket)
            return Verdict(ticket, None, repeated=False, errand=True)
        self._keep(ticket)
        order = Order(
            ticket=ticket.ticket,
            verb=Verb(command.verb),
            target=command.target,
            who=ticket.who,
            reason=ticket.reason,
            generation=command.generation,
            count=command.count,
        )
        return Verdict(ticket, order, repeated=False)

    def update(self, progress: TicketUpdate) -> TicketUpdate:
        """Take progress from the supervisor and return the ticket with everything that is known of it."""
        known = self._tickets.get(progress.ticket)
        if known is not None:
            progress = msgspec.structs.replace(
                progress,
                verb=progress.verb or known.verb,
                target=progress.target or known.target,
                who=progress.who or known.who,
                reason=progress.reason or known.reason,
            )
        self._keep(progress)
        return progress

    def find(self, ticket: str) -> TicketUpdate | None:
        """Return a ticket's last known state."""
        return self._tickets.get(ticket)

    def _keep(self, ticket: TicketUpdate) -> None:
        self._tickets.pop(ticket.ticket, None)
        self._tickets[ticket.ticket] = ticket
        while len(self._tickets) > TICKETS_REMEMBERED:
            del self._tickets[next(iter(self._tickets))]


def _unfit(command: Command, holds_lease: bool) -> str | None:
    """Return why nothing can be ordered like this, whatever it is."""
    if not holds_lease:
        return "this client holds no lease: take one first, with name and reason"
    if not command.request_id or shown(command.request_id, ID_LIMIT) != command.request_id:
        return f"a ticket is 1 to {ID_LIMIT} printable characters"
    return None


def _refusal(command: Command, tree: TreeReport | None) -> str | None:
    """Return why a command for the supervisor is not taken, and what to do; None = it is."""
    if command.verb not in set(Verb):
        return f"unknown verb {shown(command.verb, ID_LIMIT)!r}; known: {', '.join((*Verb, *Errand))}"
    if tree is None:
        return "the supervisor has not reported its processes yet: try again in a second"
    if command.verb == Verb.SCALE:
        return _unscalable(command)
    report = next((process for process in tree.processes if process.name == command.target), None)
    if report is None:
        names = ", ".join(process.name for process in tree.processes)
        return f"unknown process {shown(command.target, ID_LIMIT)!r}; known: {names}"
    if command.verb in {Verb.PAUSE, Verb.RESUME} and report.kind not in COLLECTING_KINDS:
        return f"{report.name} does not collect: only {' and '.join(COLLECTING_KINDS)} shards can be paused"
    return _stale(command, report)


def _unscalable(command: Command) -> str | None:
    if command.target != SCALABLE_KIND:
        return f"{shown(command.target, ID_LIMIT)!r} cannot be scaled, only {SCALABLE_KIND!r} can"
    if command.count is None or not 1 <= command.count <= SHARDS_LIMIT:
        return f"say how many {SCALABLE_KIND} shards there shall be: 1 to {SHARDS_LIMIT}"
    return None


def _stale(command: Command, report: ProcessReport) -> str | None:
    if command.generation is None or command.generation == report.generation:
        return None
    return (
        f"{report.name} was started anew since that screen (generation {command.generation}, now {report.generation}): "
        "look again, then repeat"
    )
