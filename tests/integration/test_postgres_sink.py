"""The Postgres sink against a real server in good weather: exactly once, days, companions, locks, plans."""
# ruff: noqa: F811 - a fixture is imported and then named by the parameters that ask for it

from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S, kst_midnight_ns
from observer_core.errors import FatalSinkError, TransientSinkError
from observer_core.messages import Backfill, Event, Overflow, Record, Rejection, Track, Usage
from observer_core.settings import Secret
from observer_core.sinks.postgres_load import ReplayInserter
from observer_core.sinks.postgres_session import connect
from tests.fixtures.postgres import (  # noqa: F401 - fixtures
    empty_postgres_dsn,
    eventually,
    postgres_dsn,
    postgres_server,
    query,
)
from tests.fixtures.postgres_records import (
    DAY,
    OPEN_NS,
    SCALP,
    SWING,
    batch_of,
    book,
    gap,
    quote,
    stored,
    trade,
    trades,
)
from tests.fixtures.postgres_sink import SettableClock, deliver, faults, letters_in, offset, sink_for

pytestmark = pytest.mark.integration


def test_rows_stay_single_however_often_batches_come_again(postgres_dsn: Secret, tmp_path: Path) -> None:
    batches = [
        trades(1, 50),
        trades(51, 50),
        trades(1, 30, epoch=2),
        trades(1, 20, shard=SWING),
        trades(31, 5, epoch=2),
    ]
    for upto in range(1, len(batches) + 1):
        with sink_for(postgres_dsn, tmp_path) as sink:
            sink.open()
            sink.write(batches[:upto])
            sink.write(batches[:upto])
            sink.commit()
            assert sink.commit() == {}
    assert faults(postgres_dsn, batches) == []
    with sink_for(postgres_dsn, tmp_path) as sink:
        assert sink.open() == {SCALP: offset(2, 35), SWING: offset(1, 20)}


def test_the_comparison_notices_a_lost_and_a_changed_row(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 10)])
    query(postgres_dsn, "DELETE FROM pattern_records WHERE seq = 5")
    query(postgres_dsn, "UPDATE pattern_records SET cumulative_volume = 1 WHERE seq = 7")
    assert len(faults(postgres_dsn, [trades(1, 10)])) == 3


def test_a_batch_that_straddles_the_offset_adds_only_its_new_part(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 10)])
        deliver(sink, [trades(6, 10)])
    assert faults(postgres_dsn, [trades(1, 15)]) == []


def test_what_was_not_committed_is_forgotten_by_opening_again(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        sink.open()
        sink.write([trades(1, 10)])
        assert sink.open() == {}
        assert sink.commit() == {}
        sink.write([trades(1, 10)])
        assert sink.commit() == {SCALP: offset(1, 10)}
    assert faults(postgres_dsn, [trades(1, 10)]) == []


def test_values_arrive_as_they_were(postgres_dsn: Secret, tmp_path: Path) -> None:
    first, second, third = trade(1, halted=True, reasons=("jump", "가격")), quote(2), book(3)
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [stored(batch_of([first, second, third]))])
    assert query(
        postgres_dsn,
        "SELECT kind, track, symbol, halted, reasons, payload_raw #>> '{}', jsonb_typeof(payload_raw), price, change,"
        " asks, bid_sizes FROM pattern_records ORDER BY seq",
    ) == [
        ("trade", "scalp", "000001", True, ["jump", "가격"], first.raw, "string", 71_500, -500, None, None),
        ("quote", "scalp", "000002", None, [], second.raw, "string", 4_500, 50, None, None),
        ("book", "scalp", "000003", None, [], None, None, None, None, list(third.asks), list(third.bid_sizes)),
    ]


def test_times_and_days_arrive_exactly(postgres_dsn: Secret, tmp_path: Path) -> None:
    first, second = trade(1), quote(2)
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [stored(batch_of([first, second]))])
    microseconds = "(extract(epoch FROM {}) * 1000000)::int8"
    columns = [microseconds.format(name) for name in ("received_at", "source_time", "requested_at")]
    assert query(
        postgres_dsn, f"SELECT received_ns, day::text, {', '.join(columns)} FROM pattern_records ORDER BY seq"
    ) == [
        (first.received_ns, "2026-07-16", first.received_ns // 1000, first.source_time_ns // 1000, None),
        (second.received_ns, "2026-07-16", second.received_ns // 1000, None, second.requested_ns // 1000),
    ]


def test_a_batch_over_midnight_is_split_by_day(postgres_dsn: Secret, tmp_path: Path) -> None:
    midnight = kst_midnight_ns(DAY + 1)
    records = [trade(number, received_ns=midnight + (number - 3) * NS_PER_S) for number in range(1, 6)]
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [stored(batch_of(records))])
    assert query(postgres_dsn, "SELECT seq FROM pattern_records_20260716 ORDER BY seq") == [(1,), (2,)]
    assert query(postgres_dsn, "SELECT seq FROM pattern_records_20260717 ORDER BY seq") == [(3,), (4,), (5,)]


def test_partitions_exist_a_week_ahead_and_follow_the_calendar(postgres_dsn: Secret, tmp_path: Path) -> None:
    clock = SettableClock()
    existing = "SELECT max(relname) FROM pg_class WHERE relname LIKE 'pattern_records_2%' AND relkind = 'r'"
    with sink_for(postgres_dsn, tmp_path, clock) as sink:
        deliver(sink, [trades(1, 1)])
        assert query(postgres_dsn, existing) == [("pattern_records_20260723",)]
        clock.at_ns += 86_400 * NS_PER_S
        sink.write([trades(2, 1)])
        sink.commit()
        assert query(postgres_dsn, existing) == [("pattern_records_20260724",)]


def test_a_missing_partition_is_made_on_the_way(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 10)])
        query(postgres_dsn, "DROP TABLE pattern_records_20260716")
        sink.write([trades(11, 10)])
        sink.commit()
        assert sink.rejected_total == 0
    assert faults(postgres_dsn, [trades(11, 10)]) == []


def test_gaps_close_once_and_know_their_severity(postgres_dsn: Secret, tmp_path: Path) -> None:
    opened = stored(batch_of([gap(name, None) for name in "abcd"], 1))
    closed = stored(batch_of([gap("a", 9.9), gap("b", 59), gap("c", 60), gap("d", 300)], 5))
    state = "SELECT gap_id, severity, missed_volume, seq, symbols FROM gaps ORDER BY gap_id"
    symbols = ["000001", "000002"]
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [opened])
        assert query(postgres_dsn, state) == [(name, None, None, seq, symbols) for seq, name in enumerate("abcd", 1)]
        deliver(sink, [closed])
    expected = [("a", "brief"), ("b", "minor"), ("c", "major"), ("d", "critical")]
    assert query(postgres_dsn, state) == [(*pair, 7, seq, symbols) for seq, pair in enumerate(expected, 5)]
    with connect(postgres_dsn) as connection:
        ReplayInserter(connection).insert([opened.batch])
    assert query(postgres_dsn, state) == [(*pair, 7, seq, symbols) for seq, pair in enumerate(expected, 5)]


def test_rejections_events_and_usage_go_with_the_rows(postgres_dsn: Secret, tmp_path: Path) -> None:
    records: list[Record] = [
        Rejection(symbol=None, received_ns=OPEN_NS, track=Track.SCALP, stage="frame", reasons=("width",), raw='0|"^'),
        Event(at_ns=OPEN_NS, name="clock_step", severity="warning", subject="scalp-0", text="+3 s"),
        Usage(
            process="scalp-0",
            minute_ns=OPEN_NS,
            records=5,
            errors=1,
            cpu_ms=10,
            memory_bytes=2**33,
            disk_written_bytes=4096,
            calls=3,
        ),
        trade(4),
    ]
    batch = stored(batch_of(records))
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [batch, batch])
    assert query(postgres_dsn, "SELECT stage, reasons, payload_raw #>> '{}', symbol FROM ingest_errors") == [
        ("frame", ["width"], '0|"^', None)
    ]
    assert query(postgres_dsn, "SELECT name, severity, subject, text, at_ns, day::text FROM events") == [
        ("clock_step", "warning", "scalp-0", "+3 s", OPEN_NS, "2026-07-16")
    ]
    assert query(postgres_dsn, "SELECT process, records, errors, memory_bytes, calls, seq FROM usage_metrics") == [
        ("scalp-0", 5, 1, 2**33, 3, 3)
    ]
    assert query(postgres_dsn, "SELECT seq FROM pattern_records") == [(4,)]


def test_overflows_carry_their_reason_and_the_systems_state(postgres_dsn: Secret, tmp_path: Path) -> None:
    loser = Overflow("005930", OPEN_NS, "volume_surge", 7.5, "lower_score", 1, 41, 41, 8.25, cpu_percent=12.5)
    batch = stored(batch_of([loser]))
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [batch, batch])
    told = "SELECT day::text, symbol, trigger, score, reason, appkey, at_ns, state FROM overflow_ledger"
    state = {
        "capacity": 41,
        "occupied": 41,
        "lowest_score": 8.25,
        "mitigation_level": 0,
        "cpu_percent": 12.5,
        "memory_percent": None,
        "disk_latency_ms": None,
        "queue_percent": None,
    }
    assert query(postgres_dsn, told) == [
        ("2026-07-16", "005930", "volume_surge", 7.5, "lower_score", 1, OPEN_NS, state)
    ]


def test_bars_fetched_afterwards_have_a_table_of_their_own(postgres_dsn: Secret, tmp_path: Path) -> None:
    minute_ns = OPEN_NS - 120 * 10**9
    raw = '{"stck_prpr": "11"}'
    bar = Backfill("005930", minute_ns, OPEN_NS - 1, OPEN_NS, 10, 12, 9, 11, 5, None, ("g-1", "g-2"), raw=raw)
    batch = stored(batch_of([bar]))
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [batch, batch])
    columns = "day::text, source, endpoint, symbol, open, high, low, close, volume, cumulative_value, gap_ids"
    told = f"SELECT {columns}, extract(epoch FROM start_at)::int8, payload_raw #>> '{{}}' FROM backfill_1m"
    assert query(postgres_dsn, told) == [
        (
            *("2026-07-16", "sim", "inquire-time-itemchartprice", "005930", 10, 12, 9, 11, 5, None, ["g-1", "g-2"]),
            *(minute_ns // 10**9, raw),
        )
    ]
    for table in ("pattern_records", "bars_1m", "gaps"):
        assert query(postgres_dsn, f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_second_writer_is_refused_while_the_first_lives(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as second:
        with sink_for(postgres_dsn, tmp_path) as first:
            first.open()
            for _ in range(2):
                with pytest.raises(TransientSinkError, match=r"another writer .* \(backend \d+\)"):
                    second.open()
            first.write([trades(1, 5)])
            first.commit()
        deliver(second, [trades(1, 10)])
    assert faults(postgres_dsn, [trades(1, 10)]) == []


def test_symbol_and_time_questions_use_the_index(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [stored(batch_of([quote(n) for n in range(s, s + 2000)], s)) for s in range(1, 8001, 2000)])
    query(postgres_dsn, "ANALYZE pattern_records")
    plan = query(
        postgres_dsn,
        "EXPLAIN SELECT received_at, price FROM pattern_records WHERE symbol = '000007'"
        " AND received_at BETWEEN '2026-07-16 09:00:00+09' AND '2026-07-16 09:00:05+09' AND day = '2026-07-16'",
    )
    text = "\n".join(str(line) for (line,) in plan)
    assert "pattern_records_20260716_symbol_received_at_idx" in text
    assert "Seq Scan" not in text
    assert "pattern_records_20260717" not in text


def test_replay_inserts_what_is_missing_and_only_once(postgres_dsn: Secret, tmp_path: Path) -> None:
    batches = [trades(1, 100), stored(batch_of([gap("a", 30), trade(102), book(103)], 101))]
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 40)])
    with connect(postgres_dsn) as connection:
        inserter = ReplayInserter(connection)
        first = inserter.insert([stored.batch for stored in batches])
        again = inserter.insert([stored.batch for stored in batches])
    assert (first.inserted, first.existing, first.refused) == (63, 40, ())
    assert (again.inserted, again.existing) == (0, 103)
    assert query(postgres_dsn, "SELECT count(*), count(DISTINCT seq) FROM pattern_records") == [(102, 102)]


def test_rows_that_a_replay_brought_first_are_no_fault(postgres_dsn: Secret, tmp_path: Path) -> None:
    with connect(postgres_dsn) as connection:
        ReplayInserter(connection).insert([trades(20, 10).batch])
    with sink_for(postgres_dsn, tmp_path / "letters") as sink:
        assert deliver(sink, [trades(1, 50)]) == 0
        assert sink.open() == {SCALP: offset(1, 50)}
        assert sink.rejected_total == 0
    assert letters_in(tmp_path / "letters") == []
    assert faults(postgres_dsn, [trades(1, 50)]) == []


def test_a_database_without_schema_is_waited_for(empty_postgres_dsn: Secret, tmp_path: Path) -> None:
    with (
        sink_for(empty_postgres_dsn, tmp_path) as sink,
        pytest.raises(TransientSinkError, match="observerctl db upgrade"),
    ):
        sink.open()


def test_an_address_that_is_none_is_refused_without_quoting_it(tmp_path: Path) -> None:
    with (
        sink_for(Secret("postgresql:/user:pa55word"), tmp_path) as sink,
        pytest.raises(FatalSinkError) as caught,
    ):
        sink.open()
    assert "pa55word" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_session_waits_neither_for_ever_nor_acknowledges_early(postgres_dsn: Secret) -> None:
    relaxed = Secret(postgres_dsn.reveal() + " options='-c synchronous_commit=off'")
    with connect(relaxed) as connection:
        names = ("statement_timeout", "lock_timeout", "synchronous_commit", "application_name")
        found = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in names]
    assert found == [("30s",), ("5s",), ("on",), ("observer-postgres-writer",)]
    eventually(
        lambda: (
            query(postgres_dsn, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'observer-p%%'")
            == [(0,)]
        )
    )
