"""The Postgres sink: rows and the offset that covers them, in one transaction.

Because the offset is written with the rows, a batch is either wholly there or will be offered again; when the outcome
of a COMMIT is not known, opening again reads the truth from the table. Knows the writer's loop only through
`sinks.port`; the ways into the tables are in `postgres_load`.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg

from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import TransientSinkError
from observer_core.ids import Epoch, Seq, ShardName, SinkName
from observer_core.messages import Batch
from observer_core.settings import Secret
from observer_core.sinks.dead_letters import DeadLetterFile, letter_for
from observer_core.sinks.port import NOTHING, Offset, StoredBatch
from observer_core.sinks.postgres_bars import PostgresBars
from observer_core.sinks.postgres_errors import Verdict
from observer_core.sinks.postgres_load import (
    NOTHING_MERGED,
    STORE_ERRORS,
    Load,
    Merged,
    Refused,
    Slice,
    build_load,
    copy_load,
    merge_carefully,
    verdict_of,
)
from observer_core.sinks.postgres_partitions import days_ahead, ensure_partitions
from observer_core.sinks.postgres_rows import day_index
from observer_core.sinks.postgres_session import open_writer_session
from observer_core.sinks.sql.statements import statement

POSTGRES = SinkName("postgres")
SCHEMA_REVISION = "0004"
"""The oldest schema this writer can fill; newer ones only add, so that the program can be rolled back alone."""
LOOK_AHEAD_INTERVAL_NS = 60 * NS_PER_S

logger = logging.getLogger(__name__)


class PostgresSink:
    """Writes batches into `pattern_records` and its companions, each record exactly once."""

    def __init__(
        self,
        dsn: Secret,
        dead_letters: DeadLetterFile,
        clock: Clock,
        name: SinkName = POSTGRES,
        make_schema: Callable[[], None] | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            dsn: the database.
            dead_letters: where refused rows go.
            clock: for partitions and look-ahead.
            name: under which offsets are kept.
            make_schema: called when the database is empty; a schema that is merely old is an operator's decision.
        """
        self._dsn = dsn
        self._make_schema = make_schema
        self._dead_letters = dead_letters
        self._clock = clock
        self._name = name
        self._connection: psycopg.Connection | None = None
        self._durable: dict[ShardName, Offset] = {}
        self._written: dict[ShardName, Offset] = {}
        self._slices: list[Slice] = []
        self._lettered: set[tuple[str, int, int]] = set()
        self._bars = PostgresBars()
        self._rejected_total = 0
        self._note = ""
        self._prepared_until = -1
        self._next_look_ahead_ns = 0

    @property
    def name(self) -> SinkName:
        """Return the name under which the offsets are kept."""
        return self._name

    @property
    def rejected_total(self) -> int:
        """Return how many rows were put aside as dead letters since this object was made."""
        return self._rejected_total

    @property
    def note(self) -> str:
        """Return why the store does not take rows; "" while it does."""
        return self._note

    def current_files(self) -> tuple[str, ...]:
        """Return nothing: this sink has no files."""
        return ()

    def open(self) -> Mapping[ShardName, Offset]:
        """Connect when needed, take the writer's lock, prepare partitions and read the durable offsets."""
        self._forget()
        self._bars.forget()
        with self._translated():
            if self._connection is None or self._connection.closed:
                self._connection = open_writer_session(self._dsn, self._name)
            self._check_schema(self._connection)
            self._prepare_days(self._connection)
            rows = self._connection.execute(statement("select_offsets"), (self._name,)).fetchall()
        self._durable = {ShardName(shard): Offset(Epoch(epoch), Seq(seq)) for shard, epoch, seq in rows}
        self._note = ""
        return dict(self._durable)

    def write(self, batches: Sequence[StoredBatch]) -> None:
        """Keep batches for the next commit, without what is durable or kept already."""
        for stored in batches:
            self._keep(stored.batch)

    def commit(self) -> Mapping[ShardName, Offset]:
        """Store what was written and the offsets in one transaction; return the offsets that advanced."""
        slices, offsets = self._slices, self._written
        if not offsets:
            self._settle_bars()
            return {}
        with self._translated():
            if self._connection is None:
                raise TransientSinkError("the connection was lost: open again")
            self._look_ahead(self._connection)
            refused = self._store(self._connection, slices, offsets)
        self._settle_bars()
        self._rejected_total += len(refused)
        self._durable.update(offsets)
        self._forget()
        self._lettered.clear()
        return offsets

    def close(self) -> None:
        """Give back the connection; what was not committed is abandoned."""
        self._forget()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except psycopg.Error as error:
                logger.warning("closing the connection failed", extra={"reason": str(error)})

    def _keep(self, batch: Batch) -> None:
        held = self._written.get(batch.shard) or self._durable.get(batch.shard, NOTHING)
        last = Offset(batch.epoch, batch.last_seq)
        if last <= held or not batch.records:
            return
        known = held.seq - batch.first_seq + 1 if held.epoch == batch.epoch else 0
        self._slices.append(Slice(batch, max(known, 0), len(batch.records)))
        self._written[batch.shard] = last

    def _forget(self) -> None:
        self._slices = []
        self._written = {}

    def _check_schema(self, connection: psycopg.Connection) -> None:
        found = _schema_revision(connection)
        if found is None and self._make_schema is not None:
            self._make_schema()
            found = _schema_revision(connection)
        if found is None or found < SCHEMA_REVISION:
            raise TransientSinkError(
                f"the database has schema {found or 'none'}, this writer needs {SCHEMA_REVISION}: "
                "run `observerctl db upgrade`"
            )

    def _prepare_days(self, connection: psycopg.Connection) -> None:
        days = days_ahead(day_index(self._clock.now_ns()))
        ensure_partitions(connection, days)
        self._prepared_until = days[-1]

    def _look_ahead(self, connection: psycopg.Connection) -> None:
        # A partition for next week is not worth today's rows: a failure here is tried again in a minute.
        now_ns = self._clock.now_ns()
        if days_ahead(day_index(now_ns))[-1] <= self._prepared_until or now_ns < self._next_look_ahead_ns:
            return
        self._next_look_ahead_ns = now_ns + LOOK_AHEAD_INTERVAL_NS
        try:
            self._prepare_days(connection)
        except psycopg.Error as error:
            if connection.closed:
                raise
            logger.exception("partitions could not be made ahead", extra={"sqlstate": error.sqlstate})

    def _store(
        self, connection: psycopg.Connection, slices: list[Slice], offsets: Mapping[ShardName, Offset]
    ) -> Sequence[Refused]:
        load = build_load(slices)
        if load.refused:
            return self._store_carefully(connection, slices, load, offsets)
        try:
            return self._store_directly(connection, slices, load, offsets)
        except STORE_ERRORS as error:
            verdict = verdict_of(error)
            if verdict not in {Verdict.POISON, Verdict.DUPLICATE, Verdict.NO_PARTITION}:
                raise
            logger.warning("copy refused, inserting with care", extra={"reason": str(error), "verdict": verdict.value})
        return self._store_carefully(connection, slices, load, offsets)

    def _store_directly(
        self, connection: psycopg.Connection, slices: Sequence[Slice], load: Load, offsets: Mapping[ShardName, Offset]
    ) -> Sequence[Refused]:
        with connection.transaction():
            copy_load(connection, load)
            self._keep_bars(connection, slices)
            self._advance(connection, offsets)
        return ()

    def _store_carefully(
        self,
        connection: psycopg.Connection,
        slices: Sequence[Slice],
        load: Load,
        offsets: Mapping[ShardName, Offset],
    ) -> Sequence[Refused]:
        ensure_partitions(connection, load.days)
        with connection.transaction():
            merged = merge_carefully(connection, slices)
            self._set_aside(merged.refused)
            self._keep_bars(connection, slices, merged)
            self._advance(connection, offsets)
        if merged.existing:
            logger.info("rows were there already", extra={"rows": merged.existing})
        return merged.refused

    def _keep_bars(
        self, connection: psycopg.Connection, slices: Sequence[Slice], merged: Merged = NOTHING_MERGED
    ) -> None:
        with self._bars_apart(connection):
            self._bars.take(
                connection,
                slices,
                self._clock.monotonic_ns(),
                refused=merged.refused,
                doubtful=merged.existing > 0,
            )

    def _settle_bars(self) -> None:
        if self._connection is None or not self._bars.is_due(self._clock.monotonic_ns()):
            return
        with self._translated(), self._bars_apart(self._connection):
            self._bars.settle(self._connection, self._clock.monotonic_ns())

    @contextmanager
    def _bars_apart(self, connection: psycopg.Connection) -> Iterator[None]:
        """Keep rows safe from a bar that the server refuses: bars can be built again, rows cannot."""
        try:
            with connection.transaction():
                yield
        except STORE_ERRORS as error:
            if verdict_of(error) is not Verdict.POISON:
                raise
            self._bars.forget()
            logger.exception("bars not kept: `observerctl bars rebuild` makes them")

    def _advance(self, connection: psycopg.Connection, offsets: Mapping[ShardName, Offset]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(
                statement("upsert_offset"),
                [(self._name, shard, offset.epoch, offset.seq) for shard, offset in offsets.items()],
            )
            if cursor.rowcount != len(offsets):
                raise TransientSinkError("another writer moved the offsets: open again")

    def _set_aside(self, refused: Sequence[Refused]) -> None:
        """Sync the letters before the commit; a transaction tried again in this process does not repeat them."""
        now_ns = self._clock.now_ns()
        letters = []
        for batch, position, code, reason in refused:
            if (batch.shard, batch.epoch, batch.first_seq + position) in self._lettered:
                continue
            single = _single(batch, position)
            letters.append(letter_for(single, sink=self._name, at_ns=now_ns, code=code, reason=reason))
        try:
            self._dead_letters.append(letters, now_ns)
        except OSError as error:
            raise TransientSinkError(f"dead letters cannot be written: {error}") from error
        for letter in letters:
            self._lettered.add((letter.shard, letter.epoch, letter.seq))
            logger.error(
                "row set aside",
                extra={"shard": letter.shard, "epoch": letter.epoch, "seq": letter.seq, "reason": letter.reason},
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the driver's errors into the port's, once; whatever fails, nothing since the last commit counts."""
        try:
            yield
        except psycopg.Error as error:
            verdict = verdict_of(error)
            if verdict is Verdict.RECONNECT or (self._connection is not None and self._connection.broken):
                self.close()
            self._forget()
            self._bars.forget()
            level = logging.WARNING if verdict in {Verdict.RETRY, Verdict.RECONNECT} else logging.ERROR
            self._note = f"{error.sqlstate or type(error).__name__}: {str(error).strip().splitlines()[0]}"
            logger.log(level, "the store did not take the batch", extra={"reason": self._note})
            raise TransientSinkError(self._note) from error
        except TransientSinkError as error:
            self._forget()
            self._bars.forget()
            self._note = str(error)
            raise


def _single(batch: Batch, position: int) -> Batch:
    return Batch(
        shard=batch.shard,
        epoch=batch.epoch,
        first_seq=Seq(batch.first_seq + position),
        received_ns=batch.received_ns,
        source=batch.source,
        session_id=batch.session_id,
        records=(batch.records[position],),
        schema_version=batch.schema_version,
    )


def _schema_revision(connection: psycopg.Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return row[0] if row else None
