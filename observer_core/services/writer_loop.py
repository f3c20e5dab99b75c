"""The loop of every writer: live batches and journals in, one sink out; one code path for normal running, catching up
and recovery.

Synchronous and single-threaded. While the sink is away nothing is kept in memory: live batches are dropped and read
from the journal later. Status is read by another thread: plain attributes only.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from observer_core.bus.subscriber import BatchSubscriber
from observer_core.clock import NS_PER_MS, NS_PER_S, Clock
from observer_core.errors import TransientSinkError, UnreachableSinkError
from observer_core.exit_codes import ExitCode
from observer_core.ids import ShardName
from observer_core.pacing.backoff import Backoff
from observer_core.pacing.first_answer import FirstAnswer
from observer_core.services.journal_followers import JournalFollowers
from observer_core.services.writer_figures import WriterFigures
from observer_core.sinks.port import Offset, Sink, StoredBatch

logger = logging.getLogger(__name__)

LIVE_BATCHES_PER_TURN = 256
JOURNAL_BYTES_PER_TURN = 256 * 1024
"""Per shard: bounds memory and the size of a transaction while catching up."""
LOOK_INTERVAL_NS = 200 * NS_PER_MS
MEASURE_INTERVAL_NS = 500 * NS_PER_MS
IDLE_COMMIT_INTERVAL_NS = NS_PER_S
REMEMBER_INTERVAL_NS = 5 * NS_PER_S
DRAIN_DEADLINE_NS = 5 * NS_PER_S
_LONGEST_COMMIT_PAUSE_NS = NS_PER_S
_COMMIT_SHARE = 4
"""A sink whose commits are slow is left alone for four times as long: at most a fifth of the time goes into them."""


@dataclass(frozen=True, slots=True)
class CommitPolicy:
    """When what was written is made durable: by number of records or by the age of the first of them."""

    records: int
    age_ns: int


@dataclass(slots=True, kw_only=True)
class WriterLoop:
    """One writer; `run` until told to stop."""

    subscriber: BatchSubscriber
    followers: JournalFollowers
    sink: Sink
    clock: Clock
    policy: CommitPolicy
    backoff: Backoff
    figures: WriterFigures = field(default_factory=WriterFigures)
    remember: Callable[[Mapping[ShardName, Offset]], None] | None = None
    """Told the durable offsets every few seconds, for whoever removes what every sink holds."""
    _first_answer: FirstAnswer = field(init=False)
    _sink_open: bool = False
    _retry_ns: int = 0
    _uncommitted_records: int = 0
    _uncommitted_since_ns: int = 0
    _last_commit_ns: int = 0
    _commit_duration_ns: int = 0
    _look_due_ns: int = 0
    _measure_due_ns: int = 0
    _remember_due_ns: int = 0

    def __post_init__(self) -> None:
        self._first_answer = FirstAnswer(self.clock.monotonic_ns())

    def run(self, should_stop: Callable[[], bool], on_ready: Callable[[], None]) -> ExitCode:
        """Write until `should_stop`, then drain; `on_ready` is called once the sink was tried for the first time.

        Raises:
            FatalSinkError: trying again cannot help.
        """
        self.followers.discover()
        self._open_sink()
        on_ready()
        while not should_stop():
            self.turn()
        return self.drain()

    def turn(self) -> None:
        """Take what is there, write it, commit when due; waits a moment when there is nothing.

        Raises:
            FatalSinkError: trying again cannot help.
        """
        if self._sink_open:
            try:
                self._write(self._gather())
                if self._commit_in_ns() <= 0:
                    self._commit()
            except TransientSinkError as error:
                self._suspend(error)
        elif self.clock.monotonic_ns() >= self._retry_ns:
            self._open_sink()
        else:
            # Dropped: the journals keep it. Taking it keeps the shards' queues short.
            self.subscriber.drain(LIVE_BATCHES_PER_TURN, self._timeout_ms(self._retry_ns))
        self._measure()

    def drain(self) -> ExitCode:
        """Write and commit what the journals hold now, within a deadline, and close the sink."""
        self.figures.state = "stopping"
        deadline_ns = self.clock.monotonic_ns() + DRAIN_DEADLINE_NS
        if not self._sink_open:
            self._open_sink()
        complete = self._sink_open
        try:
            self.followers.recheck()
            while complete and self.followers.behind:
                self._write(self.followers.catch_up(JOURNAL_BYTES_PER_TURN))
                if self._uncommitted_records >= self.policy.records:
                    self._commit()
                complete = not self.followers.behind or self.clock.monotonic_ns() < deadline_ns
            if self._sink_open:
                self._commit()
        except TransientSinkError as error:
            logger.warning("stopped before everything was durable", extra={"reason": str(error)})
            complete = False
        self.sink.close()
        return ExitCode.OK if complete else ExitCode.UNCLEAN

    def _gather(self) -> list[StoredBatch]:
        """Return the next batches: live ones that fit, then pieces of the journals that are behind."""
        followers = self.followers
        timeout_ms = 0 if followers.behind else self._timeout_ms(self._look_due_ns)
        batches = followers.offer(self.subscriber.drain(LIVE_BATCHES_PER_TURN, timeout_ms))
        now_ns = self.clock.monotonic_ns()
        if now_ns >= self._look_due_ns:
            followers.look()
            self._look_due_ns = now_ns + LOOK_INTERVAL_NS
        if followers.behind:
            batches += followers.catch_up(JOURNAL_BYTES_PER_TURN)
        return batches

    def _write(self, batches: list[StoredBatch]) -> None:
        if not batches:
            return
        if not self._uncommitted_records:
            self._uncommitted_since_ns = self.clock.monotonic_ns()
        self.sink.write(batches)
        records = sum(len(stored.batch.records) for stored in batches)
        self._uncommitted_records += records
        self.figures.records_total += records
        self.figures.bytes_total += sum(stored.size_bytes for stored in batches)

    def _commit_in_ns(self) -> int:
        """Return how long the next commit can wait; 0 or less = it is due."""
        now_ns = self.clock.monotonic_ns()
        if not self._uncommitted_records:
            # Lets a sink put its house in order: close files, look after partitions.
            return self._last_commit_ns + IDLE_COMMIT_INTERVAL_NS - now_ns
        if self._uncommitted_records >= self.policy.records:
            return 0
        pause_ns = max(self.policy.age_ns, min(_COMMIT_SHARE * self._commit_duration_ns, _LONGEST_COMMIT_PAUSE_NS))
        return self._uncommitted_since_ns + pause_ns - now_ns

    def _commit(self) -> None:
        begun_ns = self.clock.monotonic_ns()
        self.followers.confirm(self.sink.commit())
        self._last_commit_ns = self.clock.monotonic_ns()
        if not self._uncommitted_records:
            return
        self._uncommitted_records = 0
        self._commit_duration_ns = self._last_commit_ns - begun_ns
        self.backoff.stable()
        figures = self.figures
        figures.commits_total += 1
        figures.last_commit_ns = self.clock.now_ns()
        figures.commit_ms = self._commit_duration_ns / NS_PER_MS

    def _open_sink(self) -> None:
        try:
            durable = self.sink.open()
        except TransientSinkError as error:
            self._suspend(error)
            return
        self.followers.rewind(durable)
        self._first_answer.came()
        self._sink_open = True
        self._uncommitted_records = 0
        self._last_commit_ns = self.clock.monotonic_ns()
        self.figures.offsets_known = True
        logger.info("sink open", extra={"sink": self.sink.name, "shards": len(durable)})

    def _suspend(self, error: TransientSinkError) -> None:
        """Leave the sink alone for a while; nothing of the open transaction counts."""
        delay_s = self.backoff.next_delay_s()
        self._sink_open = False
        self._uncommitted_records = 0
        self._retry_ns = self.clock.monotonic_ns() + int(delay_s * NS_PER_S)
        self.figures.state = "waiting"
        fault = not (isinstance(error, UnreachableSinkError) and self._first_answer.awaited(self.clock.monotonic_ns()))
        self.figures.errors_total += fault
        text, level = ("sink away", logging.WARNING) if fault else ("sink not up yet", logging.INFO)
        logger.log(level, text, extra={"sink": self.sink.name, "reason": str(error), "again_in_s": delay_s})

    def _timeout_ms(self, until_ns: int) -> int:
        """Return how long to wait for live batches at most, for an appointment of the loop."""
        pause_ns = min(until_ns - self.clock.monotonic_ns(), LOOK_INTERVAL_NS)
        if self._sink_open:
            pause_ns = min(pause_ns, self._commit_in_ns())
        return max(-(-pause_ns // NS_PER_MS), 0)

    def _measure(self) -> None:
        now_ns = self.clock.monotonic_ns()
        figures = self.figures
        if now_ns < self._measure_due_ns:
            return
        self._measure_due_ns = now_ns + MEASURE_INTERVAL_NS
        if self.remember is not None and self._sink_open and now_ns >= self._remember_due_ns:
            self._remember_due_ns = now_ns + REMEMBER_INTERVAL_NS
            self.remember(self.followers.durable)
        lag = self.followers.lag()
        behind = self.followers.behind and lag.size_bytes > JOURNAL_BYTES_PER_TURN
        figures.measured(lag, self.clock.now_ns(), now_ns)
        figures.lag_records = None if behind or not self._sink_open else self._uncommitted_records
        figures.offsets = {shard: (offset.epoch, offset.seq) for shard, offset in self.followers.durable.items()}
        figures.malformed_total = self.followers.malformed_total + self.subscriber.malformed_total
        figures.journal_errors_total = self.followers.errors_total
        figures.rejected_total = self.sink.rejected_total
        missing = self.followers.missing_total
        notes = (self.sink.note, f"{missing:,} records are missing in the journals" if missing else "")
        figures.note = "; ".join(note for note in notes if note)
        figures.current_files = self.sink.current_files()
        if self._sink_open:
            figures.state = "catching_up" if behind else "live"
