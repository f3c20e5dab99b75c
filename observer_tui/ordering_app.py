"""Leases and orders from the keyboard: each is confirmed with its consequences, sent once, and followed to its end.

Separate from `looking_app`, whose keys only look; what an order means is in `orders` and `errands`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from observer_core.clock import Clock
from observer_core.tree_messages import TicketUpdate
from observer_core.view import SystemView
from observer_tui.drawing_app import ConsoleOptions, DrawingApp
from observer_tui.errands import (
    UNIVERSE,
    chosen_symbol,
    open_alerts,
    plan_acknowledge,
    plan_apply,
    plan_look,
    plan_pin,
    plan_replay,
    plan_scale,
    sweeping,
)
from observer_tui.feed import Feed, LinkState
from observer_tui.order_desk import FINISHED, new_request_id
from observer_tui.orders import PlannedOrder, plan
from observer_tui.quantities import date_time

Ended = Callable[[TicketUpdate], None]


class OrderingApp(DrawingApp):
    """The console's orders."""

    def __init__(self, feed: Feed, clock: Clock, options: ConsoleOptions) -> None:
        super().__init__(feed, clock, options)
        self._asking: set[asyncio.Task[None]] = set()
        self._when_ended: dict[str, Ended] = {}
        """What to do with the end of a ticket that only looked."""

    def _later(self, work: Any) -> None:
        """Run a question to the hub beside the screen."""
        task = asyncio.create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def action_write_mode(self) -> None:
        """Give write mode back, or ask for it with a reason."""
        from observer_tui.widgets.dialogs import TextDialog

        if self.ui.may_order(self._clock.now_ns()):
            self._later(self._give_back())
            return
        if self.store.link.state is not LinkState.LIVE:
            self.notice("not while the link is down", "warn")
            return
        label = self.words("Reason (everybody sees it; ends after ten minutes):")
        self.push_screen(TextDialog(self.words("Ask for write mode"), label, self.manner), self._with_reason)

    def _with_reason(self, reason: str | None) -> None:
        if reason:
            self._later(self._take_lease(reason))
        elif reason is not None:
            self.notice("a reason is needed", "warn")

    async def _take_lease(self, reason: str) -> None:
        self.say(await self._desk.take_lease(self.ui, reason))

    async def _give_back(self) -> None:
        self.say(await self._desk.give_back(self.ui))

    def action_order(self, verb: str) -> None:
        """Ask for confirmation of an order for the selected row, as it is shown now."""
        frame = self.frame
        if frame.selected is None:
            self.notice("no process is selected: none passes the filter", "warn")
            return
        self.change(selected=frame.selected.row.name)
        self._confirm(plan(verb, frame.selected, frame))

    def _confirm(self, planned: PlannedOrder | str, *, unasked: bool = False) -> None:
        """Ask whether an order is meant; the safe choice has the focus."""
        from observer_tui.widgets.dialogs import Choice, ChoiceDialog

        if isinstance(planned, str):
            self.notice(planned, "warn")
            return
        options = (("", self.words("Cancel")), ("yes", self.words(planned.verb)))
        choice = Choice(planned.question, planned.consequences, options, unasked=unasked)
        self.push_screen(ChoiceDialog(choice, self.manner), lambda answer: self._confirmed(answer, planned))

    def _confirmed(self, answer: str | None, planned: PlannedOrder) -> None:
        if answer:
            self._later(self._send(planned))

    async def _send(self, planned: PlannedOrder, ticket: str = "") -> None:
        self.say(await self._desk.send(self.ui, planned, ticket))

    def _look_first(self, planned: PlannedOrder, ended: Ended) -> None:
        """Send an order that changes nothing; what it found decides what is asked next."""
        ticket = new_request_id()
        self._when_ended[ticket] = ended
        self._later(self._send(planned, ticket))

    def took_view(self, view: SystemView) -> None:
        """Act on the ends of orders that somebody waits for."""
        for ticket in view.tickets:
            if ticket.state in FINISHED and (ended := self._when_ended.pop(ticket.ticket, None)) is not None:
                ended(ticket)

    # Orders that concern no process

    def action_pin(self, code: str = "", verb: str = "") -> None:
        """Pin the selected symbol, or give a pinned one back."""
        frame = self.frame
        code = code or chosen_symbol(frame)
        if code:
            self._confirm(plan_pin(frame, code, verb))
        elif frame.ui.filter_text:
            self.notice("no symbol is selected: none passes the filter {text}", "warn", text=frame.ui.filter_text)
        else:
            self.notice("no symbol is selected", "warn")

    def action_universe(self) -> None:
        """Work out what universe.toml would change, then ask whether to apply it."""
        self._look_first(plan_look("plan", UNIVERSE), self._planned)

    def _planned(self, ticket: TicketUpdate) -> None:
        if ticket.state == "done":
            self._confirm(plan_apply(self.frame, ticket.text), unasked=True)

    def action_replay(self) -> None:
        """Ask for a day, count what its replay would insert, then ask whether to do it."""
        today = date_time(self._clock.now_ns())[:10]
        label = self.words("Day (YYYY-MM-DD), today is {day}:", day=today)
        self._ask_text(self.words("Replay journals into Postgres"), label, self.replay_day)

    def replay_day(self, day: str) -> None:
        """Count what the replay of a day would insert, then ask whether to do it."""

        def counted(ticket: TicketUpdate) -> None:
            if ticket.state == "done":
                self._confirm(plan_replay(self.frame, day, ticket.text), unasked=True)

        self._look_first(plan_look("replay", day, "dry_run"), counted)

    def action_scale(self) -> None:
        """Ask how many sweeping shards there shall be."""
        label = self.words("How many sweeping shards (now {count}):", count=sweeping(self.frame))
        self._ask_text(self.words("Scale"), label, self.scale_to)

    def scale_to(self, text: str) -> None:
        """Ask for confirmation of another number of sweeping shards."""
        if text.isdecimal():
            self._confirm(plan_scale(self.frame, int(text)))
        else:
            self.notice("a whole number is needed", "warn")

    def action_acknowledge(self) -> None:
        """Choose an alert to take note of."""
        from observer_tui.widgets.dialogs import Choice, ChoiceDialog

        alerts = {alert.key: alert for alert in open_alerts(self.frame)}
        if not alerts:
            self.notice("no alert waits for anybody")
            return
        options = tuple((key, self.words.of_core(alert.text)) for key, alert in alerts.items())
        choice = Choice(self.words("Acknowledge which alert?"), (), options, upright=True)

        def chosen(key: str | None) -> None:
            if key:
                self._confirm(plan_acknowledge(self.frame, alerts[key]))

        self.push_screen(ChoiceDialog(choice, self.manner), chosen)

    def _ask_text(self, title: str, label: str, take: Callable[[str], None]) -> None:
        from observer_tui.widgets.dialogs import TextDialog

        def entered(text: str | None) -> None:
            if text and text.strip():
                take(text.strip())

        self.push_screen(TextDialog(title, label, self.manner), entered)
