"""Whole pages as text, compared with reviewed files in `screens/`. Write them anew with OBSERVER_UPDATE_SCREENS=1."""

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from observer_core.clock import NS_PER_S
from observer_core.messages import Event, TicketUpdate
from observer_core.view import LeaseView, SystemView
from observer_tui.feed import LinkFacts, LinkState
from observer_tui.glyphs import ASCII, BLOCKS
from observer_tui.lines import text_of
from observer_tui.pages import draw_page
from observer_tui.store import Store
from observer_tui.ui_state import Page, UiState
from tests.fixtures.console_feed import OPENING_NS, shard, view_at

pytestmark = pytest.mark.console

SCREENS = Path(__file__).parent / "screens"
SECONDS = 180
LIVE = LinkFacts(LinkState.LIVE, "", OPENING_NS, 0.2)


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
    "storage-160x48": ((160, 48), UiState(page=Page.STORAGE), troubled, LIVE, BLOCKS),
    "storage-80x24": ((80, 24), UiState(page=Page.STORAGE), view_at, LIVE, BLOCKS),
    "events-80x24": ((80, 24), UiState(page=Page.EVENTS, severe_only=True), troubled, LIVE, BLOCKS),
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
