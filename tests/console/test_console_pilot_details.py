"""The pages that ask the hub for more than the view, by pilot: what they show, what they ask, how they are moved in."""

import sys
import time
from dataclasses import replace

import msgspec
import pytest

from observer_core.details import STREAMED
from observer_core.questions import GetAudit, GetGaps, GetLog, GetSymbol, GetSymbols
from observer_core.view import LeaseView
from observer_tui.drawing_app import ConsoleOptions
from observer_tui.lines import text_of
from observer_tui.panes.symbol import draw_book_box
from observer_tui.ui_state import Page
from tests.fixtures.console_feed import view_at
from tests.fixtures.console_pilot import Console, run
from tests.fixtures.console_upkeep import in_trouble, with_upkeep

pytestmark = pytest.mark.console

FRAME_LIMIT_MS = 100.0


async def open_symbols(console: Console) -> None:
    await console.press("3")
    await console.until(lambda: "Symbols 2,000/2,000" in console.text)


def test_the_whole_universe_is_on_one_screen_with_its_worst_on_top() -> None:
    async def body(console: Console) -> None:
        await open_symbols(console)
        assert "Freshness of 2,000 symbols" in console.text
        assert "feed: nothing explains it" in next(line for line in console.text.splitlines() if ">!" in line)
        cells = sum(line.count("·") for line in console.text.splitlines()[3:20])
        assert cells >= 1_990
        assert all(isinstance(question, GetSymbols) for question in console.feed.inquiries)
        first = console.feed.inquiries[0]
        assert isinstance(first, GetSymbols)
        assert first.known == ""
        await console.until(lambda: len(console.feed.inquiries) > 1)
        again = console.feed.inquiries[-1]
        assert isinstance(again, GetSymbols)
        assert again.known == "20261120.3"

    run(body)


def test_only_the_open_page_asks() -> None:
    async def body(console: Console) -> None:
        assert console.feed.inquiries == []
        await console.press("9")
        await console.until(lambda: console.feed.inquiries)
        assert {type(question) for question in console.feed.inquiries} == {GetAudit}
        await console.press("5")
        await console.until(lambda: isinstance(console.feed.inquiries[-1], GetGaps))
        await console.press("1")
        number = len(console.feed.inquiries)
        await console.pilot.pause(1.2)
        assert len(console.feed.inquiries) == number

    run(body)


def test_symbols_are_found_by_code_name_and_initial_consonants() -> None:
    async def body(console: Console) -> None:
        await open_symbols(console)
        for typed, shown in (
            ("ㅅㅅㅈㅈ", "223/2,000"),
            ("카카오4", "11/2,000"),
            ("age>60", "2/2,000"),
            ("halted", "1/2,000"),
        ):
            await console.press("slash")
            await console.until(lambda: console.app.prompt is not None and console.app.focused is not None)
            await console.press("ctrl+u")
            for letter in typed:
                await console.press({">": "greater_than_sign"}.get(letter, letter))
            await console.until(lambda: f"Symbols {shown}" in console.text)  # noqa: B023 - used within the turn
            await console.press("escape")
            assert "Symbols 2,000/2,000" in console.text
        await console.press("slash", *"005930", "enter")
        await console.until(lambda: console.page == Page.SYMBOL)
        await console.until(lambda: "005930 삼성전자" in console.text)
        await console.press("escape")
        assert console.page == Page.SYMBOLS

    run(body)


def test_a_symbol_says_why_and_shows_ticks_book_and_course() -> None:
    async def body(console: Console) -> None:
        await open_symbols(console)
        await console.press("enter")
        await console.until(lambda: "look at its log" in console.text)
        for shown in ("Last ticks", "Order book", "price, last hour", "70,200", "1,200", "sell"):
            assert shown in console.text
        assert isinstance(console.feed.inquiries[-1], GetSymbol)
        await console.press("j")
        await console.until(lambda: "100400 카카오4" in console.text)
        await console.press("colon", *"sym", "space", *"999999", "enter")
        await console.until(lambda: "999999 is not collected" in console.text)

    run(body)


def test_the_map_takes_the_place_of_the_table_on_a_small_screen() -> None:
    async def body(console: Console) -> None:
        await open_symbols(console)
        assert "Freshness" not in console.text
        await console.press("v")
        assert "Freshness of 2,000 symbols (one cell = the oldest of 2)" in console.text
        await console.press("v")
        assert "code" in console.text

    run(body, size=(80, 24))


def test_symbols_are_sorted_by_menu_and_keys() -> None:
    async def body(console: Console) -> None:
        await open_symbols(console)
        await console.press("s")
        assert "Sort by" in console.dialog
        await console.press("down", "enter")
        assert console.app.ui.symbol_sort == "code"
        assert console.app.frame.symbols[0].code == "005930"
        await console.press("I")
        assert console.app.frame.symbols[-1].code == "005930"
        await console.press("I", "pagedown", "down")
        assert console.app.frame.symbols[11].code == console.app.frame.symbol
        await console.press("less_than_sign")
        assert console.app.ui.symbol_sort == "why"

    run(body)


def test_a_shard_opens_its_symbols_and_shows_log_and_deaths() -> None:
    async def body(console: Console) -> None:
        await console.press("j", "enter")
        await console.until(lambda: "call failed code=EGW00201" in console.text)
        assert "it never died" in console.text
        assert "3 x ERROR call failed" in console.text
        await console.press("right")
        assert "swing-2  running" in console.text
        await console.press("enter")
        await console.until(lambda: "Symbols 500/2,000" in console.text)
        await console.press("escape", "escape")
        assert console.page == Page.PROCESS

    run(body)


def test_a_log_is_followed_searched_and_scrolled() -> None:
    async def body(console: Console) -> None:
        await console.press("l")
        await console.until(lambda: "turn=59" in console.text)
        await console.press("pageup", "pageup", "up")
        assert "turn=59" not in console.text
        await console.press("G")
        assert "turn=59" in console.text
        await console.press("exclamation_mark")
        await console.until(lambda: "(only severe)" in console.text and "turn=59" not in console.text)
        await console.press("exclamation_mark", "slash", *"turn=4", "enter")
        await console.until(lambda: "turn=41" in console.text and "turn=59" not in console.text)
        question = console.feed.inquiries[-1]
        assert isinstance(question, GetLog)
        assert question.contains == "turn=4"
        await console.press("escape", "x")
        await console.until(lambda: "Thread 0x7f" in console.text)

    run(body)


def test_gaps_and_audit_by_row() -> None:
    async def body(console: Console) -> None:
        await console.press("5")
        await console.until(lambda: "call failed" in console.text)
        assert "98.821%" in console.text
        assert "30 symb." in console.text
        await console.press("exclamation_mark")
        assert "Gaps 1" in console.text
        await console.press("exclamation_mark", "slash", *"scalp", "enter")
        assert "Gaps 1" in console.text
        await console.press("escape", "slash", *"ㅅㅅㅈㅈ", "enter")
        assert "Gaps 1" in console.text
        await console.press("9")
        await console.until(lambda: "kim (uid 1000, pid 4121)" in console.text)
        assert "because: token refresh" in console.text
        await console.press("slash", *"pin", "enter")
        await console.until(lambda: "Audit 1" in console.text)

    run(body)


def test_completeness_by_track_day_and_symbol() -> None:
    async def body(console: Console) -> None:
        await console.press("5")
        await console.until(lambda: "Worst symbols 43" in console.text)
        assert "measured 3.0s ago" in console.text
        for shown in ("98.821%  the time", "40/12.3M", "Days 4", "93.500%", "anomalous", "96.400%", "530/2,000"):
            assert shown in console.text
        chosen = next(line for line in console.text.splitlines() if "│>" in line)
        assert "call failed" in chosen
        await console.press("slash", *"open", "enter")
        assert "Worst symbols 2" in console.text
        assert "Gaps 1" in console.text

    run(body)


def test_a_gap_opens_its_symbol_or_the_symbols_of_its_shard() -> None:
    async def body(console: Console) -> None:
        await console.press("5")
        await console.until(lambda: "30 symb." in console.text)
        await console.press("enter")
        await console.until(lambda: "Symbols 500/2,000" in console.text)
        assert console.app.ui.symbol_filter == "swing-1"
        await console.press("escape", "escape", "j", "enter")
        await console.until(lambda: console.page == Page.SYMBOL and "005930 삼성전자" in console.text)
        await console.press("escape", "right", "g", "down", "enter")
        await console.until(lambda: console.page == Page.SYMBOL and "100130 카카오1" in console.text)
        await console.press("escape", "right")
        assert console.app.ui.gap_table == "days"
        await console.press("enter", "down")
        assert (console.page, console.app.ui.scroll) == (Page.GAPS, 1)
        await console.press("right")
        assert console.app.ui.gap_table == "gaps"

    run(body)


def test_a_small_screen_shows_one_table_of_the_gaps() -> None:
    async def body(console: Console) -> None:
        await console.press("5")
        await console.until(lambda: "30 symb." in console.text)
        assert "Worst" not in console.text
        await console.press("right")
        assert "Worst symbols 43" in console.text
        assert "30 symb." not in console.text
        await console.press("left", "left")
        assert "Days 4" in console.text

    run(body, size=(80, 24))


def test_storage_tells_what_goes_next_and_how_backups_stand() -> None:
    async def body(console: Console) -> None:
        await console.press("6")
        for shown in ("nothing is known of backups yet", "nothing is known of retention yet", "timetable yet"):
            assert shown in console.text
        console.feed.play(with_upkeep(view_at(1)))
        await console.until(lambda: "nothing is wrong with them" in console.text)
        for shown in (
            "1 of 5 days go, 18.2 GB",
            "raw data 3 d, anomalous days 7 d",
            "on office-pc  green",
            "limit 1d12h",
        ):
            assert shown in console.text
        assert "goes" in next(line for line in console.text.splitlines() if "11-17   4 d" in line)
        console.feed.play(in_trouble(view_at(2)))
        await console.until(lambda: "! packing failed: No space left on device" in console.text)
        for shown in (
            "no verified copy for 11d00h: pull the backups",
            "overdue",
            "ladder seal: also: logs from WARNING",
        ):
            assert shown in console.text

    run(body)


@pytest.mark.parametrize(("height", "tables"), [(24, ["Retention", "Timetable"]),
                                                (15, ["Retention", "Backups", "Disk", "Timetable"])])  # fmt: skip
def test_a_small_screen_steps_through_the_tables_of_storage(height: int, tables: list[str]) -> None:
    async def body(console: Console) -> None:
        console.feed.play(in_trouble(view_at(1)))
        await console.press("6")
        await console.until(lambda: "Timetable" in console.text)
        for title in tables:
            await console.press("right")
            assert console.text.splitlines()[2 + (4 if height == 15 else 13)].startswith(f"┌─ {title}")
        await console.press("left")
        await console.press("left", *(["left", "left"] if height == 15 else []), "right")
        assert "Retention" in console.text
        assert "11-20" not in console.text
        await console.press("G")
        assert "11-20" in console.text

    run(body, size=(80, height))


def test_old_answers_are_dimmed_and_a_frozen_page_asks_nothing() -> None:
    async def body(console: Console) -> None:
        await open_symbols(console)
        await console.press("z")
        number = len(console.feed.inquiries)
        await console.pilot.pause(1.2)
        assert len(console.feed.inquiries) == number
        await console.press("z")
        await console.until(lambda: len(console.feed.inquiries) > number)

    run(body)


def test_two_thousand_symbols_scroll_and_sort_without_a_slow_frame(capsys: pytest.CaptureFixture[str]) -> None:
    # Processor time: a neighbour that takes the core is no fault of the screen.
    slowest: dict[str, float] = {}

    async def body(console: Console) -> None:
        await open_symbols(console)
        app = console.app

        def timed(what: str, work: object) -> None:
            begun = time.thread_time()
            assert callable(work)
            work()
            spent_ms = (time.thread_time() - begun) * 1_000
            slowest[what] = max(slowest.get(what, 0.0), spent_ms)

        for turn in range(20):
            answer = console.feed.details.answer(GetSymbols(request_id="q", known="20261120.3"))

            def renew() -> None:
                app.store.take_answer(answer)  # noqa: B023 - called at once
                app.draw()

            timed("new figures", renew)
            for step in (1, 10, 500, -300):
                timed("scroll", lambda: app.action_move(step))  # noqa: B023
            timed("sort", lambda: app.action_sort_step(1))
            timed("filter", lambda: app.change(symbol_filter="ㅅ" if turn % 2 else ""))  # noqa: B023
            view = msgspec.structs.replace(view_at(5 + turn))
            console.feed.play(view)
            timed("tick", app.tick)
            await console.pilot.pause()

    run(body)
    with capsys.disabled():
        figures = ", ".join(f"{what} {spent:.0f} ms" for what, spent in slowest.items())
        sys.stdout.write(f"\nsymbol screen of 2,000, slowest of 20 frames: {figures}\n")
    assert max(slowest.values()) < FRAME_LIMIT_MS


@pytest.mark.parametrize("size", [(160, 48), (80, 24)])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_cut_event_or_order_is_read_whole(size: tuple[int, int], language: str) -> None:
    long = " ".join(f"{number:06}" for number in range(60))

    async def body(console: Console) -> None:
        events = view_at(3).events
        newer = msgspec.structs.replace(events[-1], at_ns=events[-1].at_ns + 1, text="came later")
        cut = msgspec.structs.replace(events[-1], at_ns=events[-1].at_ns - 1, text=f"held: {long}")
        await console.play(3, events=(*events, cut))
        await console.press("8", "j")
        await console.play(4, events=(*events, cut, newer))
        assert next(line for line in console.text.splitlines() if line.startswith("│>")).count("held: 000000") == 1
        assert "000059" not in console.text
        await console.press("enter")
        assert all(f"{number:06}" in console.dialog for number in range(60))
        await console.press("enter")
        assert console.dialog == ""
        await console.press("9")
        await console.until(lambda: console.app.frame.replies.audit is not None)
        await console.press("j", "enter")
        assert "4301" in console.dialog
        assert "kim (uid 1000, pid 4121)" in console.dialog
        await console.press("escape", "escape", "g")
        assert console.page is Page.EVENTS
        await console.play(5, events=(*events, msgspec.structs.replace(newer, at_ns=newer.at_ns + 1, text="newest")))
        assert any(line.startswith("│>") and "newest" in line for line in console.text.splitlines())

    run(body, ConsoleOptions(operator="lee", language=language), size)


def test_stack_dumps_are_of_one_visit() -> None:
    async def body(console: Console) -> None:
        await console.press("7", "x")
        await console.until(lambda: "Thread 0x7f" in console.text)
        assert "x log" in console.text
        await console.press("l")
        await console.until(lambda: "sweep done" in console.text)
        await console.press("x", "1", "l")
        assert console.app.ui.log_kind == "log"
        await console.press("x", "escape", "colon")
        await console.until(lambda: console.app.focused is not None)
        await console.press(*"logs", "enter")
        await console.until(lambda: console.page is Page.LOGS)
        assert "x stack dumps" in console.text

    run(body)


def test_one_is_said_as_one_and_a_lease_that_has_ended_is_not_held() -> None:
    async def body(console: Console) -> None:
        view = view_at(4)
        ended = LeaseView(who="root (uid 0, pid 1)", reason="test", until_ns=view.as_of_ns - 1)
        gap = msgspec.structs.replace(
            view.events[-1],
            name="gap_grew",
            subject="swing-2-3622ab9f",
            text="paused gap of 497 symbols since 10:00:00 is minor",
        )
        gaps = msgspec.structs.replace(view.gaps, open=1)
        await console.play(4, leases=(ended,), gaps=gaps, events=(*view.events, gap))
        first = console.text.splitlines()[0]
        assert "RW held by" not in first
        assert "1 open gap " in first
        assert first.endswith("! 1 alert")
        assert "swing-2-3622" not in console.text
        assert any("swing-2 " in line and "paused gap of 497" in line for line in console.text.splitlines())
        held = msgspec.structs.replace(ended, until_ns=view.as_of_ns + 10**12)
        await console.play(4, leases=(held,))
        assert "RW held by root" in console.text.splitlines()[0]

    run(body)


@pytest.mark.parametrize(("language", "told"), [("en", "no tick slot since 10:2"), ("ko", "틱 슬롯 없음")])
def test_a_symbol_without_a_book_says_that_it_has_no_slot(language: str, told: str) -> None:
    async def body(console: Console) -> None:
        view = view_at(3)
        code = "100070"
        lost = msgspec.structs.replace(
            view.events[-2], name="slot_changed", text=f"slot 4: 0157Z0 (pin 0.00) takes the place of {code}: pinned"
        )
        await console.play(3, events=(*view.events, lost))
        console.app.ui = replace(console.app.ui, symbol=code).opened(Page.SYMBOL)
        console.app.draw()
        await console.until(lambda: console.app.frame.replies.symbol is not None)
        found = console.app.frame.replies.symbol
        assert found is not None
        plain = msgspec.structs.replace(found, flags=0, asks=None, bids=None)
        frame = console.app.frame
        frame = replace(frame, replies=replace(frame.replies, symbol=plain))
        assert told in text_of(draw_book_box(frame, 60, 12)[1])
        assert frame.view is not None
        never = replace(frame, view=msgspec.structs.replace(frame.view, events=()))
        assert frame.words("no tick slot") in text_of(draw_book_box(never, 60, 12)[1])
        streamed = replace(frame, replies=replace(frame.replies, symbol=msgspec.structs.replace(plain, flags=STREAMED)))
        assert frame.words("no book seen yet") in text_of(draw_book_box(streamed, 60, 12)[1])

    run(body, ConsoleOptions(operator="lee", language=language))
