"""Every action of the console by pilot, against a scripted feed and a clock that is set."""

import asyncio
import json
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S
from observer_tui.app import ConsoleApp
from observer_tui.bindings import BINDINGS
from observer_tui.drawing_app import ConsoleOptions
from observer_tui.ui_state import Page
from observer_tui.widgets.pane import Pane
from tests.fixtures.console_feed import OPENING_NS, ScriptedFeed, SetClock, view_at
from tests.fixtures.console_pilot import Console, run, take_lease

pytestmark = pytest.mark.console


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
        await console.press("6", "8", "escape")
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


def test_a_filter_starts_empty_and_the_present_one_holds_until_enter() -> None:
    async def body(console: Console) -> None:
        await console.press("slash", *"scalp", "enter", "slash")
        await console.until(lambda: console.app.focused is not None)
        assert console.app.focused.value == ""  # type: ignore[union-attr]  # the input of the prompt
        assert [facts.row.name for facts in console.app.frame.rows] == ["scalp-0"]
        await console.press(*"swing")
        await console.until(lambda: len(console.app.frame.rows) == 4)
        await console.press("escape")
        assert console.app.ui.row_filter == "scalp"
        await console.press("slash", *"swing-2", "enter")
        assert [facts.row.name for facts in console.app.frame.rows] == ["swing-2"]
        await console.press("slash", "enter")
        assert console.app.ui.row_filter == ""

    run(body)


@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
@pytest.mark.parametrize(("language", "sign"), [("en", "filter"), ("ko", "필터")])
def test_a_filter_belongs_to_its_page_and_is_shown_on_it(size: tuple[int, int], language: str, sign: str) -> None:
    async def body(console: Console) -> None:
        await console.press("3")
        await console.until(lambda: "2,000" in console.text)
        await console.press("slash", *"100400")
        await console.until(lambda: len(console.app.frame.symbols) == 1)
        await console.press("enter", "1")
        assert "100400" not in console.text.splitlines()[1]
        await console.press("3")
        assert f"{sign} 100400" in console.text.splitlines()[1]
        await console.press("slash", *"100070")
        await console.until(lambda: [row.code for row in console.app.frame.symbols] == ["100070"])
        await console.press("enter")
        assert console.page is Page.SYMBOL
        assert console.app.ui.symbol == "100070"

    run(body, ConsoleOptions(operator="lee", version="0.1.0", language=language), size)


def test_a_cleared_filter_leaves_the_cursor_on_what_it_had_found() -> None:
    async def body(console: Console) -> None:
        await console.press("j", "slash", *"swing-3", "enter", "escape")
        assert console.selected == "swing-3"
        await console.press("slash", *"scalp")
        await console.until(lambda: console.selected == "scalp-0")
        await console.press("escape")
        assert console.selected == "swing-3"
        await console.press("slash", *"swing-2", "enter", "2", "1", "escape", "escape")
        assert console.selected == "swing-2"

    run(body)


@pytest.mark.parametrize(("size", "language", "told"), [
    ((160, 48), "en", ("charts of 1 min", "refreshed 4/s", "refreshed 2/s", "sorted by name", "sorted by name")),
    ((80, 24), "ko", ("차트 구간 1분", "초당 4회", "초당 2회", "정렬: 이름", "정렬: 이름")),
])  # fmt: skip
def test_a_message_hides_no_effect_of_a_key(size: tuple[int, int], language: str, told: tuple[str, ...]) -> None:
    async def body(console: Console) -> None:
        for key, text in zip(("t", "plus", "minus", "greater_than_sign", "I"), told, strict=True):
            console.app.notice("connecting anew")
            await console.press(key)
            assert text in console.text.splitlines()[1], key
        await console.play(6)
        assert console.app.ui.notice is None
        assert "[1]" in console.text.splitlines()[1]
        console.app.notice("connecting anew")
        await console.press("8")
        assert "[8]" in console.text.splitlines()[1]
        console.app.notice("not while the link is down", "warn")
        await console.press("1")
        assert "[1]" not in console.text.splitlines()[1]

    run(body, ConsoleOptions(operator="lee", language=language), size)


@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
@pytest.mark.parametrize(("language", "label", "text"), [
    ("en", "q end the demo", "leave; the demo stops and balances its books"),
    ("ko", "q 데모 끝내기", "나가기; 데모가 멈추고 장부를 맞춰 봄"),
])  # fmt: skip
def test_leaving_the_console_of_a_demo_says_that_it_ends_the_demo(
    size: tuple[int, int], language: str, label: str, text: str
) -> None:
    async def body(console: Console) -> None:
        assert label in console.text.splitlines()[-1]
        assert "detach" not in console.text.splitlines()[-1]
        await console.press("question_mark", "G")
        assert text in console.text
        assert console.app.words("leave; everything keeps running") not in console.text

    run(body, ConsoleOptions(operator="lee", language=language, demo=True), size)


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
        await console.press("8", "exclamation_mark")
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
            assert (binding.help[:20] in console.text) == (binding.where != "replay"), binding.id

    run(body, size=(160, 70))


def test_the_palette_offers_the_same_actions() -> None:
    async def body(console: Console) -> None:
        offered = {command.title for command in console.app.get_system_commands(console.app.screen)}
        assert "7 l  Logs" in offered
        assert not any("restart" in title for title in offered)
        await take_lease(console)
        offered = {command.title for command in console.app.get_system_commands(console.app.screen)}
        assert "R  restart" in offered

    run(body)


def test_a_line_that_is_not_drawn_yet_can_be_stripped_of_its_colours() -> None:
    async def body(console: Console) -> None:
        blank = console.app.query(Pane).first().render_line(999)
        assert blank.cell_length == 160
        assert all(segment.style is not None for segment in blank)

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
