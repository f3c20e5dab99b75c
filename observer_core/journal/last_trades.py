"""What the journals of former lives say last of each symbol: where the proof of completeness goes on.

The last seconds are read before anything is received, so that what is sent again is known as such; the rest, for
symbols that were quiet then, in a thread after collection has begun again.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.ids import Epoch
from observer_core.journal.recovery import batches_backwards
from observer_core.messages import Gap, GapReason, Trade

SEGMENTS_READ = 3
"""So many of the newest segments with trades are read: more than ten minutes of a busy stream."""

TAIL_NS = 10 * NS_PER_S
"""A hole that is older was reported before the end of its life."""

LEAD_NS = 2 * NS_PER_S
"""A trade may be overtaken by so much: what lies before the tail's first trades cannot be judged by them alone."""


class FormerTail(NamedTuple):
    """The last seconds of what was journalled, in the order of arrival."""

    lead: tuple[Trade, ...] = ()
    """What came right before the tail."""
    trades: tuple[Trade, ...] = ()
    """Among them may be holes that nobody reported any more."""
    reported: tuple[Gap, ...] = ()
    """The proofs of missing trades that were written down meanwhile."""

    def newest(self) -> dict[str, Trade]:
        """Return the newest trade of each symbol."""
        newest: dict[str, Trade] = {}
        _keep_newest(newest, (*self.lead, *self.trades))
        return newest


def former_tail(directory: Path, before_epoch: Epoch) -> FormerTail:
    """Return the last seconds before the end of the former epochs.

    Raises:
        JournalError: the directory cannot be listed.
    """
    trades: list[Trade] = []
    reported: list[Gap] = []
    for batch in batches_backwards(directory, before_epoch, segments=SEGMENTS_READ, kind=Trade):
        # Later ones before it: the clock was set back, and what is older has no place in its seconds.
        if trades and not -TAIL_NS <= trades[0].received_ns - batch.received_ns <= TAIL_NS + LEAD_NS:
            break
        for record in reversed(batch.records):
            if isinstance(record, Trade):
                trades.append(record)
            elif isinstance(record, Gap) and record.reason in {GapReason.CONTINUITY, GapReason.OFF_BOOK}:
                reported.append(record)
    if not trades:
        return FormerTail()
    from_ns = trades[0].received_ns - TAIL_NS
    trades.reverse()
    lead = tuple(trade for trade in trades if trade.received_ns < from_ns)
    return FormerTail(lead, tuple(trade for trade in trades if trade.received_ns >= from_ns), tuple(reported))


def last_trades(directory: Path, before_epoch: Epoch, symbols: Collection[str]) -> dict[str, Trade]:
    """Return the newest trade of each of these symbols before an epoch, as far as the newest segments reach.

    Raises:
        JournalError: the directory cannot be listed.
    """
    wanted = set(symbols)
    found: dict[str, Trade] = {}
    complete_ns: int | None = None
    """When the first trade arrived of the symbol that was found last."""
    for batch in batches_backwards(directory, before_epoch, segments=SEGMENTS_READ, kind=Trade):
        if complete_ns is not None and batch.received_ns < complete_ns - LEAD_NS:
            break
        trades = [record for record in batch.records if isinstance(record, Trade) and record.symbol in wanted]
        _keep_newest(found, trades)
        if complete_ns is None and len(found) == len(wanted):
            complete_ns = batch.received_ns
    return found


def _keep_newest(newest: dict[str, Trade], trades: Iterable[Trade]) -> None:
    """Enter trades that are later than the known ones of their symbols."""
    for trade in trades:
        before = newest.get(trade.symbol)
        if before is None or _order(trade) >= _order(before):
            newest[trade.symbol] = trade


def _order(trade: Trade) -> tuple[int, int]:
    return trade.source_time_ns, trade.cumulative_volume
