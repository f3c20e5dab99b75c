"""Building the bars of a day again, from journals, archive or rows, and bringing the table to the same.

Windows that are not over for good are left to the writer: it may hold records of them that are nowhere else yet.
"""

from typing import Final, TypeAlias

import msgspec
import psycopg

from observer_core.clock import NS_PER_S, Clock, kst_midnight_ns
from observer_core.errors import TransientSinkError
from observer_core.ids import DayNumber
from observer_core.market.bars import FRAMES, Bar, BarBook, Frame, is_storable
from observer_core.messages import Quote, Trade
from observer_core.settings import Secret
from observer_core.sinks.bar_rows import StoredQuote, StoredTrade, day_bars, day_records, write_bars
from observer_core.sinks.postgres_rows import day_date, day_index
from observer_core.sinks.postgres_session import connect
from observer_core.sinks.replay_sources import Source

APPLICATION_NAME: Final = "observer-bars"
OVER_LENGTHS: Final = 2
"""A window of which nothing was received for so many times its length is over for the writer, too."""
_PORTION: Final = 1_000
_AnyRecord: TypeAlias = Trade | Quote | StoredTrade | StoredQuote


class FrameFigures(msgspec.Struct, kw_only=True):
    """What a rebuild found of one kind of bars."""

    equal: int = 0
    changed: int = 0
    new: int = 0
    strange: int = 0
    """In the table, though no record gives them; left alone."""
    open: int = 0
    """Not over yet; left to the writer."""
    refused: int = 0
    """With figures that no column takes."""


class RebuildFigures(msgspec.Struct, kw_only=True):
    """What a rebuild did, or in a dry run would have done; `observerctl bars rebuild --json` prints it."""

    day: int
    dry_run: bool
    records: int = 0
    unreadable: int = 0
    duration_s: float = 0.0
    frames: dict[str, FrameFigures] = {}
    changes: list[str] = []
    """The first few bars that differ."""


CHANGES_KEPT: Final = 10


class _Day:
    """The bars of a day in the making, and which of them are still being added to."""

    def __init__(self, day: int, now_ns: int) -> None:
        self.records = 0
        self.recent: dict[str, set[tuple[str, int]]] = {frame.name: set() for frame in FRAMES.values()}
        self.books = {frame.name: BarBook(frame) for frame in FRAMES.values()}
        self._day = day
        self._recent_from_ns = {frame.kind: now_ns - OVER_LENGTHS * frame.length_ns for frame in FRAMES.values()}
        self._frames = {frame.kind: frame for frame in FRAMES.values()}

    def add(self, kind: str, record: _AnyRecord) -> None:
        if day_index(record.received_ns) != self._day:
            return
        self.records += 1
        frame = self._frames[kind]
        self.books[frame.name].add(record)
        if record.received_ns >= self._recent_from_ns[kind] and (at_ns := frame.at_ns(record)) is not None:
            self.recent[frame.name].add((record.symbol, frame.start_of(at_ns)))


def rebuild(dsn: Secret, day: DayNumber, clock: Clock, *, source: Source | None, dry_run: bool) -> RebuildFigures:
    """Bring the bars of a day to what the source says; return the counts.

    Args:
        dsn: the database.
        day: the Korean day of receipt.
        clock: for the duration, and for which windows are over.
        source: journals or archive; None = the rows of the database itself.
        dry_run: only compare.

    Raises:
        TransientSinkError: the database failed; run it again.
        FatalSinkError: the address cannot be parsed.
    """
    figures = RebuildFigures(day=day, dry_run=dry_run)
    begun_ns = clock.monotonic_ns()
    index = day_index(kst_midnight_ns(day))
    built = _Day(index, clock.now_ns())
    try:
        with connect(dsn, APPLICATION_NAME) as connection:
            if source is None:
                with connection.transaction():
                    for kind, record in day_records(connection, day_date(index)):
                        built.add(kind, record)
            else:
                # Outside of a transaction: reading files may take long.
                figures.unreadable = _read(source, built)
            figures.records = built.records
            for frame in FRAMES.values():
                _bring(connection, frame, index, built, figures)
    except psycopg.Error as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TransientSinkError(f"the database failed: {first_line}; run it again") from error
    figures.duration_s = (clock.monotonic_ns() - begun_ns) / NS_PER_S
    return figures


def _read(source: Source, built: _Day) -> int:
    """Take all trades and quotes of a source; return how much of it this version cannot read."""
    unreadable = 0
    for portion in source.portions():
        unreadable += portion.unreadable
        for batch in portion.batches:
            for record in batch.records:
                if isinstance(record, Trade):
                    built.add("trade", record)
                elif isinstance(record, Quote):
                    built.add("quote", record)
    return unreadable


def _bring(connection: psycopg.Connection, frame: Frame, index: int, built: _Day, figures: RebuildFigures) -> None:
    """Compare and write the bars of one kind."""
    figures.frames[frame.name] = counts = FrameFigures()
    stored = day_bars(connection, frame, day_date(index))
    wrong: list[tuple[int, Bar]] = []
    for bar in built.books[frame.name].bars():
        key = bar.symbol, bar.start_ns
        found = stored.pop(key, None)
        if key in built.recent[frame.name]:
            counts.open += 1
        elif not is_storable(bar):
            counts.refused += 1
        elif found is not None and found.final and found.bar == bar:
            counts.equal += 1
        else:
            wrong.append((index, bar))
            counts.new += found is None
            counts.changed += found is not None
            if found is not None and len(figures.changes) < CHANGES_KEPT:
                figures.changes.append(f"{frame.name}: {found} in the table, {bar} by the records")
    # Windows that opened while the records were read are the writer's.
    counts.open += sum(not entry.final for entry in stored.values())
    counts.strange = sum(entry.final for entry in stored.values())
    for at in range(0, 0 if figures.dry_run else len(wrong), _PORTION):
        with connection.transaction():
            write_bars(connection, frame, wrong[at : at + _PORTION])
