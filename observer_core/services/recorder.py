"""The one way of records out of a collecting process: journal first, then the very same bytes onto the bus."""

from collections.abc import Sequence

from observer_core.bus.publisher import BatchPublisher
from observer_core.clock import Clock, kst_day
from observer_core.ids import Seq, ShardName
from observer_core.journal.format import Position
from observer_core.journal.writer import JournalWriter
from observer_core.messages import Batch, Book, Quote, Record, Trade, encode


class Recorder:
    """Numbers, journals and publishes the records of one shard; its counters go into the shard's status."""

    def __init__(
        self, shard: ShardName, source: str, journal: JournalWriter, publisher: BatchPublisher | None, clock: Clock
    ) -> None:
        """Begin an epoch; without a publisher the writers find everything in the journal, a poll later."""
        self.epoch = journal.epoch
        self.next_seq = Seq(1)
        self.records_total = 0
        self.batches_total = 0
        self.last_record_ns: int | None = None
        """When the newest observation was received; what is written about missing ones does not count."""
        self._shard = shard
        self._source = source
        self._journal = journal
        self._publisher = publisher
        self.session_id = f"{kst_day(clock.now_ns())}-{shard}-{journal.epoch}"

    @property
    def journal_bytes_total(self) -> int:
        """Return the bytes journalled in this epoch."""
        return self._journal.bytes_total

    def append(self, records: Sequence[Record], received_ns: int) -> Position:
        """Record what one answer or one burst of frames held; when this returns, a killed process loses nothing.

        Raises:
            JournalError: nothing was recorded and no number was used; a later call may succeed.
        """
        if not records:
            return self._journal.position
        first_seq = self.next_seq
        payload = encode(
            Batch(
                shard=self._shard,
                epoch=self.epoch,
                first_seq=first_seq,
                received_ns=received_ns,
                source=self._source,
                session_id=self.session_id,
                records=tuple(records),
            )
        )
        position = self._journal.append(payload, first_seq, received_ns)
        count = len(records)
        self.next_seq = Seq(first_seq + count)
        self.records_total += count
        self.batches_total += 1
        if any(isinstance(record, Trade | Quote | Book) for record in records):
            self.last_record_ns = received_ns
        if self._publisher is not None:
            self._publisher.publish(position, payload)
        return position

    def sync(self) -> Position:
        """Make everything recorded durable; may run in another thread.

        Raises:
            JournalError: the disk refused.
        """
        return self._journal.sync()

    def close(self) -> None:
        """Make everything durable, then close the bus and the journal.

        Raises:
            JournalError: the last sync failed.
        """
        try:
            self._journal.close()
        finally:
            if self._publisher is not None:
                self._publisher.close()
