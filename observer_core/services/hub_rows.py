"""One row of the view out of what is known about one process: the supervisor's word, its own, and the kernel's.

Pure, and separate from `hub_state`, which decides when a row is made anew.
"""

from collections import deque
from typing import NamedTuple

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.messages import ProcessStatus, ServiceStatus, ShardStatus, WriterStatus
from observer_core.tree_messages import ProcessReport
from observer_core.view import ProcessRow, WriterRow

SILENT_AFTER_NS = 3 * NS_PER_S
"""A running process that has not reported for so long is called silent."""

_BACKLOG_WINDOW_NS = 10 * NS_PER_S
_ERRORS_WINDOW_NS = 60 * NS_PER_S
_BACKLOG_SPAN_NS = 2 * NS_PER_S


class ProcessReading(NamedTuple):
    """What the kernel says about one process."""

    memory_bytes: int | None
    cpu_ms: int | None


class Backlog:
    """A writer's journal backlog over the last seconds, for an estimate of when it is live again."""

    __slots__ = ("_points",)

    def __init__(self) -> None:
        self._points: deque[tuple[int, int]] = deque()

    def add(self, at_ns: int, lag_bytes: int) -> None:
        """Take the backlog (bytes not yet durable in the sink) at an instant."""
        self._points.append((at_ns, lag_bytes))
        while self._points[-1][0] - self._points[0][0] > _BACKLOG_WINDOW_NS:
            self._points.popleft()

    def catch_up_s(self) -> float | None:
        """Return the seconds until nothing is left at the present pace; None when it does not shrink or is unknown."""
        if len(self._points) < 2:
            return None
        (first_ns, first_bytes), (last_ns, last_bytes) = self._points[0], self._points[-1]
        drained = first_bytes - last_bytes
        if last_ns - first_ns < _BACKLOG_SPAN_NS or drained <= 0:
            return None
        return round(last_bytes / (drained / ((last_ns - first_ns) / NS_PER_S)), 1)


class RecentErrors:
    """How many errors one process had in the last minute, across its restarts."""

    __slots__ = ("_points", "_total")

    def __init__(self) -> None:
        self._total: int | None = None
        self._points: deque[tuple[int, int]] = deque()

    def take(self, errors_total: int, now_ns: int) -> int:
        """Take the total of the moment; return the errors of the last 60 s. What was before the first is old."""
        before = self._total
        self._total = errors_total
        if before is not None and errors_total != before:
            # A new process counts from zero.
            grown = errors_total - before if errors_total > before else errors_total
            self._points.append((now_ns, grown))
        while self._points and now_ns - self._points[0][0] > _ERRORS_WINDOW_NS:
            self._points.popleft()
        return sum(number for _, number in self._points)


def current_status(report: ProcessReport | None, status: ProcessStatus | None, tree_ns: int) -> ProcessStatus | None:
    """Return the status unless it is a former process's: of another pid, and older than the supervisor's word."""
    if status is None or report is None or report.pid is None or report.pid == status.pid:
        return status
    return status if status.as_of_ns > tree_ns else None


def process_row(
    name: str, report: ProcessReport | None, status: ProcessStatus | None, reading: ProcessReading | None, now_ns: int
) -> ProcessRow:
    """Return the row of a process of which at least the report or the status is known."""
    shard = status if isinstance(status, ShardStatus) else None
    writer = status if isinstance(status, WriterStatus) else None
    pid = _pid(report, status)
    started_ns = report.started_ns if report is not None and pid is not None else None
    return ProcessRow(
        name=name,
        kind=_kind(report, status),
        state=_state(report, status),
        pid=pid,
        uptime_s=None if started_ns is None else round(max(0, now_ns - started_ns) / NS_PER_S, 1),
        restarts=0 if report is None else report.restarts,
        records_total=_records(status),
        errors_total=0 if status is None else status.errors_total,
        lag=_lag_s(shard, writer, now_ns),
        as_of_ns=0 if status is None else status.as_of_ns,
        note=_note(report, status, now_ns),
        symbols=0 if shard is None else shard.symbols,
        rejected_total=0 if status is None or isinstance(status, ServiceStatus) else status.rejected_total,
        bytes_total=shard.journal_bytes_total if shard is not None else writer.bytes_total if writer is not None else 0,
        calls_total=0 if shard is None else shard.calls_total,
        refused_total=0 if shard is None else shard.refused_total,
        reconnects_total=0 if shard is None else shard.reconnects_total,
        reauthenticated_total=0 if shard is None else shard.reauthenticated_total,
        width_changes_total=0 if shard is None else shard.width_changes_total,
        reconnects_by_cause={} if shard is None else shard.reconnects_by_cause,
        open_gaps=0 if shard is None else shard.open_gaps,
        sweep_s=None if shard is None else shard.sweep_s,
        last_record_ns=None if shard is None else shard.last_record_ns,
        last_exit="" if report is None else report.last_exit,
        next_start_ns=None if report is None else report.next_start_ns,
        generation=0 if report is None else report.generation,
        memory_bytes=None if reading is None else reading.memory_bytes,
        cpu_ms_total=None if reading is None else reading.cpu_ms,
        deaths=() if report is None else report.deaths,
        deaths_by_cause={} if report is None else report.deaths_by_cause,
        completeness=None if shard is None else shard.completeness,
        stale_symbols=0 if shard is None else shard.stale_symbols,
        stale_examples=() if shard is None else shard.stale_examples,
        duplicates_total=0 if shard is None else shard.duplicates_total,
        missed_volume_total=0 if shard is None else shard.missed_volume_total,
        rate_per_s=None if shard is None else shard.rate_per_s,
        expected_rate_per_s=None if shard is None else shard.expected_rate_per_s,
        rate_low="" if shard is None else shard.rate_low,
    )


def writer_row(status: WriterStatus, report: ProcessReport | None, backlog: Backlog) -> WriterRow:
    """Return the row of a sink; a dead writer's last words are marked as such."""
    alive = report is None or report.pid == status.pid
    return WriterRow(
        name=status.name,
        state=status.state if alive or report is None else report.state,
        note=status.note if alive else "figures are from before it ended",
        records_total=status.records_total,
        errors_total=status.errors_total,
        rejected_total=status.rejected_total,
        lag_records=status.lag_records,
        lag_bytes=status.lag_bytes,
        lag_s=status.lag_s,
        commit_ms=status.commit_ms,
        last_commit_ns=status.last_commit_ns,
        catch_up_s=backlog.catch_up_s() if alive and status.state == "catching_up" else None,
        current_files=status.current_files,
        as_of_ns=status.as_of_ns,
    )


def _pid(report: ProcessReport | None, status: ProcessStatus | None) -> int | None:
    if report is None:
        return None if status is None else status.pid
    return report.pid


def _kind(report: ProcessReport | None, status: ProcessStatus | None) -> str:
    if report is not None:
        return report.kind
    return "writer" if status is None or isinstance(status, WriterStatus) else status.kind


def _state(report: ProcessReport | None, status: ProcessStatus | None) -> str:
    """Return the supervisor's state; "paused" where a running shard does not collect on purpose."""
    if report is None:
        return "" if status is None else status.state
    return "paused" if report.state == "running" and status is not None and status.state == "paused" else report.state


def _records(status: ProcessStatus | None) -> int:
    return 0 if status is None or isinstance(status, ServiceStatus) else status.records_total


def _lag_s(shard: ShardStatus | None, writer: WriterStatus | None, now_ns: int) -> float | None:
    if writer is not None:
        return round(writer.lag_s, 3)
    if shard is None or shard.last_record_ns is None:
        return None
    return round(max(0, now_ns - shard.last_record_ns) / NS_PER_S, 3)


def _note(report: ProcessReport | None, status: ProcessStatus | None, now_ns: int) -> str:
    if status is None:
        return ""
    alive = report is None or report.pid == status.pid
    if alive and now_ns - status.as_of_ns > SILENT_AFTER_NS:
        return f"silent since {kst_datetime(status.as_of_ns):%H:%M:%S}"
    if status.note:
        return status.note
    return status.state if status.state in {"starting", "waiting", "catching_up", "stopping"} and alive else ""
