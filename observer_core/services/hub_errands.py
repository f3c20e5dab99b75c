"""Orders that are not the supervisor's: pins, the universe, replays, alerts. Each is a ticket with progress and an end.

Separate from `hub_orders`, whose orders go to the supervisor: these go to maintenance's desk, to a short-lived
`observerctl` that does what an operator would type, or to the hub's own alerts. One child at a time.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from observer_core.clock import NS_PER_S, Clock
from observer_core.ids import is_symbol
from observer_core.market.universe_plan import Plan
from observer_core.orders import Errand
from observer_core.questions import Command
from observer_core.services.alerts import AlertDesk
from observer_core.services.universe_files import Request, leave_request, read_outcome, read_pins
from observer_core.settings import Settings
from observer_core.tree_messages import TicketUpdate

logger = logging.getLogger(__name__)

OUTCOME_WITHIN_S = 60.0
CHILD_WITHIN_S = 6 * 3_600.0
PROGRESS_EVERY_S = 2.0
_POLL_S = 0.2
_TEXT_LIMIT = 400
_PROGRAM = "observer_core.cli.observerctl"

Report = Callable[[TicketUpdate], None]


_UNIVERSE = "universe"


class _PlanOutput(msgspec.Struct, frozen=True):
    plan: Plan | None
    refused: str = ""
    problems: tuple[str, ...] = ()


_plan_decoder = msgspec.json.Decoder(_PlanOutput)


class Errands:
    """Carries them out beside the hub's own work."""

    def __init__(self, settings: Settings, clock: Clock, alerts: AlertDesk) -> None:
        self._settings = settings
        self._clock = clock
        self._alerts = alerts
        self._tasks: set[asyncio.Task[None]] = set()
        self._child_turn = asyncio.Lock()

    def refusal(self, command: Command) -> str | None:
        """Return why an errand is not taken, and what to do; None = it is."""
        match Errand(command.verb):
            case Errand.PIN:
                return None if is_symbol(command.target) else f"not a symbol: {command.target[:20]!r}"
            case Errand.UNPIN:
                pinned = {pin.symbol for pin in read_pins(self._settings.paths)}
                if command.target in pinned:
                    return None
                return f"{command.target[:20]} is not pinned by an operator; pins of universe.toml are changed there"
            case Errand.PLAN | Errand.APPLY:
                return None if command.target == _UNIVERSE else "the target is 'universe'"
            case Errand.REPLAY:
                if self._settings.postgres_dsn is None:
                    return "there is no database to replay into: OBSERVER_POSTGRES_DSN is empty"
                if self._child_turn.locked():
                    return "another replay or plan is under way: wait for its end"
                return None if _is_day(command.target) else "say which day: YYYY-MM-DD"
            case Errand.ACKNOWLEDGE:
                return None if self._alerts.knows(command.target) else "no such alert: it is over, or was never"

    def begin(self, ticket: TicketUpdate, command: Command, report: Report) -> None:
        """Carry an errand out as a task; `report` takes its progress and its end."""
        task = asyncio.create_task(self._carry_out(ticket, command, report))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, ticket: TicketUpdate, command: Command, report: Report) -> None:
        def say(state: str, text: str) -> None:
            report(msgspec.structs.replace(ticket, state=state, text=text[:_TEXT_LIMIT], at_ns=self._clock.now_ns()))

        try:
            state, text = await self._do(ticket, command, say)
        except OSError as error:
            logger.warning("errand failed", extra={"verb": command.verb, "error": str(error)})
            state, text = "failed", f"{error.strerror or error}"
        say(state, text)

    async def _do(self, ticket: TicketUpdate, command: Command, say: Callable[[str, str], None]) -> tuple[str, str]:
        match Errand(command.verb):
            case Errand.PIN | Errand.UNPIN:
                return await self._ask_maintenance(ticket, (command.target,), False, say)
            case Errand.APPLY:
                return await self._ask_maintenance(ticket, (), command.option == "accept_size", say)
            case Errand.PLAN:
                return await self._plan(say)
            case Errand.REPLAY:
                return await self._replay(command, say)
            case Errand.ACKNOWLEDGE:
                self._alerts.acknowledge(command.target, ticket.who, ticket.reason)
                return "done", "noted; it stays in the list until it is over"

    async def _ask_maintenance(
        self, ticket: TicketUpdate, symbols: tuple[str, ...], accept_size: bool, say: Callable[[str, str], None]
    ) -> tuple[str, str]:
        """Leave a request on maintenance's desk and wait for its outcome."""
        paths = self._settings.paths
        request = Request(
            request_id=ticket.ticket,
            verb=ticket.verb,
            who=ticket.who,
            reason=ticket.reason,
            at_ns=self._clock.now_ns(),
            symbols=symbols,
            accept_size=accept_size,
        )
        await asyncio.to_thread(leave_request, paths, request)
        say("running", "maintenance was asked")
        end_ns = self._clock.monotonic_ns() + int(OUTCOME_WITHIN_S * NS_PER_S)
        while self._clock.monotonic_ns() < end_ns:
            outcome = await asyncio.to_thread(read_outcome, paths)
            if outcome is not None and ticket.ticket in outcome.request_ids:
                done = outcome.state in {"applied", "unchanged"}
                return "done" if done else "failed", f"{outcome.state}: {outcome.text}"
            await asyncio.sleep(_POLL_S)
        return "failed", "maintenance does not answer: look at it; the request stays on its desk"

    async def _plan(self, say: Callable[[str, str], None]) -> tuple[str, str]:
        say("running", "working out what would change")
        code, out, err = await self._run(("universe", "plan", "--json"), None)
        try:
            found = _plan_decoder.decode(out)
        except msgspec.DecodeError:
            return "failed", err or f"observerctl universe plan ended with {code}"
        if found.plan is None:
            return "failed", "; ".join(found.problems)
        text = found.plan.text
        return ("failed", f"{text}; refused: {found.refused}") if found.refused else ("done", text)

    async def _replay(self, command: Command, say: Callable[[str, str], None]) -> tuple[str, str]:
        dry = ("--dry-run",) if command.option == "dry_run" else ()
        say("running", "begun")
        code, out, err = await self._run(("replay", "--day", command.target, "--json", *dry), say)
        try:
            found: Any = msgspec.json.decode(out)
        except msgspec.DecodeError:
            return "failed", err or f"observerctl replay ended with {code}"
        would = "would be " if dry else ""
        text = (
            f"{found['records']:,} records: {found['inserted']:,} {would}inserted, {found['existing']:,} there "
            f"already, {found['rejected']:,} rejected, {found['unreadable']:,} unreadable"
        )
        return "done" if code == 0 else "failed", text

    async def _run(
        self, words: tuple[str, ...], say: Callable[[str, str], None] | None
    ) -> tuple[int | None, bytes, str]:
        """Run `observerctl` with this installation's directories; return code, output, last words of its errors."""
        async with self._child_turn:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", _PROGRAM, *words,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env=self._environment(),
            )  # fmt: skip
            try:
                async with asyncio.timeout(CHILD_WITHIN_S):
                    errors, out = await asyncio.gather(self._follow(child.stderr, say), _all_of(child.stdout))
                    await child.wait()
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
            return child.returncode, out, errors

    async def _follow(self, stream: asyncio.StreamReader | None, say: Callable[[str, str], None] | None) -> str:
        """Tell the child's progress now and then; return its last line."""
        last, told_ns = "", 0
        while stream is not None and (raw := await stream.readline()):
            last = raw.decode("utf-8", "replace").strip() or last
            now_ns = self._clock.monotonic_ns()
            if say is not None and now_ns - told_ns > PROGRESS_EVERY_S * NS_PER_S:
                told_ns = now_ns
                say("running", last)
        return last

    def _environment(self) -> dict[str, str]:
        settings = self._settings
        dsn = settings.postgres_dsn
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("KIS_APP_")},
            "OBSERVER_DATA_DIR": str(settings.data_dir),
            "OBSERVER_LOG_DIR": str(settings.log_dir),
            "OBSERVER_CONFIG_DIR": str(settings.config_dir),
            "OBSERVER_RUN_DIR": str(settings.run_dir),
            "OBSERVER_POSTGRES_DSN": "" if dsn is None else dsn.reveal(),
        }


async def _all_of(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


def _is_day(text: str) -> bool:
    digits = text.replace("-", "")
    return len(digits) == 8 and digits.isascii() and digits.isdigit()
