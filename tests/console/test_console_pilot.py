"""Every action of the console by pilot, against a scripted feed and a clock that is set."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from observer_core.clock import NS_PER_S
from observer_core.errors import LinkError
from observer_core.messages import TicketUpdate
from observer_core.view import AcquireLease, Answer, Command, Question
from observer_tui.app import ConsoleApp
from observer_tui.bindings import BINDINGS
from observer_tui.drawing_app import ConsoleOptions
from observer_tui.ui_state import Page
from tests.fixtures.console_feed import OPENING_NS, ScriptedFeed, SetClock, shard, view_at

pytestmark = pytest.mark.console

Body = Callable[["Console"], Awaitable[None]]


class Console:
    """The app under test with its feed, clock and pilot."""

    def __init__(self, app: ConsoleApp, feed: ScriptedFeed, clock: SetClock, pilot: Pilot[None]) -> None:
        self.app = app
        self.feed = feed
        self.clock = clock
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys and let them act."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def play(self, second: float, **changes: object) -> None:
        """Let the view of a second come, and the tick with it."""
        self.feed.play(msgspec.structs.replace(view_at(second), **changes))
        self.app.tick()
        await self.pilot.pause()

    @property
    def selected(self) -> str:
        """Return the name of the selected row."""
        facts = self.app.frame.selected
        return facts.row.name if facts is not None else ""

    @property
    def page(self) -> Page:
        """Return the open page."""
        return self.app.ui.page

    @property
    def text(self) -> str:
        """Return the page as text."""
        return self.app.screen_text()

    @property
    def dialog(self) -> str:
        """Return the text of the open dialog, "" when there is none."""
        if len(self.app.screen_stack) < 2:
            return ""
        return "\n".join("".join(span.text for span in line) for line in self.app.screen.query_one("Pane").lines)  # type: ignore[attr-defined]

    async def until(self, true: Callable[[], object]) -> None:
        """Let the app work until something holds."""
        for _ in range(100):
            if true():
                return
            await self.pilot.pause(0.01)
        raise AssertionError(self.text)


def run(body: Body, options: ConsoleOptions | None = None, size: tuple[int, int] = (160, 48)) -> None:
    async def play() -> None:
        clock = SetClock()
        feed = ScriptedFeed(clock)
        app = ConsoleApp(feed, clock, options or ConsoleOptions(operator="lee", version="0.1.0"))
        async with app.run_test(size=size) as pilot:
            console = Console(app, feed, clock, pilot)
            for second in range(3):
                await console.play(second)
            await body(console)
        assert feed.closed

    asyncio.run(play())


async def take_lease(console: Console) -> None:
    await console.press("W")
    await console.press(*"fix", "enter")
    await console.until(lambda: console.app.ui.lease is not None)


def test_the_selection_follows_its_name_under_sorting_and_news() -> None:
    async def body(console: Console) -> None:
        await console.press("j", "j")
        assert console.selected == "swing-2"
        await console.press("greater_than_sign")
        assert console.app.ui.sort == "name"
        assert console.app.frame.rows[0].row.name == "hub"
        await console.press("I")
        assert console.app.frame.rows[0].row.name == "swing-3"
        processes = tuple(reversed(view_at(4).processes))
        await console.play(4, processes=processes)
        assert console.selected == "swing-2"
        assert any(line.startswith("│>") and "swing-2" in line for line in console.text.splitlines())

    run(body)


def test_enter_opens_and_escape_goes_back() -> None:
    async def body(console: Console) -> None:
        await console.press("j", "enter")
        assert console.page == Page.PROCESS
        assert "swing-1  running" in console.text
        await console.press("j")
        assert "swing-2  running" in console.text
        await console.press("3", "4", "escape")
        assert "last commit" in console.text
        await console.press("backspace", "escape", "escape", "escape")
        assert "Processes 9/9" in console.text

    run(body)


def test_a_typed_filter_narrows_at_once_and_escape_clears_it() -> None:
    async def body(console: Console) -> None:
        await console.press("slash")
        await console.press(*"scalp")
        await console.until(lambda: len(console.app.frame.rows) == 1)
        assert "Processes 1/9" in console.text
        await console.press("enter")
        assert console.app.prompt is None
        assert console.app.ui.row_filter == "scalp"
        await console.press("escape")
        assert len(console.app.frame.rows) == 9
        await console.press("slash", *"zz", "escape")
        assert console.app.ui.row_filter == ""

    run(body)


def test_commands_are_typed() -> None:
    async def body(console: Console) -> None:
        for text, shown in (
            ("pr swing-3", "swing-3  running"),
            ("lang ko", "프로세스"),
            ("lang en", "records/s"),
            ("ev", "Events 5"),
            ("nonsense", "unknown command"),
            ("rate 9", "rate is one of"),
            ("pr nobody", "no process nobody"),
            ("restart swing-1", "press W first"),
        ):
            await console.press("colon")
            await console.until(lambda: console.app.prompt is not None and console.app.focused is not None)
            await console.press(*(character if character != " " else "space" for character in text), "enter")
            await console.until(lambda: shown in console.text)  # noqa: B023 - used within the turn
        await console.press("colon")
        await console.press(*"window", "space", "5", "enter")
        assert console.app.ui.window_s == 300

    run(body)


def test_rate_window_language_theme_and_severity_keys() -> None:
    async def body(console: Console) -> None:
        await console.press("plus", "plus", "plus", "minus")
        assert console.app.ui.hz == 2.0
        await console.press("t")
        assert console.app.ui.window_s == 60
        await console.press("L")
        assert "합계" in console.text
        await console.press("L", "T")
        assert console.app.ui.theme == "light"
        await console.press("4", "exclamation_mark")
        assert "Events 1 (only severe)" in console.text
        assert "stream closed" in console.text

    run(body)


def test_sorting_from_the_menu() -> None:
    async def body(console: Console) -> None:
        await console.press("s")
        assert "Sort by" in console.dialog
        await console.press("j", "j", "j", "enter")
        assert console.app.ui.sort == "records"
        assert console.app.frame.rows[0].row.name == "jsonl"
        await console.press("s", "escape")
        assert console.app.ui.sort == "records"

    run(body)


def test_a_frozen_display_stands_while_data_arrive() -> None:
    async def body(console: Console) -> None:
        await console.press("z")
        before = console.text
        assert "FROZEN at 10:42:02" in before
        await console.play(9)
        assert console.text == before
        assert console.app.store.view == view_at(9)
        await console.press("z")
        assert "FROZEN" not in console.text
        assert "10:42:09" in console.text

    run(body)


def test_a_silent_core_is_stale_with_its_age_and_a_lost_one_down_with_its_reason() -> None:
    async def body(console: Console) -> None:
        console.feed.fade(2.4)
        await console.until(lambda: "STALE 2.4s" in console.text)
        assert "figures are 2.4s old" in console.text
        assert "828,652" not in console.text
        assert "swing-0" in console.text
        console.feed.fall("nobody listens at /run/observer/ro.sock: the hub is down")
        await console.until(lambda: "CORE DOWN since" in console.text)
        assert "nobody listens" in console.text
        assert "DOWN 7.2s" in console.text
        assert "swing-0" in console.text
        await console.press("R")
        assert console.dialog == ""
        await console.press("ctrl+r")
        assert console.feed.reconnects == 1
        await console.play(20)
        assert "LIVE" in console.text

    run(body)


def test_before_the_first_view_it_says_why() -> None:
    async def play() -> None:
        clock = SetClock()
        feed = ScriptedFeed(clock)
        app = ConsoleApp(feed, clock, ConsoleOptions(operator="lee"))
        async with app.run_test(size=(80, 24)) as pilot:
            feed.fall("no socket at /run/observer/ro.sock: start observer-supervisor", None)
            app.tick()
            await pilot.pause()
            assert "start observer-supervisor" in app.screen_text()
            assert "no process has reported yet" in app.screen_text()
            assert "DOWN -" in app.screen_text()

    asyncio.run(play())


def test_orders_are_greyed_without_a_lease_and_say_why() -> None:
    async def body(console: Console) -> None:
        assert console.app.check_action("order", ("restart",)) is None
        await console.press("R")
        assert "press W first" in console.text
        assert console.dialog == ""
        await console.press("S")
        assert console.feed.questions == []

    run(body)


def test_a_lease_is_asked_for_with_a_reason_shown_and_given_back() -> None:
    async def body(console: Console) -> None:
        await console.press("W", "enter")
        assert "a reason is needed" in console.text
        await console.press("W", "escape")
        assert console.feed.questions == []
        await take_lease(console)
        question = console.feed.questions[0]
        assert isinstance(question, AcquireLease)
        assert (question.operator, question.reason, question.seconds) == ("lee", "fix", 600)
        assert "RW 10:00" in console.text
        assert console.app.check_action("order", ("restart",)) is True
        await console.play(63)
        assert "RW 8:59" in console.text
        await console.press("W")
        await console.until(lambda: console.text.splitlines()[0].endswith(" RO"))
        assert console.feed.questions[-1].seconds == 0  # type: ignore[union-attr]
        assert "write mode given back" in console.text

    run(body)


def test_a_lease_ends_by_time_and_with_its_hub() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.play(603)
        assert "write mode has ended" in console.text
        assert console.app.ui.lease is None
        await take_lease(console)
        await console.play(604, hub_epoch="e2")
        assert console.app.ui.lease is None

    run(body)


def test_restart_names_the_consequence_and_cancel_has_the_focus() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("j", "R")
        assert "restart swing-1?" in console.dialog
        assert "500 symbols, usually under a second without data" in console.dialog
        assert "other processes are untouched" in console.dialog
        assert "THE MARKET IS OPEN." in console.dialog
        assert "> Cancel <" in console.dialog
        await console.press("enter")
        assert not any(isinstance(question, Command) for question in console.feed.questions)
        await console.press("R", "right", "enter")
        await console.until(lambda: isinstance(console.feed.questions[-1], Command))
        command = console.feed.questions[-1]
        assert isinstance(command, Command)
        assert (command.verb, command.target, command.operator) == ("restart", "swing-1", "lee")
        assert (command.reason, command.generation) == ("fix", 1)
        await console.until(lambda: "restart swing-1: accepted" in console.text)
        done = TicketUpdate(
            ticket=command.request_id, state="done", text="ready after 25 ms", at_ns=0, verb="restart", target="swing-1"
        )
        again = shard(1, 4, pid=4301, generation=2, restarts=1)
        rows = tuple(again if row.name == "swing-1" else row for row in view_at(4).processes)
        await console.play(4, tickets=(done,), processes=rows)
        assert "restart swing-1: done, ready after 25 ms" in console.text
        assert console.app.ui.tracked == ()
        await console.press("R")
        assert "about 2.0s without data (its last restart)" in console.dialog

    run(body)


def test_the_order_is_for_the_generation_that_was_shown() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("R")
        rows = (shard(0, 4, pid=4400, generation=7), *view_at(4).processes[1:])
        await console.play(4, processes=rows)
        await console.press("y")
        await console.until(lambda: isinstance(console.feed.questions[-1], Command))
        assert console.feed.questions[-1].generation == 1  # type: ignore[union-attr]

    run(body)


def test_a_refused_order_and_a_lost_answer_are_told() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)

        def refuse(question: Question) -> Answer:
            return Answer(request_id=question.request_id, error="swing-0 was started anew since that screen")

        def lose(_question: Question) -> Answer:
            raise LinkError("the hub did not answer within 2 s")

        console.feed.answer = refuse
        await console.press("R", "y")
        await console.until(lambda: "started anew since that screen" in console.text)
        console.feed.answer = lose
        await console.press("R", "y")
        await console.until(lambda: "look at the orders of swing-0 before you repeat it" in console.text)
        assert len(console.app.ui.tracked) == 1

    run(body)


def test_pause_becomes_resume_on_a_paused_shard_and_is_for_shards_only() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("S")
        assert "pause swing-0?" in console.dialog
        assert "500 symbols without data until someone resumes it" in console.dialog
        await console.press("escape")
        rows = (shard(0, 4, state="paused"), *view_at(4).processes[1:])
        await console.play(4, processes=rows)
        await console.press("g", "S")
        assert "resume swing-0?" in console.dialog
        await console.press("y")
        await console.until(lambda: isinstance(console.feed.questions[-1], Command))
        assert console.feed.questions[-1].verb == "resume"  # type: ignore[union-attr]
        await console.press("G", "S")
        assert "only shards can be paused" in console.text

    run(body)


def test_a_confirmation_expires() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("R")
        for _ in range(30):
            console.app.screen._count_down()  # type: ignore[attr-defined]
        await console.pilot.pause()
        assert console.dialog == ""
        assert not any(isinstance(question, Command) for question in console.feed.questions)

    run(body)


def test_copying_a_row_and_saving_the_screen(tmp_path: Path) -> None:
    async def body(console: Console) -> None:
        await console.press("y")
        assert json.loads(console.app.clipboard)["name"] == "swing-0"
        await console.press("c")
        assert console.app.clipboard.startswith("process swing-0\tstate running")
        await console.press("X")
        assert "saved" in console.text
        drawn, plain = sorted(tmp_path.glob("observer-*"))
        assert drawn.read_text().startswith("<svg")
        assert "swing-0" in plain.read_text()

    run(body, ConsoleOptions(operator="lee", capture_dir=tmp_path))


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async def body(console: Console) -> None:
        await console.press("X")
        assert "not saved" in console.text

    run(body, ConsoleOptions(operator="lee", capture_dir=tmp_path / "missing"))


def test_the_mouse_selects_and_opens_rows() -> None:
    async def body(console: Console) -> None:
        y = next(place for place, line in enumerate(console.text.splitlines()) if "swing-3" in line)
        await console.pilot.click(offset=(8, y))
        assert console.app.ui.selected == "swing-3"
        await console.pilot.click(offset=(8, y))
        assert console.page == Page.PROCESS

    run(body)
    run(body, size=(80, 24))


def test_help_lists_every_binding() -> None:
    async def body(console: Console) -> None:
        await console.press("question_mark")
        for binding in BINDINGS:
            assert binding.help[:20] in console.text, binding.id

    run(body, size=(160, 70))


def test_the_palette_offers_the_same_actions() -> None:
    async def body(console: Console) -> None:
        offered = {command.title for command in console.app.get_system_commands(console.app.screen)}
        assert "4 l  Events" in offered
        assert not any("restart" in title for title in offered)
        await take_lease(console)
        offered = {command.title for command in console.app.get_system_commands(console.app.screen)}
        assert "R  restart" in offered

    run(body)


def test_resizing_lays_out_anew() -> None:
    async def body(console: Console) -> None:
        for width, height in ((80, 24), (59, 10), (120, 32), (200, 60), (160, 48)):
            await console.pilot.resize_terminal(width, height)
            await console.pilot.pause()
            await console.until(lambda: len(console.text.splitlines()) == height)  # noqa: B023 - used within the turn
            assert "LIVE" in console.text.splitlines()[0]

    run(body)


def test_leaving_by_key_and_by_interrupting_twice() -> None:
    async def by_key(console: Console) -> None:
        await console.press("q")
        assert console.app.return_code == 0

    async def by_interrupts(console: Console) -> None:
        await console.press("ctrl+c")
        assert "press ctrl+c again" in console.text
        console.clock.at_ns += 3 * NS_PER_S
        await console.press("ctrl+c")
        assert console.app.return_code is None
        await console.press("ctrl+c")
        assert console.app.return_code == 0

    run(by_key)
    run(by_interrupts)


def test_a_notice_goes_away() -> None:
    async def body(console: Console) -> None:
        await console.press("R")
        assert "press W first" in console.text
        await console.play(12)
        assert "press W first" not in console.text

    run(body)


def test_a_restarted_hub_keeps_history_and_selection() -> None:
    async def body(console: Console) -> None:
        await console.press("j")
        known = len(console.app.frame.meters.of("swing-1").history)
        await console.play(4, hub_epoch="e2", seq=1)
        meter = console.app.frame.meters.of("swing-1")
        assert len(meter.history) > known
        assert console.selected == "swing-1"
        assert meter.records_per_s(OPENING_NS + 4 * NS_PER_S) is None
        await console.play(5, hub_epoch="e2", seq=2)
        assert meter.records_per_s(OPENING_NS + 5 * NS_PER_S) == pytest.approx(152, abs=2)

    run(body)
