"""What a writer expects of a sink: durable offsets beside the data, idempotent writes, one commit.

Separate from the sinks so that the writer loop and every sink meet only here.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from observer_core.ids import Epoch, Seq, ShardName, SinkName
from observer_core.messages import Backfill, Batch, Book, Event, Gap, Overflow, Quote, Record, Rejection, Trade, Usage

TIME_OF: Mapping[type, Callable[[Record], int]] = {
    Trade: attrgetter("received_ns"),
    Quote: attrgetter("received_ns"),
    Book: attrgetter("received_ns"),
    Rejection: attrgetter("received_ns"),
    Gap: attrgetter("from_ns"),
    Event: attrgetter("at_ns"),
    Usage: attrgetter("minute_ns"),
    Overflow: attrgetter("at_ns"),
    Backfill: attrgetter("received_ns"),
}
"""The instant that decides a record's day, the same for every sink: when it was received, or when it happened."""


class Offset(NamedTuple):
    """The last record of a shard that a sink holds; ordered as the shard wrote them."""

    epoch: Epoch
    seq: Seq


NOTHING = Offset(Epoch(0), Seq(0))
"""The offset of a shard from which a sink holds nothing: epochs and sequence numbers begin at 1."""


class StoredBatch(NamedTuple):
    """A batch as it comes out of a journal or off the bus, and the size of its encoded form."""

    batch: Batch
    size_bytes: int


class Sink(Protocol):
    """A destination of every shard's records; used by one thread.

    Life: `open`, then any number of `write` and `commit`, then `close`. After a `TransientSinkError` of any method
    the writer pauses and calls `open` again, on the same object: whatever was written since the last successful
    `commit` does not count any more, and the batches after the returned offsets are written anew.
    A `FatalSinkError` ends the process.
    """

    @property
    def name(self) -> SinkName:
        """Return the name under which offsets, the lock and the endpoint are kept."""
        ...

    @property
    def rejected_total(self) -> int:
        """Return how many rows this sink refused and put aside since its process started."""
        ...

    @property
    def note(self) -> str:
        """Return one line about the sink's condition for the console; "" when there is nothing to say."""
        ...

    def open(self) -> Mapping[ShardName, Offset]:
        """Make ready for writing and return the durable offset of every shard that has one.

        Raises:
            TransientSinkError: not reachable now; try again after a pause.
            FatalSinkError: trying again cannot help.
        """
        ...

    def write(self, batches: Sequence[StoredBatch]) -> None:
        """Take batches, each shard's in its order; what the sink already holds durably is not doubled.

        Raises:
            TransientSinkError: nothing since the last commit counts; open again after a pause.
        """
        ...

    def commit(self) -> Mapping[ShardName, Offset]:
        """Make everything written durable and return the durable offsets of the shards that advanced.

        Raises:
            TransientSinkError: nothing since the last commit counts; open again after a pause.
        """
        ...

    def close(self) -> None:
        """Give back files and connections; what was not committed is abandoned. Never raises."""
        ...

    def current_files(self) -> tuple[str, ...]:
        """Return the files being written now, relative to the archive; empty for a sink without files."""
        ...
