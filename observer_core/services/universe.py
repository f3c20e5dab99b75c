"""Keeps a universe and an assignment in force: each morning anew, and after every change of rules, pins or shards.

A change is validated, planned, applied and verified, or it changes nothing and says why. While a new day's universe
cannot be had or is refused, the shards keep what they have.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import ObserverError, UnreachableFeedError
from observer_core.ids import DayNumber, ShardName
from observer_core.market.toml_lines import ConfigFileError
from observer_core.market.universe import Rules, Universe, build_universe
from observer_core.market.universe_config import Guard
from observer_core.market.universe_plan import Plan, judge_size, make_plan, named
from observer_core.pacing.backoff import Backoff
from observer_core.pacing.first_answer import FirstAnswer
from observer_core.services.assignment import Assignment, Collectors, deal_out, read_assignment, write_assignment
from observer_core.services.scaling import shards_in_force
from observer_core.services.universe_files import (
    Outcome,
    Pin,
    Request,
    newest_universe,
    next_sequence,
    read_pins,
    read_universe,
    set_listings_aside,
    take_requests,
    write_outcome,
    write_pins,
    write_universe,
)
from observer_core.services.universe_listings import RefusedUniverseError, fetch_listings
from observer_core.services.universe_rules import Source, Wish, oversights, read_source, read_wish
from observer_core.settings import Settings

logger = logging.getLogger(__name__)

SETTLE_S = 0.15
"""A file that still changes after so long is being written."""
_SETTLE_LOOKS = 20

LOOK_S = 1.0
RETRY_FLOOR_S = 0.2
RETRY_CAP_S = 300.0

FAILING_LIMIT_S = 60.0
"""So long may a download fail before it is an alarm: the broker rebuilds its files every morning."""

Tell = Callable[[str, str, str, str], Awaitable[None]]
"""Record an event: name, severity, subject, text."""


class _Inputs(NamedTuple):
    source: Source
    pins: tuple[Pin, ...]


class UniverseKeeper:
    """The universe of one system; one owner, the maintenance process."""

    def __init__(self, settings: Settings, clock: Clock, tell: Tell) -> None:
        self._settings = settings
        self._paths = settings.paths
        self._clock = clock
        self._tell = tell
        self._handled: _Inputs | None = None
        """What was applied or refused last: the same again needs no work."""
        self._tried: _Inputs | None = None
        self._retry_ns: int = 0
        self._backoff = Backoff(RETRY_FLOOR_S, RETRY_CAP_S, Random())  # noqa: S311 - jitter, not a secret
        self._collectors: Collectors | None = None
        self.in_force: Universe | None = None
        self.assignment: Assignment | None = None
        self.note = ""
        """What is wrong at this moment, "" = nothing."""
        self.failures_total = 0
        self._told: set[str] = set()
        """Alarms since all was well: trying again does not repeat them."""
        self._failing_since_ns: int | None = None
        self._first_answer = FirstAnswer(clock.monotonic_ns())

    @property
    def rest_s(self) -> float:
        """Return how long the owner may rest before it looks again."""
        left_s = (self._retry_ns - self._clock.monotonic_ns()) / NS_PER_S
        return min(LOOK_S, left_s) if left_s > 0 else LOOK_S

    async def keep(self, today: DayNumber) -> bool:
        """Look at day, shards, file, pins and requests, and act on what changed; return whether all is in force.

        What failed is tried again after a pause, or at once when an operator changes something.
        """
        self.in_force = self.in_force or newest_universe(self._paths)
        requests = take_requests(self._paths)
        self._obey(requests)
        inputs = await self._settled_inputs()
        self._place()
        if inputs == self._tried and not requests and self._clock.monotonic_ns() < self._retry_ns:
            return False
        self._tried = inputs
        if self.in_force is None or self.in_force.day != today:
            done = await self._begin_day(today, inputs, requests)
        elif inputs != self._handled or requests:
            done = await self._change(self.in_force, inputs, requests)
        else:
            return True
        if done:
            self._backoff.stable()
        else:
            self._retry_ns = self._clock.monotonic_ns() + int(self._backoff.next_delay_s() * NS_PER_S)
        return done

    def _obey(self, requests: list[Request]) -> None:
        """Carry out what requests say about pins."""
        before = read_pins(self._paths)
        pins = {pin.symbol: pin for pin in before}
        for request in requests:
            for symbol in request.symbols:
                if request.verb == "unpin":
                    pins.pop(symbol, None)
                elif request.verb == "pin":
                    pin = Pin(symbol=symbol, who=request.who, reason=request.reason, at_ns=request.at_ns)
                    pins.setdefault(symbol, pin)
        if tuple(pins.values()) != before:
            write_pins(self._paths, tuple(pins.values()))

    async def _settled_inputs(self) -> _Inputs:
        """Return the inputs; a file that changed is read again until it stands still."""
        inputs = self._inputs()
        if self._handled is None or inputs.source == self._handled.source:
            return inputs
        for _ in range(_SETTLE_LOOKS):
            await asyncio.sleep(SETTLE_S)
            again = self._inputs()
            if again == inputs:
                break
            inputs = again
        return inputs

    def _inputs(self) -> _Inputs:
        return _Inputs(read_source(self._paths.universe_config), read_pins(self._paths))

    async def _begin_day(self, today: DayNumber, inputs: _Inputs, requests: list[Request]) -> bool:
        """Put the day's first universe in force; until that works the shards keep the one before."""
        before = self.in_force
        complaint = ""
        try:
            universe = read_universe(self._paths, today)
            if universe is None:
                wish, complaint = await self._wish_of_the_morning(inputs)
                accept = any(request.accept_size for request in requests)
                universe = await self._build(today, wish, accept_size=accept)
                await asyncio.to_thread(write_universe, self._paths, universe)
            self.in_force = universe
            self._place(anew=True)
        except RefusedUniverseError as error:
            set_listings_aside(self._paths, today)
            await self._refuse(requests, "refused", "universe_refused", error)
            return False
        except (ObserverError, OSError) as error:
            self.in_force = before
            await self._fail(requests, error)
            return False
        self._handled = inputs
        self._settle(complaint)
        await self._tell_begun(universe, before, requests)
        return True

    async def _wish_of_the_morning(self, inputs: _Inputs) -> tuple[Wish, str]:
        """Return what the file says; when it is wrong, what was in force before, or else the defaults, and why."""
        try:
            return self._wish(inputs), ""
        except ConfigFileError as error:
            rules = self.in_force.rules if self.in_force else self._default_rules()
            await self._refuse([], "invalid", "universe_config_invalid", error)
            return Wish(rules, Guard(), "the rules before, because the file is wrong", None), str(error)

    async def _change(self, before: Universe, inputs: _Inputs, requests: list[Request]) -> bool:
        """Apply a change of rules or pins during the day, or refuse it as a whole; False = it must be tried again."""
        try:
            wish = self._wish(inputs)
            if wish.rules == before.rules and not any(request.verb == "apply" for request in requests):
                await self._tell_unchanged(wish, requests)
            else:
                accept = any(request.accept_size for request in requests)
                universe = await self._build(before.day, wish, accept_size=accept)
                plan = await self._apply(before, universe)
                await self._tell_changed(universe, plan, requests)
        except ConfigFileError as error:
            await self._refuse(requests, "invalid", "universe_config_invalid", error)
        except RefusedUniverseError as error:
            await self._refuse(requests, "refused", "universe_refused", error)
        except (ObserverError, OSError) as error:
            # What failed was not the file: it is tried again.
            await self._fail(requests, error)
            return False
        self._handled = inputs
        return True

    async def _apply(self, before: Universe, universe: Universe) -> Plan:
        """Write snapshot and assignment, and read both again."""
        old = self.assignment
        new = deal_out(universe, self._wanted_collectors(), old, self._clock.now_ns())
        plan = make_plan(before.codes, universe.codes, (old or new).placements, new.placements)
        if replace(universe, sequence=before.sequence) == before:
            return plan
        await asyncio.to_thread(write_universe, self._paths, universe)
        self.in_force = universe
        self._place(anew=True)
        stored = await asyncio.to_thread(read_universe, self._paths, universe.day)
        if stored != universe or read_assignment(self._paths) != self.assignment:
            raise ObserverError("what was written reads differently: look at the disk")
        return plan

    async def _build(self, day: DayNumber, wish: Wish, *, accept_size: bool) -> Universe:
        """Build a universe of a day's listings.

        Raises:
            RefusedUniverseError: the guard does not believe it.
            ObserverError: there are no listings.
        """
        before = self.in_force
        listings = await fetch_listings(self._settings, day, before, wish.guard, accept_size=accept_size)
        universe = await asyncio.to_thread(build_universe, listings, wish.rules, day)
        universe = replace(universe, sequence=next_sequence(self._paths, day), origin=wish.origin)
        refusal = judge_size(universe, before, wish.guard)
        if refusal is not None and not (accept_size and universe.members):
            raise RefusedUniverseError(f"{wish.located(refusal)}; not adopted")
        return universe

    def _place(self, *, anew: bool = False) -> None:
        """Deal the universe in force out over the shards there shall be; writes only what changes."""
        collectors = self._wanted_collectors()
        if self.in_force is None or (collectors == self._collectors and not anew):
            return
        before = self.assignment or read_assignment(self._paths)
        assignment = deal_out(self.in_force, collectors, before, self._clock.now_ns())
        if assignment != before:
            write_assignment(self._paths, assignment)
        self.assignment, self._collectors = assignment, collectors

    def _wanted_collectors(self) -> Collectors:
        return Collectors(
            swing=tuple(ShardName(f"swing-{index}") for index in range(shards_in_force(self._settings))),
            scalp=tuple(ShardName(f"scalp-{index}") for index in range(len(self._settings.app_keys))),
            slots=self._settings.scalp_trades,
        )

    def _wish(self, inputs: _Inputs) -> Wish:
        return read_wish(inputs.source, self._paths.universe_config.name, inputs.pins, self._default_rules())

    def _default_rules(self) -> Rules:
        return Rules(minimum_close=self._settings.universe_minimum_close, top=self._settings.universe_top)

    async def _refuse(self, requests: list[Request], state: str, event: str, error: Exception) -> None:
        """Answer the requests, and raise an alarm once, however often the same thing fails."""
        text = str(error)
        problems = tuple(error.problems) if isinstance(error, ConfigFileError) else (text,)
        self._answer(requests, state, text, problems=problems)
        self.failures_total += 1
        self.note = text
        if text not in self._told:
            self._told.add(text)
            in_force = self.in_force.name if self.in_force else "none"
            await self._tell(event, "error", "universe", f"{text} (universe in force: {in_force})")

    async def _fail(self, requests: list[Request], error: Exception) -> None:
        """Note what failed and may succeed the next time; an alarm only when it goes on failing."""
        now_ns = self._clock.monotonic_ns()
        self._failing_since_ns = self._failing_since_ns or now_ns
        if now_ns - self._failing_since_ns >= FAILING_LIMIT_S * NS_PER_S:
            await self._refuse(requests, "failed", "universe_failed", error)
            return
        fault = not (isinstance(error, UnreachableFeedError) and self._first_answer.awaited(now_ns))
        self.note = str(error)
        self.failures_total += fault
        self._answer(requests, "failed", str(error))
        logger.log(logging.WARNING if fault else logging.INFO, "universe not built", extra={"error": str(error)})

    def _settle(self, complaint: str = "") -> None:
        """Forget what was wrong, but for one complaint that remains."""
        self.note = complaint
        self._told = {complaint} if complaint else set()
        self._failing_since_ns = None
        self._first_answer.came()

    async def _tell_begun(self, universe: Universe, before: Universe | None, requests: list[Request]) -> None:
        then, now = (before.codes if before else frozenset()), universe.codes
        change = f"{len(then):,} -> {len(now):,} symbols (+{len(now - then)} -{len(then - now)})"
        text = f"universe {universe.name} of {universe.listings:,} listings by {universe.origin}: {change}"
        if oversight := oversights(universe):
            text = f"{text}; {oversight}"
        self._answer(requests, "applied", text)
        await self._tell("universe", "info", "universe", text)

    async def _tell_changed(self, universe: Universe, plan: Plan, requests: list[Request]) -> None:
        self._settle()
        by = "; ".join(f"{_words(item)} by {item.who}: {item.reason}" for item in requests)
        parts = [f"universe reload {plan.text}", by or f"by {universe.origin}", oversights(universe)]
        text = "; ".join(part for part in parts if part)
        self._answer(requests, "applied", text, plan=plan)
        await self._tell("universe_reload", "info", "universe", text)

    async def _tell_unchanged(self, wish: Wish, requests: list[Request]) -> None:
        if requests or self.note:
            self._answer(requests, "unchanged", f"{wish.origin} is in force already: nothing to change")
        if self.note:
            self._settle()
            await self._tell("universe_reload", "info", "universe", f"{wish.origin} is valid again; nothing to change")

    def _answer(
        self, requests: list[Request], state: str, text: str, problems: tuple[str, ...] = (), plan: Plan | None = None
    ) -> None:
        outcome = Outcome(
            at_ns=self._clock.now_ns(),
            state=state,
            text=text,
            snapshot=self.in_force.name if self.in_force else "",
            problems=problems,
            plan=plan,
            request_ids=tuple(request.request_id for request in requests),
        )
        try:
            write_outcome(self._paths, outcome)
        except OSError as error:
            logger.warning("outcome not written", extra={"error": str(error)})


def _words(request: Request) -> str:
    return f"{request.verb} {named(request.symbols)}" if request.symbols else request.verb
