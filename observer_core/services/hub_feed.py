"""What the hub picks out of the data stream of the shards: gap records, events, and how fresh each symbol is.

Separate from the writers, which must not lose anything: what is lost here is found a little later in the archive.
"""

import logging

from observer_core.bus.subscriber import BatchSubscriber
from observer_core.errors import MalformedMessage
from observer_core.messages import Event, Gap, decode_batch
from observer_core.services.hub_gaps import GapBook
from observer_core.services.hub_symbols import SymbolBook

logger = logging.getLogger(__name__)

_BATCHES_PER_TURN = 2_000


class Feed:
    """The gaps of the day, the events that shards record, and the newest reading of every symbol."""

    def __init__(self) -> None:
        self.gaps = GapBook()
        self.symbols = SymbolBook()
        self.malformed_total = 0

    def drain(self, subscriber: BatchSubscriber, now_ns: int) -> list[Event]:
        """Take what has arrived since the last turn; return the events in it."""
        events: list[Event] = []
        for live in subscriber.drain(_BATCHES_PER_TURN, 0):
            try:
                batch = decode_batch(live.payload)
            except MalformedMessage as error:
                self.malformed_total += 1
                logger.warning("malformed batch", extra={"shard": live.shard, "reason": error.reason})
                continue
            self.symbols.observe(batch.shard, batch.records)
            for record in batch.records:
                if isinstance(record, Gap):
                    self.gaps.add(record, now_ns)
                elif isinstance(record, Event):
                    events.append(record)
        return events
