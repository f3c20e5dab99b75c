"""A follower hands out every record once and in order, whatever the bus and the shard do meanwhile."""

import tempfile
from collections import deque
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from observer_core.ids import ShardName
from observer_core.journal.format import Position
from observer_core.journal.reader import JournalReader
from observer_core.journal.recovery import examine_tails
from observer_core.journal.writer import JournalWriter, SegmentLimits
from observer_core.messages import encode
from observer_core.services.follower import ShardFollower
from observer_core.sinks.port import NOTHING, Offset, StoredBatch
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, trade

SHARD = ShardName("scalp-0")


class Interleavings(RuleBasedStateMachine):
    """A shard, a bus that loses and repeats, and a writer that stops, commits and starts anew."""

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self.directory = Path(self._temporary.name)
        self.clock = SteppingClock()
        self.recorded: list[tuple[int, int]] = []
        self.in_flight: deque[tuple[Position, bytes]] = deque()
        self.delivered: list[tuple[int, int]] = []
        self.commits = [0]
        """How many of `delivered` the sink held after each commit."""

    @initialize(segment_bytes=st.sampled_from([1, 900, 100_000]))
    def begin(self, segment_bytes: int) -> None:
        self.limits = SegmentLimits(size_bytes=segment_bytes)
        self.start_shard()
        self.follower = ShardFollower(SHARD, JournalReader(self.directory))
        self.follower.rewind(NOTHING)

    def start_shard(self) -> None:
        self.journal = JournalWriter(self.directory, SHARD, self.clock, limits=self.limits)
        self.next_seq = 1

    @rule(records=st.integers(1, 4))
    def append(self, records: int) -> None:
        epoch = self.journal.epoch
        payload = encode(batch(self.next_seq, [trade(n) for n in range(records)], epoch=epoch))
        position = self.journal.append(payload, self.next_seq, NINE_OCLOCK_NS)
        self.recorded += [(epoch, self.next_seq + n) for n in range(records)]
        self.next_seq += records
        self.in_flight.append((position, payload))

    @rule(torn=st.binary(max_size=40), examine=st.booleans())
    def restart_shard(self, torn: bytes, examine: bool) -> None:
        segments = self.follower.reader.segments()
        self.journal.close()
        if segments and segments[-1].epoch == self.journal.epoch:
            with (self.directory / segments[-1].file_name).open("ab") as segment:
                segment.write(torn)
        self.start_shard()
        if examine:
            examine_tails(self.directory, self.journal.epoch)

    @rule()
    def rotate(self) -> None:
        self.journal.rotate()

    @precondition(lambda self: self.in_flight)
    @rule()
    def message_is_lost(self) -> None:
        self.in_flight.popleft()

    @precondition(lambda self: self.in_flight)
    @rule(keep=st.booleans())
    def message_arrives(self, keep: bool) -> None:
        position, payload = self.in_flight[0] if keep else self.in_flight.popleft()
        stored = self.follower.offer(position, payload)
        if stored is not None:
            self.take([stored])

    @rule(fates=st.lists(st.sampled_from(["arrives", "is lost", "arrives twice", "after the next"]), max_size=6))
    def live_burst(self, fates: list[str]) -> None:
        """Let the follower be live first: this is where it has to tell the next batch from any other."""
        self.in_flight.clear()
        while self.follower.behind:
            self.take(self.follower.catch_up(100_000))
        late: list[tuple[Position, bytes]] = []
        for fate in fates:
            self.append(1)
            message = self.in_flight.pop()
            arriving = {"arrives": [message], "arrives twice": [message, message]}.get(fate, [])
            for position, payload in [*arriving, *late]:
                stored = self.follower.offer(position, payload)
                self.take([] if stored is None else [stored])
            late = [message] if fate == "after the next" else []

    @rule()
    def look(self) -> None:
        self.follower.look()

    @rule(limit_bytes=st.sampled_from([1, 1000, 100_000]))
    def catch_up(self, limit_bytes: int) -> None:
        if self.follower.behind:
            self.take(self.follower.catch_up(limit_bytes))

    @rule()
    def commit(self) -> None:
        self.commits.append(len(self.delivered))
        self.follower.confirm(self.follower.delivered)

    @rule(new_process=st.booleans(), earlier=st.integers(0, 3))
    def sink_fails(self, new_process: bool, earlier: int) -> None:
        """Go back to what the sink knows of; its checkpoint may be some commits old."""
        del self.commits[max(len(self.commits) - earlier, 1) :]
        del self.delivered[self.commits[-1] :]
        if new_process:
            self.follower.close()
            self.follower = ShardFollower(SHARD, JournalReader(self.directory))
        last = self.delivered[-1] if self.delivered else None
        self.follower.rewind(NOTHING if last is None else Offset(*last))  # type: ignore[arg-type]

    @invariant()
    def every_record_once_and_in_order(self) -> None:
        assert self.delivered == self.recorded[: len(self.delivered)]

    def take(self, stored: list[StoredBatch]) -> None:
        for one in stored:
            self.delivered += [(one.batch.epoch, one.batch.first_seq + n) for n in range(len(one.batch.records))]

    def teardown(self) -> None:
        """In the end everything is handed out, and the lag says so."""
        if hasattr(self, "follower"):
            # A few looks must be enough, whatever the bus did: its last message may be the one that was lost.
            for _ in range(6):
                self.follower.look()
                while self.follower.behind:
                    self.take(self.follower.catch_up(1000))
            assert self.delivered == self.recorded
            assert self.follower.counters.missing_total == 0
            self.follower.confirm(self.follower.delivered)
            assert self.follower.oldest_pending_ns() is None
            self.journal.close()
            self.follower.close()
        self._temporary.cleanup()


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_removed_record_would_be_noticed(tmp_path: Path) -> None:
    """The control: with one record out of the journal the comparison fails and the follower counts it."""
    clock = SteppingClock()
    journal = JournalWriter(tmp_path, SHARD, clock, limits=SegmentLimits(size_bytes=1))
    for number in (1, 2, 3):
        journal.append(encode(batch(number, [trade(number)], epoch=journal.epoch)), number, NINE_OCLOCK_NS)
    journal.close()
    reader = JournalReader(tmp_path)
    (tmp_path / reader.segments()[1].file_name).unlink()
    follower = ShardFollower(SHARD, reader)
    follower.rewind(NOTHING)
    found: list[int] = []
    while follower.behind:
        found += [stored.batch.first_seq for stored in follower.catch_up()]
    assert found == [1, 3]
    assert follower.counters.missing_total == 1
    follower.close()
