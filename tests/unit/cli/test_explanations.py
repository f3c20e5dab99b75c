"""Explanations: the state in words, the reason, and the next step last."""

import msgspec
import pytest

from observer_core.cli.explanations import explain_gap, explain_process, explain_symbol, newest_word
from observer_core.clock import kst_datetime
from observer_core.details import SymbolDetail, Why
from observer_core.http.symbols import LastValue, SymbolStatus
from observer_core.ids import DayNumber
from observer_core.market.listings import Listing
from observer_core.market.universe import Rules, build_universe
from observer_core.messages import Event, GapReason
from observer_core.services.hub_archive import BackfillLine, GapLine
from observer_core.view import MarketView
from tests.fixtures.views import NOW_NS, at, blank_view, row

LISTING = Listing(
    code="005930", isin="KR7005930003", name="Samsung", board="kospi", group="ST",
    previous_close=70_000, previous_volume=1, market_cap=1,
)  # fmt: skip
CHEAP = msgspec.structs.replace(LISTING, code="000001", name="Cheap", previous_close=900)
UNIVERSE = build_universe([LISTING, CHEAP], Rules(), DayNumber(20261121))
GAP = GapLine(
    kind="gap", gap_id="scalp-0-7-3", reason="stream_cut", symbols=("005930",), from_ns=NOW_NS, detail="code 1006"
)


def status(symbol: str, *shards: str, seen: bool = True) -> SymbolStatus:
    last = tuple(
        LastValue(
            shard=shard, kind="trade", price=70_000, cumulative_volume=1, received_ns=NOW_NS, age_s=2, quality="normal"
        )
        for shard in shards
        if seen
    )
    return SymbolStatus(symbol=symbol, shards=shards, age_s=2.0, last=last, timeframe="1m", bars=(), as_of_ns=NOW_NS)


@pytest.mark.parametrize(
    ("state", "words", "step"),
    [
        ("running", "swing-0 (swing) is running", "next: nothing to do"),
        ("paused", "an operator paused it", "next: observerctl resume swing-0"),
        ("quarantined", "left alone until the next session", "next: remove the cause (its log), then: observerctl rel"),
        ("backoff", "waits before it is started again", "next: read its last exit"),
    ],
)
def test_a_process_is_explained_by_its_state(state: str, words: str, step: str) -> None:
    found = row("swing-0", state=state, last_exit="code 1", deaths_by_cause={"crash": 3}, restarts=3)
    event = Event(NOW_NS, "process_ended", "error", "swing-0", "exit 1")
    lines = explain_process(blank_view(processes=(found,), events=(event,), supervisor_pid=1), found, at(1))
    assert words in lines[0]
    assert "restarted 3 times; deaths by cause: crash 3" in lines
    assert any("process_ended: exit 1" in line for line in lines)
    assert lines[-1].startswith(step)


def test_a_shard_that_collects_nothing_is_not_called_sound() -> None:
    market = MarketView(day=20261123, phase="continuous", until_ns=None, forced=False, as_of_ns=NOW_NS)
    found = row("swing-0", last_record_ns=at(-30))
    lines = explain_process(blank_view(processes=(found,), market=market, supervisor_pid=1), found, at(1))
    assert "expectation not met: swing-0: newest record is 31 s old, expected within 5 s" in lines
    assert "swing-0.jsonl" in lines[-1]


def test_a_collected_symbol_names_its_shards_and_its_age() -> None:
    lines = explain_symbol(UNIVERSE, status("005930", "scalp-0", "swing-1"), LISTING)
    assert lines[1] == "collected by scalp-0, swing-1"
    assert lines[2] == "scalp-0: trade at 70,000 KRW, 2.0 s ago, normal"
    assert lines[-1] == "next: nothing to do"


def test_a_silent_symbol_points_to_its_shard() -> None:
    assert explain_symbol(UNIVERSE, status("005930", "swing-1", seen=False), LISTING)[-1] == (
        "next: observerctl explain swing-1"
    )


def standing(why: Why, *open_gaps: str) -> SymbolDetail:
    """Return what a hub says of a symbol."""
    return SymbolDetail(
        code="005930", name="Samsung", board="kospi", shards=("scalp-0", "swing-1"), flags=0, why=why,
        reasons=(f"the reason of {why.name}", *(f"open gap: {gap}" for gap in open_gaps)), seen_ns=None, traded_ns=None,
        price=None, change_bp=None, cumulative_volume=None, missed_volume=0, asks=None, bids=None, book_ns=None,
        ticks=(), minutes=(), open_gaps=open_gaps, as_of_ns=NOW_NS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("why", "step"),
    [
        (Why.FRESH, "nothing to do"),
        (Why.SESSION, "nothing to do"),
        (Why.PAUSED, "observerctl resume swing-1 --reason …"),
        (Why.SHARD, "observerctl explain swing-1"),
        (Why.FEED, "observerctl logs swing-1"),
    ],
)
def test_a_symbol_stands_as_the_hub_says(why: Why, step: str) -> None:
    lines = explain_symbol(UNIVERSE, status("005930", "swing-1"), LISTING, standing(why))
    assert f"the reason of {why.name}" in lines
    assert lines[-1] == f"next: {step}"


def test_a_symbol_seen_a_moment_ago_under_an_open_gap_has_a_next_step() -> None:
    lines = explain_symbol(UNIVERSE, status("005930", "swing-1"), LISTING, standing(Why.FRESH, "paused since 04:36"))
    assert lines[-2:] == ["open gap: paused since 04:36", "next: observerctl explain swing-1"]


def test_without_a_hub_the_open_gap_of_the_files_is_named() -> None:
    *_, files, gap, step = explain_symbol(UNIVERSE, status("005930", "scalp-0"), LISTING, None, [GAP])
    assert files == "no hub answers: this is what the files say"
    assert gap == f"open gap: stream_cut since {kst_datetime(NOW_NS):%H:%M:%S}"
    assert step == "next: observerctl explain scalp-0-7-3"


@pytest.mark.parametrize(
    ("symbol", "listing", "words"),
    [("000001", CHEAP, "rule minimum_close dropped Cheap"), ("999999", None, "no listing file has it")],
)
def test_a_symbol_that_is_not_collected_names_the_rule(symbol: str, listing: Listing | None, words: str) -> None:
    assert words in explain_symbol(UNIVERSE, status(symbol), listing)[1]


def test_without_a_universe_maintenance_is_asked() -> None:
    assert explain_symbol(None, status("005930"), None)[-1] == "next: observerctl explain maintenance"


def test_a_gap_is_explained_by_its_reason_and_its_end() -> None:
    assert "still open" in explain_gap(GAP)[1]
    closed = msgspec.structs.replace(GAP, until_ns=at(12))
    for records in ([GAP, closed], [closed, GAP]):
        lines = explain_gap(newest_word(records))
        assert "the stream was disconnected" in lines[0]
        assert "still open" not in lines[1]
        assert "detail: code 1006" in lines


@pytest.mark.parametrize(
    ("until_ns", "step"),
    [(None, "next: observerctl resume swing-2 --reason …"), (at(12), "next: nothing to do")],
)
def test_a_pause_that_is_over_needs_no_resume(until_ns: int | None, step: str) -> None:
    gap = msgspec.structs.replace(GAP, gap_id="swing-2-362-1", reason="paused", until_ns=until_ns)
    assert explain_gap(gap)[-1] == step


def test_a_proved_gap_names_what_was_fetched_of_it_and_that_it_was_not_observed() -> None:
    proved = msgspec.structs.replace(GAP, reason="continuity", until_ns=at(12))
    assert explain_gap(proved)[-1] == "next: compare with the broker's minute bars"
    minute_ns = NOW_NS - NOW_NS % (60 * 10**9)
    bars = [
        BackfillLine(kind="backfill", symbol="005930", minute_ns=minute_ns + n * 60 * 10**9, volume=1_234)
        for n in range(9)
    ]
    *_, told, step = explain_gap(proved, bars)
    assert told.startswith(
        f"fetched afterwards, not observed: the broker's minute bars {kst_datetime(minute_ns):%H:%M}"
    )
    assert told.endswith("with 1,234 shares and 1 more")
    assert step == "next: nothing to do"


@pytest.mark.parametrize("reason", list(GapReason))
def test_every_reason_has_words_and_a_next_step(reason: GapReason) -> None:
    lines = explain_gap(msgspec.structs.replace(GAP, reason=reason.value))
    assert not lines[0].endswith(f"{reason.value}: {reason.value}")
    assert lines[-1].startswith("next: ")
    assert "scalp-0-7" not in lines[-1]
