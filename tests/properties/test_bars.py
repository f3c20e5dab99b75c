"""Bars do not depend on how their records arrive, never claim more than was seen, and on line is as built again."""
# ruff: noqa: F811 - a fixture is imported and then named by the parameters that ask for it

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.ids import DayNumber, ShardName
from observer_core.market.bars import ONE_MINUTE, TEN_MINUTES, Bar, BarBook, Frame
from observer_core.messages import Quote, Trade, decode_batch, encode
from observer_core.settings import Secret
from observer_core.sinks.bar_rebuild import FrameFigures, rebuild
from observer_core.sinks.postgres import PostgresSink
from observer_core.sinks.replay_sources import Portion, Source
from tests.fixtures.bar_records import Market, expected_price, markets, quotes_of, trades_of
from tests.fixtures.postgres import postgres_dsn, postgres_server, query  # noqa: F401 - fixtures
from tests.fixtures.postgres_records import DAY, SCALP, SWING, batch_of, stored
from tests.fixtures.postgres_sink import SettableClock, sink_for

Journal: TypeAlias = dict[ShardName, list[Trade] | list[Quote]]
HOUR_NS = 3_600 * NS_PER_S


def bars(frame: Frame, records: Iterable[Trade | Quote]) -> list[Bar]:
    book = BarBook(frame)
    for record in records:
        book.add(record)
    return list(book.bars())


@given(markets(), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(market: Market, random: Random) -> None:
    trades, quotes = trades_of(market.arrived), quotes_of(market.arrived)
    shuffled = [*trades, *trades[::3], *map(expected_price, trades[::2])]
    random.shuffle(shuffled)
    assert bars(ONE_MINUTE, shuffled) == bars(ONE_MINUTE, trades)
    random.shuffle(quotes)
    assert bars(TEN_MINUTES, quotes) == bars(TEN_MINUTES, quotes_of(market.arrived))


@given(markets())
def test_full_coverage_means_that_nothing_is_missing(market: Market) -> None:
    executed: Counter[tuple[str, int]] = Counter()
    for trade in market.executed:
        executed[trade.symbol, ONE_MINUTE.start_of(trade.source_time_ns)] += trade.volume
    arrived = bars(ONE_MINUTE, trades_of(market.arrived))
    newest = {bar.symbol: bar for bar in arrived}
    for bar in arrived:
        assert bar.volume <= executed[bar.symbol, bar.start_ns]
        if bar.coverage == 1.0 and bar is not newest[bar.symbol]:
            # Of the last bar the exchange has not yet said how the day went on.
            assert bar.volume == executed[bar.symbol, bar.start_ns]


@given(markets())
def test_without_a_loss_every_bar_but_the_first_is_complete(market: Market) -> None:
    by_symbol: dict[str, list[Bar]] = defaultdict(list)
    for bar in bars(ONE_MINUTE, market.executed):
        by_symbol[bar.symbol].append(bar)
    for line in by_symbol.values():
        assert line[0].coverage in ({1.0} if line[0].from_volume == 0 else {None})
        assert {bar.coverage for bar in line[1:]} <= {1.0}
        assert sum(bar.volume for bar in line) == line[-1].until_volume - line[0].from_volume


class Step(NamedTuple):
    """One turn of the writer: so many records of each shard; then the clock moves."""

    records: int
    seconds: int
    killed: bool
    """Before the commit; the next turn is another process."""


steps = st.lists(
    st.builds(Step, st.integers(0, 9), st.sampled_from((0, 1, 3, 70, 700)), st.sampled_from((False, False, True))),
    min_size=1,
    max_size=12,
)


@pytest.mark.integration
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(market=markets(), turns=steps)
def test_on_line_through_kills_is_as_built_again(
    postgres_dsn: Secret, tmp_path: Path, market: Market, turns: list[Step]
) -> None:
    query(postgres_dsn, "TRUNCATE pattern_records, bars_1m, bars_10m, observer_offset")
    clock = SettableClock()
    journal: Journal = {SCALP: trades_of(market.arrived), SWING: quotes_of(market.arrived)}
    with ExitStack() as life:
        sink = life.enter_context(sink_for(postgres_dsn, tmp_path, clock))
        done = begin(sink)
        for turn in [*turns, Step(1_000, 3, False), Step(0, 7_200, False), Step(0, 2, False)]:
            write(sink, journal, done, turn.records)
            if turn.killed:
                life.close()
                sink = life.enter_context(sink_for(postgres_dsn, tmp_path, clock))
                done = begin(sink)
            else:
                sink.commit()
            clock.at_ns += turn.seconds * NS_PER_S
    clock.at_ns += HOUR_NS
    expected = {
        frame.name: FrameFigures(equal=len(bars(frame, journal[shard])))
        for frame, shard in ((ONE_MINUTE, SCALP), (TEN_MINUTES, SWING))
    }
    for source in (source_of(journal), None):
        figures = rebuild(postgres_dsn, DayNumber(DAY), clock, source=source, dry_run=True)
        assert figures.frames == expected, figures.changes


def write(sink: PostgresSink, journal: Journal, done: dict[ShardName, int], count: int) -> None:
    """Bring the next records of each shard."""
    for shard, records in journal.items():
        first = done.get(shard, 0)
        if piece := records[first : first + count]:
            sink.write([stored(batch_of(piece, first + 1, shard=shard))])
            done[shard] = first + len(piece)


def begin(sink: PostgresSink) -> dict[ShardName, int]:
    """Return how much of each shard the database holds."""
    return {shard: offset.seq for shard, offset in sink.open().items()}


def source_of(journal: Journal) -> Source:
    """Return the records as a reader of journals gives them."""
    batches = [decode_batch(encode(batch_of(records, 1, shard=shard))) for shard, records in journal.items() if records]
    return Source(0, lambda: iter([Portion(batches, 0, 0)]))
