"""Any loss, repetition and overtaking: the missed volume is exact, and there is no gap where nothing was lost."""

from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.ids import Epoch, ShardName
from observer_core.journal.last_trades import LEAD_NS, TAIL_NS, former_tail, last_trades
from observer_core.journal.writer import JournalWriter
from observer_core.messages import Gap, GapReason, Trade, encode
from observer_core.quality.continuity import LATE_NS, Arrival, Continuity
from tests.fixtures.journals import SteppingClock, batch
from tests.fixtures.quality_records import DAY_NS, NOON_NS, Tape

SHARED_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a file system, not a file
SYMBOLS = ("005930", "000660", "0126Z0")


@st.composite
def markets(draw: st.DrawFn) -> tuple[Tape, list[bool], list[bool], list[int]]:
    """Return executions, which are lost, which are sent twice, and how far each is pushed back in the order."""
    count = draw(st.integers(1, 60))
    tape = Tape(SYMBOLS)
    for _ in range(count):
        tape.execute(draw(st.sampled_from(SYMBOLS)), draw(st.integers(1, 500)), draw(st.integers(990, 1_010)))
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    late = st.lists(st.integers(0, 6), min_size=count, max_size=count)
    return tape, draw(flags), draw(flags), draw(late)


def newest(gaps: list[Gap]) -> dict[str, Gap]:
    return {gap.gap_id: gap for gap in gaps}


@given(markets())
def test_missed_volume_is_exact_and_nothing_else_is_a_gap(
    market: tuple[Tape, list[bool], list[bool], list[int]],
) -> None:
    tape, lost, twice, late = market
    arrivals = [
        (index + late[index] + copy / 2, trade)
        for index, trade in enumerate(tape.trades)
        if not lost[index]
        for copy in range(2 if twice[index] else 1)
    ]
    arrivals.sort(key=lambda arrival: arrival[0])
    continuity = Continuity("scalp-0", 1)
    now_ns = NOON_NS
    duplicates = 0
    gaps: list[Gap] = []
    for _, trade in arrivals:
        now_ns += LATE_NS // 50
        duplicates += continuity.take(trade, now_ns) is Arrival.AGAIN
        gaps += continuity.settle(now_ns)
    gaps += continuity.settle(now_ns + LATE_NS)

    received = {trade.cumulative_volume + hash(trade.symbol) for _, trade in arrivals}
    bounds: dict[str, list[int]] = defaultdict(list)
    for _, trade in arrivals:
        bounds[trade.symbol] += [trade.cumulative_volume - trade.volume, trade.cumulative_volume]
    missing: dict[str, int] = defaultdict(int)
    for trade in tape.trades:
        within = bounds[trade.symbol]
        provable = within and min(within) < trade.cumulative_volume <= max(within)
        if trade.cumulative_volume + hash(trade.symbol) not in received and provable:
            missing[trade.symbol] += trade.volume
    reported: dict[str, int] = defaultdict(int)
    for gap in newest(gaps).values():
        reported[gap.symbols[0]] += gap.missed_volume or 0
        assert gap.reason == GapReason.CONTINUITY
    assert {symbol: volume for symbol, volume in reported.items() if volume} == dict(missing)
    assert duplicates == len(arrivals) - len(received)
    tallies = continuity.tallies()
    assert {symbol: tally.missed for symbol, tally in tallies.items() if tally.missed} == dict(missing)
    assert sum(tally.observed for tally in tallies.values()) == sum(
        {trade.cumulative_volume + hash(trade.symbol): trade.volume for _, trade in arrivals}.values()
    )


@given(markets())
def test_every_lost_trade_lies_in_a_gap_of_its_symbol(market: tuple[Tape, list[bool], list[bool], list[int]]) -> None:
    tape, lost, _, _ = market
    continuity = Continuity("scalp-0", 1)
    for trade, gone in zip(tape.trades, lost, strict=True):
        if not gone:
            continuity.take(trade, trade.received_ns)
    gaps = continuity.settle(NOON_NS + DAY_NS)
    seen: dict[str, list[int]] = defaultdict(list)
    for trade, gone in zip(tape.trades, lost, strict=True):
        if not gone:
            seen[trade.symbol].append(trade.cumulative_volume)
    covered = 0
    for trade, gone in zip(tape.trades, lost, strict=True):
        within = seen[trade.symbol]
        if gone and within and min(within) < trade.cumulative_volume < max(within):
            assert any(
                gap.symbols == (trade.symbol,) and gap.from_ns <= trade.received_ns <= (gap.until_ns or 0)
                for gap in gaps
            )
            covered += 1
    assert bool(gaps) == bool(covered)


@given(markets(), st.integers(1, 59))
def test_a_restart_finds_the_exact_volume_of_its_outage(
    market: tuple[Tape, list[bool], list[bool], list[int]], cut: int
) -> None:
    tape, lost, _, _ = market
    before = [trade for trade in tape.trades[:cut] if trade.symbol == SYMBOLS[0]]
    gone = [trade for trade, is_lost in zip(tape.trades[cut:], lost[cut:], strict=True) if is_lost]
    after = [trade for trade in tape.trades[cut:] if trade.symbol == SYMBOLS[0] and trade not in gone]
    if not before or not after:
        return
    continuity = Continuity("scalp-0", 2)
    for trade in after[:1]:
        continuity.take(trade, trade.received_ns)
    continuity.recall(before[-1], after[0].received_ns)
    for trade in after[1:]:
        continuity.take(trade, trade.received_ns)
    gaps = newest(continuity.settle(NOON_NS + 3600 * NS_PER_S))
    whole = after[-1].cumulative_volume - before[-1].cumulative_volume
    assert sum(gap.missed_volume or 0 for gap in gaps.values()) == whole - sum(trade.volume for trade in after)


@given(markets(), st.integers(0, 60), st.integers(0, 60))
def test_a_kill_at_any_moment_costs_no_proof(
    market: tuple[Tape, list[bool], list[bool], list[int]], killed: int, back: int
) -> None:
    """What is missing is reported exactly once over both lives, also when the first could not report it any more."""
    tape, lost, twice, late = market
    order = sorted(
        (index + late[index] + copy / 2, index)
        for index in range(len(tape.trades))
        if not lost[index]
        for copy in range(2 if twice[index] else 1)
    )
    step_ns = LATE_NS // 4
    arrivals = [
        msgspec.structs.replace(tape.trades[index], received_ns=NOON_NS + place * step_ns)
        for place, (_, index) in enumerate(order)
    ]
    first, second = Continuity("scalp-0", 1), Continuity("scalp-0", 2)
    journalled, unread = arrivals[:killed], arrivals[killed + back :]
    reported: list[Gap] = []
    for trade in journalled:
        first.take(trade, trade.received_ns)
        reported += first.settle(trade.received_ns)
    gaps: list[Gap] = []
    for place, trade in enumerate(unread):
        second.take(trade, trade.received_ns)
        if place == 0:
            recall(second, journalled, reported, trade.received_ns)
        gaps += second.settle(trade.received_ns)
    if not unread or not journalled:
        return
    gaps += second.settle(NOON_NS + 3_600 * NS_PER_S)

    arrived = {(trade.symbol, trade.cumulative_volume) for trade in (*journalled, *unread)}
    again = {trade.symbol for trade in unread}
    bounds: dict[str, list[int]] = defaultdict(list)
    for trade in (*journalled, *unread):
        bounds[trade.symbol] += [trade.cumulative_volume - trade.volume, trade.cumulative_volume]
    missing: dict[str, int] = defaultdict(int)
    for trade in tape.trades:
        within = bounds[trade.symbol]
        if within and trade.symbol in again and min(within) < trade.cumulative_volume <= max(within):
            missing[trade.symbol] += trade.volume * ((trade.symbol, trade.cumulative_volume) not in arrived)
    told: dict[str, int] = defaultdict(int)
    for gap in newest([*reported, *gaps]).values():
        told[gap.symbols[0]] += gap.missed_volume or 0
    for symbol in again & {trade.symbol for trade in journalled}:
        assert told[symbol] == missing[symbol]


def recall(continuity: Continuity, journalled: list[Trade], reported: list[Gap], now_ns: int) -> None:
    """Give a new life what its predecessor journalled."""
    if not journalled:
        return
    from_ns = journalled[-1].received_ns - TAIL_NS
    lead = [trade for trade in journalled if from_ns - LEAD_NS <= trade.received_ns < from_ns]
    tail = [trade for trade in journalled if trade.received_ns >= from_ns]
    continuity.recall_holes(lead, tail, [gap for gap in reported if gap.opened_ns >= from_ns - LEAD_NS], now_ns)
    last: dict[str, Trade] = {}
    for trade in journalled:
        if trade.symbol not in last or trade.cumulative_volume >= last[trade.symbol].cumulative_volume:
            last[trade.symbol] = trade
    for trade in last.values():
        continuity.recall(trade, now_ns)


@given(markets())
def test_what_the_journal_refused_is_missing_with_its_exact_volume(
    market: tuple[Tape, list[bool], list[bool], list[int]],
) -> None:
    """Whatever is refused, sent again and refused again: a trade that was kept once is here, any other is missing."""
    tape, refused, twice, late = market
    order = sorted(
        (index + late[index] + copy / 2, index, copy)
        for index in range(len(tape.trades))
        for copy in range(2 if twice[index] else 1)
    )
    continuity = Continuity("scalp-0", 1)
    kept: set[tuple[str, int]] = set()
    for _, index, copy in order:
        trade = tape.trades[index]
        key = trade.symbol, trade.cumulative_volume
        again = continuity.take(trade, NOON_NS) is Arrival.AGAIN
        assert again == (key in kept)
        if refused[index] and (copy == 0 or late[index] % 2):
            if not again:
                continuity.take_back(trade, NOON_NS)
        else:
            kept.add(key)
    told: dict[str, int] = defaultdict(int)
    for gap in newest(continuity.settle(NOON_NS + 3_600 * NS_PER_S)).values():
        told[gap.symbols[0]] += gap.missed_volume or 0
    missing: dict[str, int] = defaultdict(int)
    for trade in tape.trades:
        missing[trade.symbol] += trade.volume * ((trade.symbol, trade.cumulative_volume) not in kept)
    assert {symbol: volume for symbol, volume in told.items() if volume} == {
        symbol: volume for symbol, volume in missing.items() if volume
    }
    for symbol, tally in continuity.tallies().items():
        assert (tally.missed, tally.observed) == (
            missing[symbol],
            sum(trade.volume for trade in tape.trades if trade.symbol == symbol) - missing[symbol],
        )


@settings(max_examples=60, deadline=None)
@given(
    markets(),
    st.lists(st.tuples(st.integers(1, 25), st.integers(0, 120)), min_size=1, max_size=3),
    st.integers(1, 40),
)
def test_no_number_of_kills_costs_a_proof(
    market: tuple[Tape, list[bool], list[bool], list[int]], lives: list[tuple[int, int]], step_quarters: int
) -> None:
    """Each life is killed after some trades and followed by an outage; the last one lives on. Nothing is read late."""
    tape, lost, _, _ = market
    step_ns = step_quarters * LATE_NS // 8
    journal: list[list[Trade]] = []
    reported: list[Gap] = []
    rest = [(place, trade) for place, trade in enumerate(tape.trades)]
    pause_ns = 0
    for number, (length, outage) in enumerate([*lives, (len(rest), 0)], start=1):
        continuity = Continuity("scalp-0", number)
        taken: list[Trade] = []
        if journal:
            begun = rest[0][0] if rest else len(tape.trades)
            bring_back(continuity, journal, reported, NOON_NS + begun * step_ns + pause_ns)
        for place, trade in rest[:length]:
            now_ns = NOON_NS + place * step_ns + pause_ns
            if not lost[place]:
                taken.append(msgspec.structs.replace(trade, received_ns=now_ns))
                continuity.take(taken[-1], now_ns)
            reported += continuity.settle(now_ns)
        journal.append(taken)
        rest = rest[length + outage % 7 :]
        pause_ns += outage * NS_PER_S
    reported += continuity.settle(NOON_NS + 24 * 3_600 * NS_PER_S)

    arrived = [trade for life in journal for trade in life]
    bounds: dict[str, list[int]] = defaultdict(list)
    for trade in arrived:
        bounds[trade.symbol] += [trade.cumulative_volume - trade.volume, trade.cumulative_volume]
    known = {(trade.symbol, trade.cumulative_volume) for trade in arrived}
    missing: dict[str, int] = defaultdict(int)
    for trade in tape.trades:
        within = bounds[trade.symbol]
        if within and min(within) < trade.cumulative_volume <= max(within):
            missing[trade.symbol] += trade.volume * ((trade.symbol, trade.cumulative_volume) not in known)
    told: dict[str, int] = defaultdict(int)
    for gap in newest(reported).values():
        told[gap.symbols[0]] += gap.missed_volume or 0
    assert {symbol: volume for symbol, volume in told.items() if volume} == {
        symbol: volume for symbol, volume in missing.items() if volume
    }


def bring_back(continuity: Continuity, journal: list[list[Trade]], reported: list[Gap], now_ns: int) -> None:
    """Give a new life what its predecessors journalled, as a restarted shard does."""
    with TemporaryDirectory(dir=SHARED_MEMORY) as name:
        directory = Path(name)
        for trades in journal:
            written = JournalWriter(directory, ShardName("scalp-0"), SteppingClock())
            for seq, trade in enumerate(trades, start=1):
                one = msgspec.structs.replace(batch(seq, [trade], epoch=written.epoch), received_ns=trade.received_ns)
                written.append(encode(one), seq, trade.received_ns)
            written.close()
        own = Epoch(1 << 30)
        former = former_tail(directory, own)._replace(reported=tuple(reported))
        continuity.recall_holes(former.lead, former.trades, former.reported, now_ns)
        for trade in former.newest().values():
            continuity.recall(trade, now_ns)
        firsts = former.firsts()
        quiet = {*SYMBOLS}.difference(former.newest()).union(firsts)
        for trade in last_trades(directory, own, quiet, before_ns=former.from_ns or None).values():
            if trade.symbol in firsts:
                continuity.recall_pause(trade, firsts[trade.symbol], former.reported, now_ns)
            else:
                continuity.recall(trade, now_ns)
