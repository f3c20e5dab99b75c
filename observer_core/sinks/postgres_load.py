"""Ways of bringing records into the tables: COPY into the day's partition, or by way of a staging table.

The direct way is the fast one and fails as a whole on a row that is there already; the staged way passes over such
rows and serves replay, doubt and the search for a row that the server refuses. Both run inside the caller's
transaction. Separate from the sink, which owns the connection, the offsets and the decisions.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from observer_core.messages import Batch, Record
from observer_core.sinks.postgres_errors import Verdict, judge
from observer_core.sinks.postgres_partitions import ensure_partitions, partition_name
from observer_core.sinks.postgres_rows import (
    DAY_VALUE,
    LAYOUTS,
    OBSERVATION_MAKERS,
    POISON_ERRORS,
    POSTGRES_EPOCH_DAYS,
    SIDE_STATEMENTS,
    Row,
    RowMaker,
    day_index,
)
from observer_core.sinks.sql.statements import statement

STAGE = "observer_stage"
"""The staging table of `create_stage.sql` and `merge_stage.sql`: temporary, emptied by every commit."""

STORE_ERRORS: tuple[type[Exception], ...] = (psycopg.Error, *POISON_ERRORS)
"""What an attempt to store rows raises, from the driver or from the encoding of a value."""


class Slice(NamedTuple):
    """Records `start` to `stop`, exclusive, of a batch."""

    batch: Batch
    start: int
    stop: int


class Refused(NamedTuple):
    """A record that no table takes."""

    batch: Batch
    position: int
    code: str
    reason: str


class Load:
    """The rows of some slices, by destination."""

    def __init__(self) -> None:
        self.observations: dict[tuple[int, type[Record]], list[Row]] = {}
        """Rows by (days since 2000-01-01, kind of record)."""
        self.others: dict[type[Record], list[Row]] = {}
        self.refused: list[Refused] = []

    @property
    def days(self) -> set[int]:
        """Return the Korean days, counted from 1970-01-01, that need a partition."""
        return {day + POSTGRES_EPOCH_DAYS for day, _ in self.observations}

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self.observations.values())) + sum(map(len, self.others.values()))


def build_load(slices: Iterable[Slice]) -> Load:
    """Convert records to rows; those that cannot be converted end up in `refused`."""
    load = Load()
    for piece in slices:
        batch = piece.batch
        maker = RowMaker(batch)
        for position in range(piece.start, piece.stop):
            try:
                _add(load, maker, batch, position)
            except POISON_ERRORS as error:
                load.refused.append(Refused(batch, position, type(error).__name__, str(error)))
    return load


def _add(load: Load, maker: RowMaker, batch: Batch, position: int) -> None:
    record = batch.records[position]
    kind = type(record)
    make = OBSERVATION_MAKERS.get(kind)
    if make is None:
        load.others.setdefault(kind, []).append(maker.side_row(record, batch.first_seq + position))
        return
    row = make(maker, record, batch.first_seq + position)
    key = (row[DAY_VALUE], kind)
    rows = load.observations.get(key)
    if rows is None:
        # A partition is made for whatever day a row names, so a nonsense time must not name one.
        if abs(row[DAY_VALUE] + POSTGRES_EPOCH_DAYS - day_index(batch.received_ns)) > 1:
            raise ValueError("receive time is days away from the batch's own")
        rows = load.observations[key] = []
    rows.append(row)


def copy_load(connection: psycopg.Connection, load: Load) -> None:
    """Insert a load by COPY straight into the partitions; fails as a whole on any row that is there already."""
    with connection.cursor() as cursor:
        for (day, kind), rows in load.observations.items():
            _copy(cursor, partition_name(day + POSTGRES_EPOCH_DAYS), kind, rows)
        _insert_others(cursor, load)


def merge_load(connection: psycopg.Connection, load: Load) -> int:
    """Insert a load by way of the staging table and return how many rows were not there yet."""
    with connection.cursor() as cursor:
        inserted = _insert_others(cursor, load)
        if not load.observations:
            return inserted
        cursor.execute(statement("create_stage"))
        cursor.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(STAGE)))
        for (_, kind), rows in load.observations.items():
            _copy(cursor, STAGE, kind, rows)
        cursor.execute(statement("merge_stage"))
        return inserted + cursor.rowcount


def _copy(cursor: psycopg.Cursor, table: str, kind: type[Record], rows: list[Row]) -> None:
    layout = LAYOUTS[kind]
    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, layout.columns))
    )
    with cursor.copy(query) as copy:
        copy.set_types(layout.types)
        write_row = copy.write_row
        for row in rows:
            write_row(row)


def _insert_others(cursor: psycopg.Cursor, load: Load) -> int:
    inserted = 0
    for kind, rows in load.others.items():
        cursor.executemany(statement(SIDE_STATEMENTS[kind]), rows)
        inserted += cursor.rowcount
    return inserted


def verdict_of(error: Exception) -> Verdict:
    """Return what to do about an error of the driver or of the conversion."""
    if isinstance(error, psycopg.Error):
        # The driver refuses some values by itself, without a state: text with NUL, numbers out of range.
        if error.sqlstate is None and isinstance(error, psycopg.DataError):
            return Verdict.POISON
        return judge(error.sqlstate)
    return Verdict.POISON


class Merged(NamedTuple):
    """What a staged insertion did."""

    inserted: int
    existing: int
    refused: tuple[Refused, ...]


NOTHING_MERGED = Merged(0, 0, ())


def merge_carefully(connection: psycopg.Connection, slices: Sequence[Slice]) -> Merged:
    """Insert what is missing and find, by halving, the records that the server refuses.

    Must run inside a transaction; every attempt has a savepoint.

    Raises:
        psycopg.Error: of a kind that no row is to blame for.
    """
    load = build_load(slices)
    try:
        with connection.transaction():
            inserted = merge_load(connection, load)
    except STORE_ERRORS as error:
        if verdict_of(error) is not Verdict.POISON:
            raise
        return _halve(connection, slices, error)
    return Merged(inserted, load.rows - inserted, tuple(load.refused))


def _halve(connection: psycopg.Connection, slices: Sequence[Slice], error: Exception) -> Merged:
    first, second = halves(slices)
    if not second:
        batch, position, _ = first[0]
        code = (error.sqlstate if isinstance(error, psycopg.Error) else None) or type(error).__name__
        return Merged(0, 0, (Refused(batch, position, code, str(error)),))
    left = merge_carefully(connection, first)
    right = merge_carefully(connection, second)
    return Merged(left.inserted + right.inserted, left.existing + right.existing, left.refused + right.refused)


def halves(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Split slices in two of equal record count; the second is empty when there is only one record."""
    total = sum(piece.stop - piece.start for piece in slices)
    left_count = (total + 1) // 2
    first: list[Slice] = []
    second: list[Slice] = []
    for piece in slices:
        taken = min(left_count, piece.stop - piece.start)
        left_count -= taken
        if taken:
            first.append(piece._replace(stop=piece.start + taken))
        if piece.start + taken < piece.stop:
            second.append(piece._replace(start=piece.start + taken))
    return first, second


class ReplayInserter:
    """Brings batches in again, any number of times, with the same result; what is there already stays as it is."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._untouched = True

    def insert(self, batches: Iterable[Batch]) -> Merged:
        """Insert what is missing of these batches in one transaction and return the counts.

        Offsets are left alone: replay is not the live path. Refused records are returned, not stored.

        Raises:
            psycopg.Error: nothing of these batches was inserted.
        """
        slices = [Slice(batch, 0, len(batch.records)) for batch in batches]
        load = build_load(slices)
        ensure_partitions(self._connection, load.days)
        with self._connection.transaction():
            merged = (self._insert_directly(load) if self._untouched else None) or merge_carefully(
                self._connection, slices
            )
        self._untouched = not merged.existing
        return merged

    def _insert_directly(self, load: Load) -> Merged | None:
        """Insert by COPY, more than twice as fast, where the batches before met no row of theirs; None = it cannot."""
        # Gaps are upserts: only the staged way counts them as inserted or existing like everything else.
        if load.refused or load.others:
            return None
        try:
            with self._connection.transaction():
                copy_load(self._connection, load)
        except STORE_ERRORS as error:
            if verdict_of(error) not in {Verdict.DUPLICATE, Verdict.POISON}:
                raise
            return None
        return Merged(load.rows, 0, ())
