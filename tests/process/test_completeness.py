"""Completeness on the whole system, judged by the exchange's own ledger: every missing trade is proved, none invented.

The exchange drops, doubles, reorders, repeats, cuts and silences; what it says that it sent and kept back is compared
with the gap records. Then ticks fall to 1/500, which must be an alarm while everything else looks healthy.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from observer_core.clock import NS_PER_S
from observer_core.messages import Event
from tests.chaos.system import ChaosSystem
from tests.completeness_day.account import lines_of

pytestmark = pytest.mark.process

SYMBOLS = 120
WINDOW_S = 2
ALARM_S = 120.0
Line = dict[str, Any]


class Trade(NamedTuple):
    symbol: str
    volume: int
    cumulative_volume: int


class Account(NamedTuple):
    """What the exchange says, and what was archived."""

    sent: list[Trade]
    withheld: list[tuple[Trade, int]]
    """Kept back by a fault, or sent into a connection that was cut, and when."""
    archived: list[tuple[Trade, tuple[str, ...]]]
    gaps: dict[str, Line]
    outages: list[tuple[int, int]]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[ChaosSystem]:
    with ChaosSystem(tmp_path / "system", symbols=SYMBOLS) as running:
        assert running._environment is not None
        running._environment["OBSERVER_RATE_WINDOW_S"] = str(WINDOW_S)
        running.start()
        running.wait_collecting()
        yield running


def _trade(line: Line) -> Trade:
    return Trade(line["symbol"], line["volume"], line["cumulative_volume"])


def _account(system: ChaosSystem) -> Account:
    sent, withheld, lost_in_transit, outages, ended_ns = [], [], [], [], 0
    for line in map(json.loads, (system.directory / "ledger.jsonl").read_text().splitlines()):
        if line["kind"] == "trade":
            sent.append(_trade(line))
            lost_in_transit.append((sent[-1], line["sent_ns"]))
        elif line["kind"] == "market" and line["of"] == "trade":
            withheld.append((_trade(line), line["withheld_ns"]))
        elif line["kind"] == "session_closed":
            ended_ns = line["sent_ns"]
        elif line["kind"] == "session_opened" and ended_ns:
            outages.append((ended_ns, line["sent_ns"] + 3 * NS_PER_S))
    data = system.paths.data
    archived = [
        (_trade(line), tuple(line.get("reasons", ()))) for line in lines_of(data / "scalp") if line["kind"] == "trade"
    ]
    arrived = {trade for trade, _ in archived}
    withheld += [(trade, at_ns) for trade, at_ns in lost_in_transit if trade not in arrived]
    gaps: dict[str, Line] = {}
    for line in lines_of(data / "system"):
        if line["kind"] == "gap" and (line["gap_id"] not in gaps or line["seq"] > gaps[line["gap_id"]]["seq"]):
            gaps[line["gap_id"]] = line
    return Account(sent, withheld, archived, gaps, outages)


def _volume_missing(account: Account) -> dict[str, int]:
    """Return by symbol what the exchange executed between its first and last archived trade beyond the archived ones.

    The exchange's own sums are taken, since it keeps no list of what it executed while nobody was registered.
    """
    missing = {}
    arrived = {trade for trade, _ in account.archived}
    by_symbol: dict[str, set[Trade]] = defaultdict(set)
    for trade in account.sent:
        # What was sent into a connection that was cut just then never arrived.
        if trade in arrived:
            by_symbol[trade.symbol].add(trade)
    for symbol, trades in by_symbol.items():
        first = min(trade.cumulative_volume - trade.volume for trade in trades)
        last = max(trade.cumulative_volume for trade in trades)
        missing[symbol] = last - first - sum(trade.volume for trade in trades)
    return {symbol: volume for symbol, volume in missing.items() if volume}


def _covers(gap: Line, at_ns: int) -> bool:
    return bool(gap["from_ns"] <= at_ns <= gap["until_ns"])


def _wait_event(system: ChaosSystem, name: str, since_ns: int, text: str = "") -> Event:
    found: list[Event] = []

    def seen() -> bool:
        view = system.view()
        found[:] = [e for e in view.events if e.name == name and e.at_ns >= since_ns and text in e.text] if view else []
        return bool(found)

    _until(system, seen, name)
    return found[0]


def _until(system: ChaosSystem, condition: Callable[[], bool], what: str) -> None:
    end_ns = system.now_ns() + int(ALARM_S * NS_PER_S)
    while not condition():
        assert system.now_ns() < end_ns, f"no {what} within {ALARM_S:.0f} s"
        system.sleep(0.2)


def _disturb(system: ChaosSystem) -> None:
    view = system.view()
    assert view is not None
    system.sleep(3)
    system.knobs(
        drop_record_rate=0.05,
        duplicate_rate=0.15,
        reorder_rate=0.15,
        disorder_s=0.0,
        replay_records=5,
        batch_wait_s=0.1,
    )
    system.sleep(5)
    system.knobs(drop_sessions="abort")
    system.sleep(4)
    busy = Counter(line["symbol"] for line in lines_of(system.paths.data / "scalp") if line["kind"] == "trade")
    system.knobs(silent_symbols=[symbol for symbol, _ in busy.most_common(3)])
    system.sleep(3)
    system.knobs(silent_symbols=[], vi=[busy.most_common(5)[4][0]], frame_width=48)
    system.knobs(drop_sessions="close")
    system.sleep(4)
    system.knobs(drop_record_rate=0.0, duplicate_rate=0.0, reorder_rate=0.0, replay_records=0)
    system.sleep(5)


def test_missing_trades_are_proved_and_a_collapse_is_an_alarm(
    system: ChaosSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    _disturb(system)
    _wait_event(system, "frame_width_changed", 0, "H0STCNT0 has 48 fields a record, not 47")

    collapsed_ns = system.now_ns()
    system.knobs(drop_record_rate=0.998)
    alarm = _wait_event(system, "rate_below_expectation", collapsed_ns)
    assert (alarm.severity, alarm.subject) == ("critical", "scalp-0")
    assert "records arrive far too slowly" in alarm.text
    system.knobs(drop_record_rate=0.0)
    _wait_event(system, "rate_as_expected", alarm.at_ns)
    system.sleep(2)
    assert system.stop() == 0
    books = system.balance()
    assert books.balanced, books.table()

    account = _account(system)
    proofs = [gap for gap in account.gaps.values() if gap["reason"] == "continuity" and gap["missed_volume"]]
    reported: dict[str, int] = defaultdict(int)
    for gap in proofs:
        (symbol,) = gap["symbols"]
        reported[symbol] += gap["missed_volume"]
    expected = _volume_missing(account)
    missing, proved = _recall(account, proofs)
    rightly = _precision(account, proofs)
    figures = (
        f"missing trades {missing:,}, in a gap of their symbol {proved:,}: recall {100 * proved / missing:.2f} %",
        f"gaps {len(proofs):,}, with a missing trade {rightly:,}: precision {100 * rightly / len(proofs):.2f} %",
        f"missed volume {sum(reported.values()):,} of {sum(expected.values()):,}",
        f"alarm after {(alarm.at_ns - collapsed_ns) / NS_PER_S:.1f} s",
    )
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(figures) + "\n")
    assert missing > 100
    assert dict(reported) == expected
    assert (proved, rightly) == (missing, len(proofs))
    # The control: without one of the records the same account must turn red.
    listed = max(proofs, key=lambda gap: sum(_covers(gap, at_ns) for _, at_ns in account.withheld))
    assert _recall(account, [gap for gap in proofs if gap["symbols"] != listed["symbols"]])[1] < missing
    assert not [gap for gap in account.gaps.values() if gap["reason"] == "off_book"]
    _check_duplicates(account)


def _recall(account: Account, proofs: list[Line]) -> tuple[int, int]:
    """Return how many trades never arrived between two that did, and how many of them lie in a gap."""
    arrived = {trade for trade, _ in account.archived}
    bounds: dict[str, list[int]] = defaultdict(list)
    for trade in arrived:
        bounds[trade.symbol].append(trade.cumulative_volume)
    by_symbol: dict[str, list[Line]] = defaultdict(list)
    for gap in proofs:
        by_symbol[gap["symbols"][0]].append(gap)
    missing = proved = 0
    seen: set[Trade] = set()
    for trade, at_ns in account.withheld:
        within = bounds[trade.symbol]
        if trade in arrived or trade in seen or not within or not min(within) < trade.cumulative_volume < max(within):
            continue
        seen.add(trade)
        missing += 1
        proved += any(_covers(gap, at_ns) for gap in by_symbol[trade.symbol])
    return missing, proved


def _precision(account: Account, proofs: list[Line]) -> int:
    """Return how many gaps hold a trade that never arrived, or touch a time without a session."""
    arrived = {trade for trade, _ in account.archived}
    by_symbol: dict[str, list[int]] = defaultdict(list)
    for trade, at_ns in account.withheld:
        if trade not in arrived:
            by_symbol[trade.symbol].append(at_ns)
    return sum(
        any(_covers(gap, at_ns) for at_ns in by_symbol[gap["symbols"][0]])
        or any(gap["from_ns"] <= until and since <= gap["until_ns"] for since, until in account.outages)
        for gap in proofs
    )


def _check_duplicates(account: Account) -> None:
    """What was sent twice is stored twice, and all but one of each are marked."""
    stored = Counter(trade for trade, _ in account.archived)
    cut = Counter(account.sent) - stored
    assert stored <= Counter(account.sent)
    assert sum(cut.values()) < len(account.sent) / 50
    marked = Counter(trade for trade, reasons in account.archived if "duplicate" in reasons)
    assert marked == Counter({trade: count - 1 for trade, count in stored.items() if count > 1})
    assert sum(marked.values()) > 20
