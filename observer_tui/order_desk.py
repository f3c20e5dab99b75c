"""Leases and orders: asks the hub, remembers what was asked, tells how it went. Without a screen, so tests need none.

A command is sent once. Whether it was carried out is read from the view's tickets, never assumed.
"""

import os
from dataclasses import replace
from typing import NamedTuple

from observer_core.errors import LinkError
from observer_core.questions import AcquireLease, Command
from observer_core.tree_messages import TicketUpdate
from observer_core.view import SystemView
from observer_tui.feed import Feed
from observer_tui.lines import Role
from observer_tui.orders import PlannedOrder
from observer_tui.quantities import clock_time
from observer_tui.ui_state import UiState
from observer_tui.words import Words

FINISHED = frozenset({"done", "failed", "refused"})
_ROLES: dict[str, Role] = {"done": "ok", "failed": "bad", "refused": "bad"}


class Outcome(NamedTuple):
    """The operator's state after asking, and what to say."""

    ui: UiState
    text: str
    role: Role


class OrderDesk:
    """One operator's leases and orders."""

    def __init__(self, feed: Feed, operator: str) -> None:
        self._feed = feed
        self._operator = operator

    async def take_lease(self, ui: UiState, reason: str) -> Outcome:
        """Ask for ten minutes of write mode."""
        question = AcquireLease(request_id=new_request_id(), operator=self._operator, reason=reason)
        try:
            answer = await self._feed.ask(question)
        except LinkError as error:
            return Outcome(ui, str(error), "bad")
        if answer.lease is None:
            return Outcome(ui, answer.error or "the hub gave no lease", "bad")
        text = Words(ui.language)("write mode until {time}", time=clock_time(answer.lease.until_ns))
        return Outcome(replace(ui, lease=answer.lease), text, "ok")

    async def give_back(self, ui: UiState) -> Outcome:
        """End write mode; it ends here even when nobody answers."""
        question = AcquireLease(request_id=new_request_id(), operator=self._operator, reason="given back", seconds=0)
        ended = replace(ui, lease=None)
        try:
            answer = await self._feed.ask(question)
        except LinkError as error:
            return Outcome(ended, str(error), "warn")
        if answer.error:
            return Outcome(ended, answer.error, "warn")
        return Outcome(ended, Words(ui.language)("write mode given back"), "ok")

    async def send(self, ui: UiState, order: PlannedOrder, ticket: str = "") -> Outcome:
        """Send a confirmed order once; `ticket` is its name where somebody waits for its end."""
        words = Words(ui.language)
        command = Command(
            request_id=ticket or new_request_id(),
            verb=order.verb,
            target=order.target,
            operator=self._operator,
            reason=ui.lease.reason if ui.lease is not None else "",
            generation=order.generation,
            count=order.how_many,
            option=order.option,
        )
        tracked = replace(ui, tracked=(*ui.tracked, command.request_id)[-16:])
        try:
            answer = await self._feed.ask(command)
        except LinkError as error:
            text = words(
                "no answer ({error}); look at the orders of {name} before you repeat it", error=error, name=order.target
            )
            return Outcome(tracked, text, "bad")
        if answer.ticket is None:
            return Outcome(ui, answer.error or "the hub gave no ticket", "bad")
        return Outcome(*_progress(tracked, answer.ticket, words))


def follow(ui: UiState, before: SystemView | None, after: SystemView) -> Outcome | None:
    """Return the newest progress of this console's orders between two views; None = nothing new."""
    known = {ticket.ticket: ticket for ticket in before.tickets} if before is not None else {}
    news = [t for t in after.tickets if t.ticket in ui.tracked and known.get(t.ticket) != t]
    if not news:
        return None
    for ticket in news[:-1]:
        ui, _, _ = _progress(ui, ticket, Words(ui.language))
    return Outcome(*_progress(ui, news[-1], Words(ui.language)))


def _progress(ui: UiState, ticket: TicketUpdate, words: Words) -> tuple[UiState, str, Role]:
    if ticket.state in FINISHED:
        ui = replace(ui, tracked=tuple(one for one in ui.tracked if one != ticket.ticket))
    text = f"{words(ticket.verb)} {ticket.target}: {words(ticket.state)}"
    if ticket.text:
        text += f", {words.of_core(ticket.text)}"
    return ui, text, _ROLES.get(ticket.state, "warn")


def new_request_id() -> str:
    """Return a fresh identity of a question."""
    return os.urandom(8).hex()
