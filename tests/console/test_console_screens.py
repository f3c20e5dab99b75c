"""Whole pages as text, compared with reviewed files in `screens/`. Write them anew with OBSERVER_UPDATE_SCREENS=1."""

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from observer_core.clock import NS_PER_S
from observer_core.messages import Event
from observer_core.tree_messages import TicketUpdate
from observer_core.view import LeaseView, OverflowRow, SlotRow, SlotView, SystemView
from observer_tui.feed import LinkFacts, LinkState, ReplayFacts
from observer_tui.glyphs import ASCII, BLOCKS
from observer_tui.inquiries import ASK_EVERY_NS, question_of
from observer_tui.lines import text_of
from observer_tui.pages import draw_page
from observer_tui.store import Store
from observer_tui.ui_state import Page, UiState
from tests.fixtures.console_details import ScriptedDetails, code_of
from tests.fixtures.console_feed import OPENING_NS, SetClock, shard, view_at
from tests.fixtures.console_upkeep import in_trouble, with_upkeep

pytestmark = pytest.mark.console

SCREENS = Path(__file__).parent / "screens"
SECONDS = 180
LIVE = LinkFacts(LinkState.LIVE, "", OPENING_NS, 0.2)
PLACE = ReplayFacts(
    at_ns=OPENING_NS + SECONDS * NS_PER_S,
    first_ns=OPENING_NS - 6_000 * NS_PER_S,
    last_ns=OPENING_NS + 18_000 * NS_PER_S,
    speed=4,
    playing=True,
    incidents_ns=(OPENING_NS - 4_000 * NS_PER_S, OPENING_NS + 9_000 * NS_PER_S),
)
REPLAY = LinkFacts(LinkState.LIVE, "", OPENING_NS, 0.0, PLACE)


def troubled(second: float) -> SystemView:
    """Return a moment in which much is wrong at once."""
    view = view_at(second)
    at_ns = view.as_of_ns
    rows = {row.name: row for row in view.processes}
    rows["swing-1"] = shard(1, second, lag=41.0, open_gaps=2, errors_total=int(second) // 20)
    rows["swing-2"] = shard(2, second, state="paused", note="paused by park")
    rows["swing-3"] = shard(
        3, second, state="backoff", pid=None, uptime_s=None, restarts=4, last_exit="killed by signal 9",
        next_start_ns=at_ns + 3 * NS_PER_S,
    )  # fmt: skip
    rows["hub"] = msgspec.structs.replace(rows["hub"], as_of_ns=at_ns - 12 * NS_PER_S)
    rows["postgres"] = msgspec.structs.replace(rows["postgres"], lag=95.0, note="waiting")
    late = msgspec.structs.replace(
        view.writers[1],
        state="waiting",
        note="connection refused",
        lag_s=95.0,
        lag_records=95_000,
        lag_bytes=39_000_000,
    )
    event = Event(
        at_ns=at_ns, name="exit", severity="error", subject="swing-3", text="swing-3 died: killed by signal 9"
    )
    ticket = TicketUpdate(
        ticket="t1", state="refused", text="started anew since", at_ns=at_ns, verb="restart", target="swing-1",
        who="lee", reason="late",
    )  # fmt: skip
    return msgspec.structs.replace(
        view,
        processes=tuple(rows.values()),
        writers=(view.writers[0], late),
        events=(*view.events, event),
        tickets=(ticket,),
        gaps=msgspec.structs.replace(view.gaps, open=2, today=4),
        leases=(LeaseView(who="park (uid 1001, pid 88)", reason="maintenance", until_ns=at_ns + 300 * NS_PER_S),),
    )


def upkept(second: float) -> SystemView:
    """Return a moment with what maintenance keeps."""
    return with_upkeep(view_at(second))


def neglected(second: float) -> SystemView:
    """Return a moment in which much is wrong, also with what maintenance keeps."""
    return in_trouble(troubled(second))


TRIGGERS = ("rank", "volume_surge", "trade_velocity", "price_spike")


def dying(second: float) -> SystemView:
    """Return a moment in which a shard has died twice."""
    view = view_at(second)
    deaths = (
        (OPENING_NS - 3_600 * NS_PER_S, "signal", "killed by signal 9"),
        (OPENING_NS - 60 * NS_PER_S, "hang", "no progress, killed (killed by signal 6)"),
    )
    rows = {row.name: row for row in view.processes}
    rows["swing-3"] = shard(3, second, restarts=2, deaths=deaths, deaths_by_cause={"signal": 1, "hang": 1})
    return msgspec.structs.replace(view, processes=tuple(rows.values()))


def slotted(second: float) -> SystemView:
    """Return a moment with tick slots and with candidates that got none."""
    view = view_at(second)
    at_ns = view.as_of_ns
    slots = tuple(
        SlotRow(
            appkey=0, slot=number, symbol=code_of(number), trigger="pin" if number == 1 else TRIGGERS[number % 4],
            score=90.0 - number, since_ns=at_ns - (30 + 7 * number) * NS_PER_S,
            dwell_until_ns=at_ns + (90 - 7 * number) * NS_PER_S, pinned=number == 1,
            last_record_ns=None if number == 9 else at_ns - number * 200_000_000,
        )
        for number in range(41)
    )  # fmt: skip
    lost = tuple(
        OverflowRow(symbol=code_of(100 + number), trigger=TRIGGERS[number % 4], score=40.0 - number,
                    reason="every slot is held by a higher score", at_ns=at_ns - number * 9 * NS_PER_S)
        for number in range(12)
    )  # fmt: skip
    view_of_slots = SlotView(
        slots=slots, capacity=41, candidates_total=1_234, overflow_total=87, newest_overflow=lost,
        mitigation_level=1, mitigation_reason="cpu above 90 % for 5 min", as_of_ns=at_ns,
    )  # fmt: skip
    return msgspec.structs.replace(view, slots=view_of_slots)


def answer_page(store: Store, ui: UiState, now_ns: int) -> None:
    """Give the page what it would ask the hub for."""
    details = ScriptedDetails(SetClock(now_ns))
    for page in (Page.SYMBOLS, ui.page):
        question = question_of(replace(ui, page=page), ui.selected or "swing-0", store.replies, "q")
        if question is not None and ui.page in ASK_EVERY_NS:
            store.take_answer(details.answer(question))


CASES = {
    "overview-160x48": ((160, 48), UiState(), view_at, LIVE, BLOCKS),
    "overview-80x24": ((80, 24), UiState(), view_at, LIVE, BLOCKS),
    "overview-60x15": ((60, 15), UiState(), view_at, LIVE, BLOCKS),
    "overview-40x8": ((40, 8), UiState(), view_at, LIVE, BLOCKS),
    "overview-ascii-160x48": ((160, 48), UiState(), view_at, LIVE, ASCII),
    "overview-ko-160x48": ((160, 48), UiState(language="ko"), view_at, LIVE, BLOCKS),
    "overview-ko-80x24": ((80, 24), UiState(language="ko"), view_at, LIVE, BLOCKS),
    "troubled-160x48": ((160, 48), UiState(selected="swing-1"), troubled, LIVE, BLOCKS),
    "troubled-80x24": ((80, 24), UiState(selected="swing-1"), troubled, LIVE, BLOCKS),
    "troubled-ko-80x24": ((80, 24), UiState(language="ko"), troubled, LIVE, BLOCKS),
    "down-160x48": (
        (160, 48), UiState(), view_at,
        LinkFacts(LinkState.DOWN, "nobody listens at /run/observer/ro.sock: the hub is down", OPENING_NS, 7.2), BLOCKS,
    ),
    "stale-80x24": (
        (80, 24), UiState(), view_at,
        LinkFacts(LinkState.STALE, "no word from the hub for 2 s", OPENING_NS, 2.4), BLOCKS,
    ),
    "skew-80x24": (
        (80, 24), UiState(), view_at,
        LinkFacts(LinkState.SKEW, "the hub speaks protocol 2, this program 1: install the same version", OPENING_NS, 9),
        BLOCKS,
    ),
    "process-160x48": ((160, 48), UiState(page=Page.PROCESS, selected="swing-1"), troubled, LIVE, BLOCKS),
    "process-80x24": ((80, 24), UiState(page=Page.PROCESS, selected="scalp-0"), view_at, LIVE, ASCII),
    "storage-160x48": ((160, 48), UiState(page=Page.STORAGE), upkept, LIVE, BLOCKS),
    "storage-80x24": ((80, 24), UiState(page=Page.STORAGE), upkept, LIVE, BLOCKS),
    "storage-days-80x24": ((80, 24), UiState(page=Page.STORAGE, storage_table="days"), upkept, LIVE, ASCII),
    "storage-troubled-160x48": ((160, 48), UiState(page=Page.STORAGE), neglected, LIVE, ASCII),
    "storage-ko-160x48": ((160, 48), UiState(page=Page.STORAGE, language="ko"), neglected, LIVE, BLOCKS),
    "storage-ko-80x24": ((80, 24), UiState(page=Page.STORAGE, language="ko"), upkept, LIVE, BLOCKS),
    "storage-unknown-80x24": ((80, 24), UiState(page=Page.STORAGE), view_at, LIVE, BLOCKS),
    "storage-60x15": ((60, 15), UiState(page=Page.STORAGE, storage_table="backups"), upkept, LIVE, BLOCKS),
    "events-80x24": ((80, 24), UiState(page=Page.EVENTS, severe_only=True), troubled, LIVE, BLOCKS),
    "process-log-160x48": ((160, 48), UiState(page=Page.PROCESS, selected="swing-3"), dying, LIVE, BLOCKS),
    "symbols-160x48": ((160, 48), UiState(page=Page.SYMBOLS, symbol="100400"), view_at, LIVE, BLOCKS),
    "symbols-80x24": ((80, 24), UiState(page=Page.SYMBOLS, symbol_filter="ㅎㅎ"), view_at, LIVE, BLOCKS),
    "symbols-map-80x24": ((80, 24), UiState(page=Page.SYMBOLS, symbol_map=True), view_at, LIVE, ASCII),
    "symbols-60x15": ((60, 15), UiState(page=Page.SYMBOLS), view_at, LIVE, BLOCKS),
    "symbol-ko-160x48": (
        (160, 48), UiState(page=Page.SYMBOL, symbol="100400", language="ko"), view_at, LIVE, BLOCKS,
    ),
    "symbol-80x24": ((80, 24), UiState(page=Page.SYMBOL, symbol="100070"), view_at, LIVE, BLOCKS),
    "slots-160x48": ((160, 48), UiState(page=Page.SLOTS, symbol="100030"), slotted, LIVE, BLOCKS),
    "slots-80x24": ((80, 24), UiState(page=Page.SLOTS), slotted, LIVE, BLOCKS),
    "gaps-160x48": ((160, 48), UiState(page=Page.GAPS), troubled, LIVE, BLOCKS),
    "gaps-120x40": ((120, 40), UiState(page=Page.GAPS), troubled, LIVE, BLOCKS),
    "gaps-symbols-80x24": ((80, 24), UiState(page=Page.GAPS, gap_table="symbols"), troubled, LIVE, ASCII),
    "gaps-days-60x15": ((60, 15), UiState(page=Page.GAPS, gap_table="days"), troubled, LIVE, BLOCKS),
    "gaps-ko-160x48": (
        (160, 48), UiState(page=Page.GAPS, language="ko", gap_table="symbols"), troubled, LIVE, BLOCKS,
    ),
    "gaps-ko-80x24": ((80, 24), UiState(page=Page.GAPS, language="ko"), troubled, LIVE, BLOCKS),
    "logs-80x24": ((80, 24), UiState(page=Page.LOGS, severe_only=True), view_at, LIVE, BLOCKS),
    "audit-160x48": ((160, 48), UiState(page=Page.AUDIT), view_at, LIVE, BLOCKS),
    "audit-80x24": ((80, 24), UiState(page=Page.AUDIT), view_at, LIVE, BLOCKS),
    "replay-160x48": ((160, 48), UiState(selected="swing-1"), troubled, REPLAY, BLOCKS),
    "replay-80x24": ((80, 24), UiState(), view_at, REPLAY, ASCII),
    "replay-60x15": ((60, 15), UiState(), view_at, replace(REPLAY, replay=replace(PLACE, playing=False)), BLOCKS),
    "replay-ko-80x24": ((80, 24), UiState(language="ko"), view_at, REPLAY, BLOCKS),
    "replay-help-160x48": ((160, 48), UiState(page=Page.HELP), view_at, REPLAY, BLOCKS),
    "not-recorded-80x24": (
        (80, 24), UiState(), view_at,
        replace(REPLAY, state=LinkState.STALE, reason="nothing was recorded then: the hub did not run"), BLOCKS,
    ),
    "help-160x48": ((160, 48), UiState(page=Page.HELP), view_at, LIVE, BLOCKS),
    "help-ko-80x24": ((80, 24), UiState(page=Page.HELP, language="ko"), view_at, LIVE, BLOCKS),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_page_looks_as_reviewed(case: str) -> None:
    (width, height), ui, recording, link, glyphs = CASES[case]
    store = Store(glyphs, "0.1.0")
    for second in range(SECONDS):
        view = recording(second)
        store.accept(view, LIVE, view.as_of_ns)
    now_ns = view_at(SECONDS - 1).as_of_ns + int((link.age_s or 0) * NS_PER_S)
    answer_page(store, ui, now_ns)
    store.accept(store.view, link, now_ns)
    lines = [""] * height
    for pane in sorted(draw_page(store.frame(replace(ui), now_ns), width, height), key=lambda pane: (pane.y, pane.x)):
        for place, line in enumerate(pane.lines):
            lines[pane.y + place] += text_of(line)
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    path = SCREENS / f"{case}.txt"
    if os.environ.get("OBSERVER_UPDATE_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
