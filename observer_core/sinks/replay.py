"""Replay: brings any range from the journals or the archive into Postgres, any number of times, with one result.

A dry run does everything and takes it back, so its counts are what a run would do. Live collection does not notice:
shards and the archive are not touched, and every transaction is short; where the live writer meets a row that the
replay was first to insert, it inserts what is missing and goes on.
"""

from collections.abc import Callable

import msgspec
import psycopg

from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import TransientSinkError
from observer_core.settings import Secret
from observer_core.sinks.postgres_load import Merged, Refused, ReplayInserter
from observer_core.sinks.postgres_session import connect
from observer_core.sinks.replay_sources import Source

APPLICATION_NAME = "observer-replay"
REASONS_KEPT = 10
PROGRESS_INTERVAL_NS = NS_PER_S


class ReplayFigures(msgspec.Struct, kw_only=True):
    """What a replay has done so far, or in a dry run would have done; `observerctl replay --json` prints it."""

    dry_run: bool
    total_bytes: int
    read_bytes: int = 0
    records: int = 0
    inserted: int = 0
    existing: int = 0
    rejected: int = 0
    unreadable: int = 0
    """Lines, batches or files that this version cannot read."""
    duration_s: float = 0.0
    reasons: list[str] = []
    """Why records were rejected, the first few."""

    @property
    def left_s(self) -> float | None:
        """Return the estimated seconds to the end; None while nothing has been read."""
        if not self.read_bytes:
            return None
        return self.duration_s * max(self.total_bytes - self.read_bytes, 0) / self.read_bytes


def replay(
    dsn: Secret,
    source: Source,
    clock: Clock,
    *,
    dry_run: bool,
    on_progress: Callable[[ReplayFigures], None] = lambda _figures: None,
) -> ReplayFigures:
    """Insert whatever of a source is missing; return the counts.

    Args:
        dsn: the database; its schema must be there.
        source: what to read.
        clock: for duration and progress.
        dry_run: take every insertion back.
        on_progress: called about once a second.

    Raises:
        TransientSinkError: the database failed; what was inserted before stays, run it again.
        FatalSinkError: the address cannot be parsed.
    """
    figures = ReplayFigures(dry_run=dry_run, total_bytes=source.total_bytes)
    begun_ns = clock.monotonic_ns()
    told_ns = begun_ns
    try:
        with connect(dsn, APPLICATION_NAME) as connection:
            inserter = ReplayInserter(connection)
            for portion in source.portions():
                with connection.transaction(force_rollback=dry_run):
                    merged = inserter.insert(portion.batches)
                figures.read_bytes = portion.read_bytes
                figures.unreadable += portion.unreadable
                _add(figures, merged)
                now_ns = clock.monotonic_ns()
                figures.duration_s = (now_ns - begun_ns) / NS_PER_S
                if now_ns - told_ns >= PROGRESS_INTERVAL_NS:
                    told_ns = now_ns
                    on_progress(figures)
    except psycopg.Error as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TransientSinkError(
            f"the database failed after {figures.inserted:,} records were inserted: {first_line}; run it again"
        ) from error
    return figures


def _add(figures: ReplayFigures, merged: Merged) -> None:
    figures.inserted += merged.inserted
    figures.existing += merged.existing
    figures.rejected += len(merged.refused)
    figures.records += merged.inserted + merged.existing + len(merged.refused)
    room = REASONS_KEPT - len(figures.reasons)
    figures.reasons += [_reason(refused) for refused in merged.refused[:room]]


def _reason(refused: Refused) -> str:
    batch, position, code, reason = refused
    return f"{batch.shard} epoch {batch.epoch} seq {batch.first_seq + position}: {code} {reason.splitlines()[0]}"
