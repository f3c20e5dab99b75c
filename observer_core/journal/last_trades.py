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
from observer_core.messages import Batch, Gap, GapReason, Trade

SEGMENTS_READ = 3
"""So many of the newest segments with trades are read: more than ten minutes of a busy stream."""

TAIL_NS = 10 * NS_PER_S
"""A hole that is older was reported before the end of its life."""

LEAD_NS = 2 * NS_PER_S
"""A trade may be overtaken by so much: what lies before the tail's first trades cannot be judged by them alone."""


_PROOFS = frozenset({GapReason.CONTINUITY, GapReason.OFF_BOOK})


class FormerTail(NamedTuple):
    """The last seconds of what was journalled, in the order of arrival."""

    lead: tuple[Trade, ...] = ()
    """What came right before the tail."""
    trades: tuple[Trade, ...] = ()
    """Among them may be holes that nobody reported any more."""
    reported: tuple[Gap, ...] = ()
    """The proofs of missing trades that were written down meanwhile."""

    @property
    def from_ns(self) -> int:
        """Return when the first of it arrived."""
        return min((trade.received_ns for trade in (*self.lead, *self.trades)), default=0)

    def newest(self) -> dict[str, Trade]:
        """Return the newest trade of each symbol."""
        newest: dict[str, Trade] = {}
        _keep_newest(newest, (*self.lead, *self.trades))
        return newest

    def firsts(self) -> dict[str, Trade]:
        """Return the first trade of each symbol that was quiet in the lead: what it follows on lies further back."""
        led = {trade.symbol for trade in self.lead}
        firsts: dict[str, Trade] = {}
        for trade in self.trades:
            if trade.symbol not in led and _order(trade) <= _order(firsts.get(trade.symbol, trade)):
                firsts[trade.symbol] = trade
        return firsts


def former_tail(directory: Path, before_epoch: Epoch) -> FormerTail:
    """Return the last seconds before the end of the former epochs.

    Raises:
        JournalError: the directory cannot be listed.
    """
    found: list[tuple[int, Trade]] = []
    """Each with how long before the end of all of it, the pauses between two lives left out."""
    reported: list[Gap] = []
    life = _Life()
    for batch in batches_backwards(directory, before_epoch, segments=SEGMENTS_READ, kind=Trade):
        trades = [record for record in batch.records if isinstance(record, Trade)]
        if trades:
            age_ns = life.age_ns(batch)
            # Below zero the clock was set back: what is older has no place in its seconds.
            if not -TAIL_NS <= age_ns <= TAIL_NS + LEAD_NS:
                break
            found += [(age_ns, trade) for trade in reversed(trades)]
        reported += [gap for gap in batch.records if isinstance(gap, Gap) and gap.reason in _PROOFS]
    found.reverse()
    lead = tuple(trade for age_ns, trade in found if age_ns > TAIL_NS)
    return FormerTail(lead, tuple(trade for age_ns, trade in found if age_ns <= TAIL_NS), tuple(reported))


class _Life:
    """Measures back through lives: a short one could not report what the one before left."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._ended_ns = self._seen_ns = self._later_ns = 0

    def age_ns(self, batch: Batch) -> int:
        """Return how much was lived from a batch on; batches come the newest first."""
        if batch.epoch != self._epoch:
            self._later_ns += self._ended_ns - self._seen_ns
            self._epoch, self._ended_ns = batch.epoch, batch.received_ns
        self._seen_ns = batch.received_ns
        return self._later_ns + self._ended_ns - batch.received_ns


def last_trades(
    directory: Path, before_epoch: Epoch, symbols: Collection[str], *, before_ns: int | None = None
) -> dict[str, Trade]:
    """Return the newest trade of each of these symbols before an epoch, as far as the newest segments reach.

    Args:
        directory: the journal of one shard.
        before_epoch: the first that does not count.
        symbols: which.
        before_ns: only of what arrived before; None = all.

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
        if before_ns is not None and batch.received_ns >= before_ns:
            continue
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
