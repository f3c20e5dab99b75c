"""What a writer says about itself: written by its loop, read by the thread that sends status.

Plain attributes, each replaced as a whole, so that the reading thread needs no lock.
"""

from dataclasses import dataclass

from observer_core.clock import NS_PER_S, Clock
from observer_core.ids import ProcessName
from observer_core.messages import WriterStatus
from observer_core.services.journal_followers import NO_LAG, Lag

_OVERDUE_NS = NS_PER_S
"""A loop that has not measured for so long is held up by its sink: the lag goes on growing without it."""
_HELD_UP_NS = 3 * NS_PER_S
"""A loop that has not measured for so long is waiting for its sink, whatever it believed before."""


@dataclass(slots=True)
class WriterFigures:
    """Cumulative counters and the last measurement of one writer."""

    state: str = "starting"
    note: str = ""
    offsets_known: bool = False
    """False until the sink first told its offsets: until then everything in the journals counts as lag."""
    records_total: int = 0
    errors_total: int = 0
    journal_errors_total: int = 0
    rejected_total: int = 0
    malformed_total: int = 0
    bytes_total: int = 0
    commits_total: int = 0
    last_commit_ns: int | None = None
    commit_ms: float | None = None
    lag_records: int | None = None
    lag: Lag = NO_LAG
    lag_s: float = 0.0
    measured_monotonic_ns: int = 0
    offsets: dict[str, tuple[int, int]] | None = None
    current_files: tuple[str, ...] = ()
    status_seq: int = 0

    def measured(self, lag: Lag, now_ns: int, monotonic_ns: int) -> None:
        """Note how much is not durable yet."""
        self.lag = lag
        self.lag_s = 0.0 if lag.oldest_ns is None else max(now_ns - lag.oldest_ns, 0) / NS_PER_S
        self.measured_monotonic_ns = monotonic_ns

    def status(self, name: ProcessName, pid: int, clock: Clock) -> WriterStatus:
        """Return the status message; the only caller is the thread that sends it."""
        self.status_seq += 1
        since_ns = clock.monotonic_ns() - self.measured_monotonic_ns if self.measured_monotonic_ns else 0
        state, note = self.state, self.note
        if since_ns > _HELD_UP_NS and state in {"live", "catching_up"}:
            # A store on a unix socket that stands still breaks no connection: nothing else would ever say so.
            state, note = "waiting", f"the store has not answered for {since_ns // NS_PER_S} s"
        if not self.offsets_known:
            note = f"{note}; lag is an upper bound until the store answers" if note else note
        return WriterStatus(
            name=name,
            pid=pid,
            status_seq=self.status_seq,
            as_of_ns=clock.now_ns(),
            state=state,
            note=note,
            records_total=self.records_total,
            errors_total=self.errors_total + self.journal_errors_total,
            rejected_total=self.rejected_total,
            bytes_total=self.bytes_total,
            commits_total=self.commits_total,
            malformed_total=self.malformed_total,
            last_commit_ns=self.last_commit_ns,
            commit_ms=self.commit_ms,
            lag_records=self.lag_records,
            lag_bytes=self.lag.size_bytes,
            lag_s=self.lag_s if since_ns < _OVERDUE_NS else self.lag_s + since_ns / NS_PER_S,
            offsets=self.offsets or {},
            current_files=self.current_files,
        )
