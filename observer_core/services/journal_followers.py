"""Following every shard that has a journal: discovery, routing of live batches, catching up in turn, lag.

Separate from the follower of one shard, which knows no others.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from observer_core.bus.subscriber import LiveBatch
from observer_core.errors import JournalError
from observer_core.ids import ShardName
from observer_core.journal.reader import CHUNK_BYTES, JournalReader
from observer_core.services.follower import ShardFollower
from observer_core.sinks.port import NOTHING, Offset, StoredBatch

logger = logging.getLogger(__name__)


class Lag(NamedTuple):
    """What the journals hold and the sink does not, durably."""

    size_bytes: int
    oldest_ns: int | None
    """When the oldest of it was received; None = nothing is missing."""


NO_LAG = Lag(0, None)


class JournalFollowers:
    """All shards of one writer; used by one thread."""

    def __init__(self, journals: Path) -> None:
        self.errors_total = 0
        self._journals = journals
        self._followers: dict[ShardName, ShardFollower] = {}
        self._durable: dict[ShardName, Offset] = {}

    @property
    def behind(self) -> bool:
        """Return whether any journal may hold batches that were not handed out yet."""
        return any(follower.behind for follower in self._followers.values())

    @property
    def malformed_total(self) -> int:
        """Return how many batches this version could not read."""
        return sum(follower.counters.malformed_total for follower in self._followers.values())

    @property
    def missing_total(self) -> int:
        """Return how many records no segment holds."""
        return sum(follower.counters.missing_total for follower in self._followers.values())

    @property
    def durable(self) -> dict[ShardName, Offset]:
        """Return the offsets that the sink last confirmed."""
        return dict(self._durable)

    def rewind(self, durable: Mapping[ShardName, Offset]) -> None:
        """Hand out again everything after the sink's durable offsets; discovers new shards."""
        self._durable = dict(durable)
        for shard, follower in self._followers.items():
            follower.rewind(self._durable.get(shard, NOTHING))
        self.discover()

    def confirm(self, durable: Mapping[ShardName, Offset]) -> None:
        """Note what a commit made durable."""
        self._durable.update(durable)
        for shard, offset in durable.items():
            if shard in self._followers:
                self._followers[shard].confirm(offset)

    def offer(self, live: Sequence[LiveBatch]) -> list[StoredBatch]:
        """Return those live batches that are the next of their shards, in order."""
        accepted: list[StoredBatch] = []
        for shard, position, payload in live:
            follower = self._followers.get(shard)
            if follower is None:
                self.discover()
                continue
            try:
                stored = follower.offer(position, payload)
            except JournalError as error:
                self._set_aside(follower, error)
                continue
            if stored is not None:
                accepted.append(stored)
        return accepted

    def catch_up(self, limit_bytes: int = CHUNK_BYTES) -> list[StoredBatch]:
        """Return the next piece, about `limit_bytes`, of every journal that is behind."""
        batches: list[StoredBatch] = []
        for follower in self._followers.values():
            if follower.behind:
                try:
                    batches += follower.catch_up(limit_bytes)
                except JournalError as error:
                    self._set_aside(follower, error)
        return batches

    def look(self) -> None:
        """Compare every journal with what was handed out, and discover new ones; called some times a second."""
        self.discover()
        for follower in self._followers.values():
            try:
                follower.look()
            except JournalError as error:
                self._set_aside(follower, error)

    def recheck(self) -> None:
        """Read every journal to its end again, whatever the bus said; for the last turn before a stop."""
        self.discover()
        for follower in self._followers.values():
            follower.behind = True

    def discover(self) -> None:
        """Begin to follow the journals that have appeared."""
        try:
            found = sorted(entry.name for entry in self._journals.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return
        except OSError as error:
            self.errors_total += 1
            logger.warning("journals not listed", extra={"error": str(error)})
            return
        for name in found:
            shard = ShardName(name)
            if shard not in self._followers:
                follower = ShardFollower(shard, JournalReader(self._journals / name))
                follower.rewind(self._durable.get(shard, NOTHING))
                self._followers[shard] = follower

    def lag(self) -> Lag:
        """Return how much is not durable yet."""
        size_bytes = 0
        oldest: list[int] = []
        for follower in self._followers.values():
            try:
                pending_bytes = follower.lag_bytes()
                pending_ns = follower.oldest_pending_ns() if pending_bytes else None
            except JournalError as error:
                self._set_aside(follower, error)
                continue
            size_bytes += pending_bytes
            if pending_ns is not None:
                oldest.append(pending_ns)
        return Lag(size_bytes, min(oldest, default=None))

    def close(self) -> None:
        """Close every journal."""
        for follower in self._followers.values():
            follower.close()

    def _set_aside(self, follower: ShardFollower, error: JournalError) -> None:
        """Leave a journal that cannot be read now until the next look; the others go on."""
        follower.behind = False
        self.errors_total += 1
        logger.warning("journal not read", extra={"shard": follower.shard, "error": str(error)})
