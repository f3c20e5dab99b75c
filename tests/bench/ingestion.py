"""Rows into Postgres: our COPY and replay, and beside them what is commonly done: executemany, one INSERT a row."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import psycopg
from psycopg import sql

from observer_core.clock import SystemClock
from observer_core.ids import Seq
from observer_core.messages import Batch, Trade
from observer_core.settings import Secret
from observer_core.sinks.postgres_load import Slice, build_load, copy_load
from observer_core.sinks.postgres_partitions import ensure_partitions, partition_name
from observer_core.sinks.postgres_rows import LAYOUTS, POSTGRES_EPOCH_DAYS, Row
from observer_core.sinks.replay import replay
from observer_core.sinks.replay_sources import Range, journal_source
from tests.bench.figures import Figure
from tests.bench.pipeline import durable_server
from tests.bench.processes import cpu_fine_s
from tests.bench.stages import batch_of_trades
from tests.fixtures.journals import start_recorder
from tests.fixtures.loopback_tree import moment
from tests.fixtures.postgres import EmbeddedServer

BATCH = 1_000
COPIED = 40_000
EXECUTED = 10_000
SINGLE = 2_000
REPLAYED = 300_000
ALL_TIME = Range(0, 1 << 62)

Insert = Callable[[psycopg.Connection, Batch], None]


class Cost(NamedTuple):
    """Of one run."""

    rows_per_s: float
    client_us: float
    server_us: float


def ingestion(directory: Path, runs: int) -> list[Figure]:
    """Measure our way in and the common ones, each batch one synced transaction."""
    del directory
    figures = []
    with durable_server() as server:
        for name, insert, rows, peer in (
            ("COPY binary into the partition, batch 1,000", _copy, COPIED, False),
            ("executemany, batch 1,000", _executemany, EXECUTED, True),
            ("INSERT row by row, batch 1,000", _row_by_row, SINGLE, True),
        ):
            costs = [_cost(server, insert, rows) for _ in range(runs + 1)][1:]
            rates = tuple(cost.rows_per_s for cost in costs)
            figures.append(Figure(name=name, unit="rows/s", values=rates, more_is_better=True, peer=peer))
            client = tuple(cost.client_us for cost in costs)
            figures.append(Figure(name=f"{name}: client", unit="µs/row", values=client, peer=peer))
            on_server = tuple(cost.server_us for cost in costs)
            figures.append(Figure(name=f"{name}: server", unit="µs/row", values=on_server, peer=peer))
    return figures


def replays(directory: Path, runs: int) -> list[Figure]:
    """Measure replay from the journals into an empty database."""
    _fill(directory / "journal")
    figures = []
    with durable_server() as server:
        rates = tuple(_replay_rate(server, directory / "journal") for _ in range(min(runs, 5)))
        name = f"replay from the journals, {REPLAYED:,} rows"
        figures.append(Figure(name=name, unit="rows/s", values=rates, target=75_000.0, more_is_better=True))
    return figures


def _replay_rate(server: EmbeddedServer, journals: Path) -> float:
    database = server.make_database()
    try:
        done = replay(server.dsn(database), journal_source(journals, ALL_TIME), SystemClock(), dry_run=False)
        assert done.inserted == REPLAYED, done
        return done.inserted / done.duration_s
    finally:
        server.drop_database(database)


def _fill(journals: Path) -> None:
    recorder = start_recorder(journals, "scalp-0")
    now_ns = SystemClock().now_ns()
    records = batch_of_trades(100, now_ns).records
    for _ in range(REPLAYED // len(records)):
        recorder.append(records, now_ns)
    recorder.close()


def _cost(server: EmbeddedServer, insert: Insert, rows: int) -> Cost:
    database = server.make_database()
    try:
        with _session(server.dsn(database)) as connection:
            now_ns = SystemClock().now_ns()
            template = batch_of_trades(BATCH, now_ns)
            ensure_partitions(connection, build_load([Slice(template, 0, BATCH)]).days)
            batches = [_numbered(template, number) for number in range(rows // BATCH)]
            own, backend = os.getpid(), connection.info.backend_pid
            client_s, server_s, begun_s = cpu_fine_s(own), cpu_fine_s(backend), moment()
            for batch in batches:
                insert(connection, batch)
            took_s = moment() - begun_s
            client_us = (cpu_fine_s(own) - client_s) * 1e6 / rows
            return Cost(rows / took_s, client_us, (cpu_fine_s(backend) - server_s) * 1e6 / rows)
    finally:
        server.drop_database(database)


def _numbered(template: Batch, number: int) -> Batch:
    return msgspec.structs.replace(template, first_seq=Seq(number * BATCH + 1))


@contextmanager
def _session(dsn: Secret) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn.reveal(), autocommit=True) as connection:
        yield connection


def _copy(connection: psycopg.Connection, batch: Batch) -> None:
    with connection.transaction():
        copy_load(connection, build_load([Slice(batch, 0, BATCH)]))


def _insertable(batch: Batch) -> tuple[sql.Composed, list[Row]]:
    """Return the statement and the rows that a program without COPY would send: the same columns, as text types."""
    load = build_load([Slice(batch, 0, BATCH)])
    ((day, kind), rows) = next(iter(load.observations.items()))
    columns = LAYOUTS[kind].columns
    casts = {"received_at": _TIME, "source_time": _TIME, "day": _DAY, "reasons": "'{}'::text[]", "payload_raw": _JSON}
    places = sql.SQL(", ").join(sql.SQL(casts.get(column, "%s")) for column in columns)
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(partition_name(day + POSTGRES_EPOCH_DAYS)),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        places,
    )
    reasons, raw = columns.index("reasons"), columns.index("payload_raw")
    texts = [record.raw for record in batch.records if isinstance(record, Trade)]
    plain = [
        tuple(text if at == raw else value for at, value in enumerate(row) if at != reasons)
        for row, text in zip(rows, texts, strict=True)
    ]
    return statement, plain


_TIME = "timestamptz '2000-01-01 00:00+00' + %s * interval '1 microsecond'"
_DAY = "date '2000-01-01' + %s::int"
_JSON = "to_jsonb(%s::text)"


def _executemany(connection: psycopg.Connection, batch: Batch) -> None:
    statement, rows = _insertable(batch)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def _row_by_row(connection: psycopg.Connection, batch: Batch) -> None:
    statement, rows = _insertable(batch)
    with connection.transaction(), connection.cursor() as cursor:
        for row in rows:
            cursor.execute(statement, row)
