"""Operators' commands from acceptance to their end: who asked, what became of it, and why one is refused.

A command is known by its ticket and carried out once, however often it arrives. Separate from the tree because it
decides only whether an order may be carried out and when it is; carrying it out is the tree's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from observer_core.orders import Order, Verb
from supervisor.orders import Answer, Command, Notice
from supervisor.policy import Child
from supervisor.specs import PAUSABLE
from supervisor.states import State

TICKETS_KEPT = 100


@dataclass(slots=True)
class TicketDesk:
    """The book of tickets."""

    _latest: dict[str, Answer] = field(default_factory=dict)
    _restarting: dict[str, tuple[Order, int]] = field(default_factory=dict)
    """By target: the order, and the generation that must report before it is done."""

    def latest(self) -> list[Answer]:
        """Return the last answer of every known ticket, oldest first; what a new hub has to be told."""
        return list(self._latest.values())

    def known(self, order: Order) -> Answer | None:
        """Return the last answer to a ticket that arrived before."""
        return self._latest.get(order.ticket)

    def refusal(self, order: Order, children: Mapping[str, Child], stopping: bool) -> str | None:
        """Return why an order cannot be carried out, with what to do instead; None = it can."""
        child = children.get(order.target)
        if child is None:
            return f"there is no process {order.target!r}; there are {', '.join(children)}"
        if stopping:
            return "the supervisor is stopping"
        if order.generation is not None and order.generation != child.generation:
            return (
                f"{order.target} has been started again since (start {child.generation}, you saw {order.generation}); "
                "look at it and order again"
            )
        if order.verb is Verb.RELEASE and child.live:
            return f"{order.target} runs already; to renew it, restart it"
        if order.verb in {Verb.PAUSE, Verb.RESUME} and child.spec.kind not in PAUSABLE:
            return f"{order.target} does not collect, so it cannot {order.verb}; only shards can"
        if order.target in self._restarting:
            return (
                f"{order.target} is being restarted by ticket {self._restarting[order.target][0].ticket}; wait for it"
            )
        if order.verb is Verb.RESTART and child.state is State.STOPPING:
            return f"{order.target} is ending already; it starts again by itself"
        return None

    def answer(self, order: Order, state: str, text: str) -> list[Command]:
        """Enter and return an answer; beginnings and ends also go to the audit log."""
        answer = Answer(order, state, text)
        self._latest.pop(order.ticket, None)
        self._latest[order.ticket] = answer
        while len(self._latest) > TICKETS_KEPT:
            del self._latest[next(iter(self._latest))]
        commands: list[Command] = [answer]
        if state != "running":
            severity = "warning" if state in {"failed", "refused"} else "info"
            words = f"{order.verb} by {order.who} ({order.reason}) {state}: {text} [ticket {order.ticket}]"
            commands.append(Notice("order", severity, order.target, words))
        return commands

    def awaits(self, order: Order, generation: int) -> None:
        """Keep a restart open until that generation, or a later one, reports."""
        self._restarting[order.target] = (order, generation)

    def settle(self, child: Child) -> list[Command]:
        """Close the restart of this child when its new process has reported, or has failed."""
        waiting = self._restarting.get(child.name)
        if waiting is None:
            return []
        order, generation = waiting
        alive = child.state in {State.STARTING, State.RUNNING}
        if alive and child.generation >= generation and child.heard_ns is not None:
            del self._restarting[child.name]
            return self.answer(order, "done", f"runs as process {child.pid}, start {child.generation}")
        if child.live and child.generation <= generation:
            return []
        del self._restarting[child.name]
        last = child.deaths[-1].text if child.deaths else "it ended"
        return self.answer(order, "failed", f"the new process is not up ({child.state}): {last}")
