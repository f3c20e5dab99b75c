"""Setting a shard's journal in order after former lives: gap records for what is gone, then bad tails put aside.

Separate from the shard's life, which it never holds up. Nothing is cut, nor noted as examined, before its gap record is
written: a life that is killed in between leaves everything to the next one.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from observer_core.clock import Clock
from observer_core.errors import JournalError
from observer_core.ids import Epoch, ShardName
from observer_core.journal.holes import Hole, find_holes
from observer_core.journal.recovery import Buried, TailReport, examine_tails, find_buried
from observer_core.messages import Gap, GapReason, Track

logger = logging.getLogger(__name__)


class JournalRepair:
    """The repair of one shard's journal."""

    def __init__(self, shard: ShardName, track: Track, directory: Path, clock: Clock) -> None:
        self._shard = shard
        self._track = track
        self._directory = directory
        self._clock = clock

    async def run(self, own_epoch: Epoch, write: Callable[[Sequence[Gap]], bool]) -> None:
        """Cover and put aside what earlier epochs left; `write` returns whether the journal took the records."""
        directory = self._directory
        try:
            holes = await asyncio.to_thread(find_holes, directory, own_epoch)
            buried = await asyncio.to_thread(find_buried, directory, own_epoch)
            gaps = [*map(self._of_hole, holes), *map(self._of_buried, buried)]
            if gaps and not write(gaps):
                return
            reports = await asyncio.to_thread(examine_tails, directory, own_epoch)
        except JournalError as error:
            logger.warning("journal tails not examined", extra={"error": str(error)})
            return
        for report in reports:
            _log_tail(report)

    def _of_hole(self, hole: Hole) -> Gap:
        name = hole.before
        logger.error("journal segments are missing", extra={"before": name.file_name})
        detail = f"the segments before {name.file_name} are missing"
        return self._gap(f"{name.epoch}-before-{name.ordinal}", hole, detail)

    def _of_buried(self, buried: Buried) -> Gap:
        detail = f"batches behind the damage in {buried.segment.file_name} are put aside beside it"
        return self._gap(f"{buried.segment.epoch}-behind", buried, detail)

    def _gap(self, place: str, lost: Hole | Buried, detail: str) -> Gap:
        """Return the record of a part of the journal that is gone; every life that finds it gives it the same id."""
        return Gap(
            gap_id=f"{self._shard}-{place}",
            track=self._track,
            reason=GapReason.JOURNAL_FAULT,
            symbols=lost.symbols,
            from_ns=lost.from_ns,
            until_ns=lost.until_ns,
            opened_ns=self._clock.now_ns(),
            detail=detail,
        )


def _log_tail(report: TailReport) -> None:
    if not report.clean:
        logger.warning(
            "journal tail put aside",
            extra={
                "segment": report.segment,
                "torn_bytes": report.torn_bytes,
                "torn_file": report.torn_file,
                "problem": report.problem,
            },
        )
