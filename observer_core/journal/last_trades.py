"""The last trade of each symbol in the journals of former lives: where the proof of completeness goes on.

Separate from `recovery`, which every shard waits for: this is read in a thread after collection has begun again.
"""

from collections.abc import Collection
from pathlib import Path

from observer_core.ids import Epoch
from observer_core.journal.files import list_segments
from observer_core.journal.verify import read_batches
from observer_core.messages import Trade

SEGMENTS_READ = 3
"""So many of the newest segments are read: more than ten minutes of a busy stream."""


def last_trades(directory: Path, before_epoch: Epoch, symbols: Collection[str]) -> dict[str, Trade]:
    """Return the newest trade of each symbol that former epochs journalled.

    Raises:
        JournalError: the directory cannot be listed or a segment cannot be read.
    """
    wanted = set(symbols)
    found: dict[str, Trade] = {}
    names = [name for name in list_segments(directory) if name.epoch < before_epoch]
    for name in reversed(names[-SEGMENTS_READ:]):
        newest: dict[str, Trade] = {}
        for batch in read_batches(directory, name):
            for record in batch.records:
                if isinstance(record, Trade) and record.symbol in wanted:
                    before = newest.get(record.symbol)
                    if before is None or _is_later(record, before):
                        newest[record.symbol] = record
        found = newest | found
        if wanted <= found.keys():
            break
    return found


def _is_later(trade: Trade, other: Trade) -> bool:
    return (trade.source_time_ns, trade.cumulative_volume) >= (other.source_time_ns, other.cumulative_volume)
