"""What the journals of former lives say last of each symbol: where the proof of completeness goes on.

Separate from `recovery`, which every shard waits for: this is read in a thread after collection has begun again.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.ids import Epoch
from observer_core.journal.files import list_segments
from observer_core.journal.verify import read_batches
from observer_core.messages import Gap, GapReason, Trade

SEGMENTS_READ = 3
"""So many of the newest segments are read: more than ten minutes of a busy stream."""

TAIL_NS = 10 * NS_PER_S
"""A hole that is older was reported before the end of its life."""


class FormerLife(NamedTuple):
    """The end of what was journalled."""

    trades: dict[str, Trade]
    """The newest of each symbol."""
    tail: tuple[Trade, ...] = ()
    """Those of the last seconds, in the order of arrival: among them may be holes that nobody reported any more."""
    reported: tuple[Gap, ...] = ()
    """The proofs of missing trades that were written down."""


def last_trades(directory: Path, before_epoch: Epoch, symbols: Collection[str]) -> FormerLife:
    """Return how the former epochs ended for these symbols.

    Raises:
        JournalError: the directory cannot be listed or a segment cannot be read.
    """
    wanted = set(symbols)
    found: dict[str, Trade] = {}
    tail: list[Trade] = []
    reported: list[Gap] = []
    names = [name for name in list_segments(directory) if name.epoch < before_epoch]
    for name in reversed(names[-SEGMENTS_READ:]):
        newest: dict[str, Trade] = {}
        late: list[Trade] = []
        for batch in read_batches(directory, name):
            for record in batch.records:
                if isinstance(record, Gap) and record.reason in {GapReason.CONTINUITY, GapReason.OFF_BOOK}:
                    reported.append(record)
                if not isinstance(record, Trade) or record.symbol not in wanted:
                    continue
                late.append(record)
                before = newest.get(record.symbol)
                if before is None or _is_later(record, before):
                    newest[record.symbol] = record
            # Kept small while reading: only the end counts.
            if late and late[-1].received_ns - late[0].received_ns > 2 * TAIL_NS:
                late = _end_of(late)
        found = newest | found
        tail = late + tail
        if wanted <= found.keys():
            break
    return FormerLife(found, tuple(_end_of(tail)), tuple(reported))


def _end_of(trades: list[Trade]) -> list[Trade]:
    return [trade for trade in trades if trade.received_ns >= trades[-1].received_ns - TAIL_NS]


def _is_later(trade: Trade, other: Trade) -> bool:
    return (trade.source_time_ns, trade.cumulative_volume) >= (other.source_time_ns, other.cumulative_volume)
