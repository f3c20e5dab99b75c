"""The console on a recorded day, by pilot: it says what it is, plays, skips, finds incidents, gives no orders."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from observer_core.chronicle.files import ChronicleWriter
from observer_core.chronicle.reader import RecordedDay
from observer_core.clock import NS_PER_S
from observer_core.ids import DayNumber
from observer_core.messages import Event
from observer_core.view import SystemView
from observer_tui.app import ConsoleApp
from observer_tui.bindings import BINDINGS, belongs
from observer_tui.drawing_app import ConsoleOptions
from observer_tui.options import time_of_day
from observer_tui.plain import print_instant
from observer_tui.player import Player
from observer_tui.replay_feed import ReplayFeed, open_recording
from observer_tui.words import Words
from tests.fixtures.console_feed import OPENING_NS, ScriptedFeed, SetClock, shard, view_at
from tests.fixtures.console_pilot import Console
from tests.fixtures.console_pilot import run as run_live

pytestmark = pytest.mark.console

DAY = DayNumber(20261120)
BROKE_S, LATE_S, LAST_S = 70, 130, 200
HOLE_S = range(140, 170)


def recorded_view(second: int) -> SystemView:
    """Return a second of the day: a shard dies, another one opens a gap, then the hub is away for half a minute."""
    view = view_at(second)
    events = view.events
    if second >= BROKE_S:
        died = Event(
            at_ns=OPENING_NS + BROKE_S * NS_PER_S, name="exit", severity="error", subject="swing-3", text="it died"
        )
        events = (*events, died)
    changes: dict[str, object] = {"events": events}
    if second >= LATE_S:
        rows = {row.name: row for row in view.processes}
        rows["swing-1"] = shard(1, second, open_gaps=1)
        changes |= {"processes": tuple(rows.values()), "gaps": msgspec.structs.replace(view.gaps, open=1)}
    return msgspec.structs.replace(view, seq=second + 1, **changes)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording that begins at 10:42:00 and ends at 10:45:20."""
    found = tmp_path_factory.mktemp("chronicle")
    writer = ChronicleWriter(found, 1 << 24)
    writer.write([recorded_view(second) for second in range(LAST_S + 1) if second not in HOLE_S])
    writer.close()
    return found


def replay(
    directory: Path, body: Callable[[Console], Awaitable[None]], at: str = "10:43", size: tuple[int, int] = (160, 48)
) -> None:
    """Run a console on the recording; the clock is set, so that playing takes no time."""

    async def play() -> None:
        clock = SetClock(5_000_000_000_000)
        feed = open_recording(directory, DAY, time_of_day(at), clock)
        options = ConsoleOptions(operator="lee", version="0.1.0", replay=feed)
        app = ConsoleApp(feed, feed.clock(clock), options)
        async with app.run_test(size=size) as pilot:
            console = Console(app, ScriptedFeed(clock), clock, pilot)
            await console.until(lambda: feed.player.incidents is not None and "REPLAY" in console.text)
            await body(console)

    asyncio.run(play())


async def pass_time(console: Console, seconds: float) -> None:
    console.clock.at_ns += int(seconds * NS_PER_S)
    feed = console.app.feed
    assert isinstance(feed, ReplayFeed)
    feed.moved()
    await console.settle()
    console.app.tick()
    await console.settle()


def first_line(console: Console) -> str:
    return console.text.splitlines()[0]


def test_a_replay_is_never_taken_for_the_present(directory: Path) -> None:
    async def body(console: Console) -> None:
        await pass_time(console, 3_600)
        assert "REPLAY 2026-11-20 10:43:00 paused" in first_line(console)
        assert "LIVE" not in console.text
        assert "RO" not in first_line(console).split()
        # Ages are those of the instant, not of today.
        assert console.app.frame.figures_ns == recorded_view(60).as_of_ns
        assert console.app.frame.view == recorded_view(60)
        assert "has not reported" not in console.text

    replay(directory, body)


def test_play_pause_and_speed(directory: Path) -> None:
    async def body(console: Console) -> None:
        await console.press("space")
        await pass_time(console, 5)
        assert "REPLAY 2026-11-20 10:43:05 x1" in first_line(console)
        assert console.app.frame.view == recorded_view(65)
        await console.press("full_stop", "full_stop", "full_stop")
        assert "x10" in first_line(console)
        await pass_time(console, 2)
        assert "10:43:25 x10" in first_line(console)
        await console.press("comma", "space")
        await pass_time(console, 600)
        assert "10:43:25 paused" in first_line(console)
        await console.press("space")
        await pass_time(console, 600)
        # At its end it stands, and does not begin anew.
        assert "10:45:20 paused" in first_line(console)
        await console.press("space")
        assert "10:45:20 paused" in first_line(console)

    replay(directory, body)


def test_skipping_stays_within_the_recording(directory: Path) -> None:
    async def body(console: Console) -> None:
        for key, time in (
            ("right_square_bracket", "10:43:10"),
            ("left_square_bracket", "10:43:00"),
            ("right_curly_bracket", "10:44:00"),
            ("left_curly_bracket", "10:43:00"),
            ("left_curly_bracket", "10:42:00"),
            ("left_curly_bracket", "10:42:00"),
        ):
            await console.press(key)
            assert f"REPLAY 2026-11-20 {time} paused" in first_line(console)

    replay(directory, body)


def test_incidents_are_visited_in_order(directory: Path) -> None:
    async def body(console: Console) -> None:
        await pass_time(console, 1)
        assert "10:42 [" in console.text
        assert console.text.splitlines()[1].count("!") == 3
        for number, (time, text) in enumerate(
            (("10:43:10", "it died"), ("10:44:10", "1 open gap"), ("10:44:19", "the recording stops")), start=1
        ):
            await console.press("n")
            assert f"{time} paused" in first_line(console)
            assert f"incident {number} of 3: " in console.text
            assert text in console.text.splitlines()[1]
        await console.press("n")
        assert "no further incident" in console.text
        await console.press("N")
        assert "10:44:10 paused" in first_line(console)
        assert "DEGRADED" in first_line(console)

    replay(directory, body)


def test_a_hole_of_the_recording_says_so(directory: Path) -> None:
    async def body(console: Console) -> None:
        assert "NOT RECORDED" in first_line(console)
        assert "nothing was recorded then" in console.text.splitlines()[1]
        assert console.app.frame.is_old
        await console.press("right_square_bracket", "right_square_bracket")
        assert "NOT RECORDED" not in first_line(console)
        assert console.app.frame.view == recorded_view(175)

    replay(directory, body, at="10:44:35")


def test_an_instant_that_was_not_recorded_is_not_printed(directory: Path) -> None:
    printed: list[str] = []
    feed = open_recording(directory, DAY, time_of_day("10:44:35"), SetClock(0))
    failure = print_instant(feed, printed.append, as_json=False, words=Words("en"))
    assert (failure, printed) == ("nothing was recorded then: the hub did not run", [])


def test_a_time_and_a_speed_can_be_typed(directory: Path) -> None:
    async def body(console: Console) -> None:
        await console.press("colon", *"at 10:42:30", "enter")
        assert "10:42:30 paused" in first_line(console)
        await console.press("colon", *"at 25:00", "enter")
        assert "is no time of the day: write it as HH:MM" in console.text
        await console.press("colon", *"at 9:31", "enter")
        assert "2026-11-20 is recorded from 10:42:00 to 10:45:20: 09:31:00 lies outside" in console.text
        await console.press("colon", *"speed 60", "enter", "space")
        assert "10:42:30 x60" in first_line(console)

    replay(directory, body)


def test_a_replay_gives_no_orders_and_says_what_it_lacks(directory: Path) -> None:
    async def body(console: Console) -> None:
        for key in ("W", "R", "S", "C", "a", "z"):
            await console.press(key)
            assert not console.dialog
        assert console.app.ui.frozen_ns is None
        await console.press("colon", *"restart swing-0", "enter")
        assert "a replay gives no orders" in console.text
        offered = {command.title for command in console.app.get_system_commands(console.app.screen)}
        assert any("play/pause" in title for title in offered)
        assert not any("restart" in title or "write" in title for title in offered)
        for page in "3579":
            await console.press(page)
            assert "not recorded: see the day's logs" in console.text
        await console.press("1")
        assert "R restart" not in console.text

    replay(directory, body)


def test_help_lists_the_keys_of_a_replay(directory: Path) -> None:
    async def body(console: Console) -> None:
        await console.press("question_mark")
        for binding in BINDINGS:
            assert (binding.help[:25] in console.text) == belongs(binding, replaying=True), binding.id

    replay(directory, body, size=(160, 70))


@pytest.mark.parametrize("size", [(60, 15), (80, 24)])
def test_small_screens_say_replay_too(directory: Path, size: tuple[int, int]) -> None:
    async def body(console: Console) -> None:
        assert "REPLAY 2026-11-20 10:43:00 paused" in first_line(console)

    replay(directory, body, size=size)


def test_a_live_console_has_none_of_it() -> None:
    async def body(console: Console) -> None:
        await console.press("space", "n", "right_square_bracket")
        assert "REPLAY" not in console.text
        await console.press("colon", *"at 10:42", "enter")
        assert "only in a replay: observer-tui --replay DAY" in console.text

    run_live(body)


def test_a_jump_shows_the_rates_that_playing_shows(directory: Path) -> None:
    day = RecordedDay(directory, DAY)
    clock = SetClock(0)
    played = Player(day, clock, day.first_ns)
    played.play()
    for _ in range(100):
        clock.at_ns += NS_PER_S
        played.advance()
    jumped = Player(day, clock, played.at_ns)
    assert jumped.view == played.view
    back = Player(day, clock, day.last_ns)
    back.seek(played.at_ns)
    for player in (jumped, back):
        assert player.meters.records_per_s(player.shown_ns) == played.meters.records_per_s(played.shown_ns)
        assert list(player.meters.total) == list(played.meters.total)
    assert played.meters.records_per_s(played.shown_ns) == pytest.approx(148 + 152 + 139 + 150 + 412, rel=0.01)
