"""A view in Prometheus's exposition format. Pure: a view and an instant in, text out.

Separate from the HTTP application so that names, units and cardinality are tested on their own: base units, counters
end in `_total`, labels are processes, sinks, mounts and appkeys, never symbols.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from observer_core.clock import NS_PER_S
from observer_core.http.readiness import OPEN_PHASE, readiness
from observer_core.view import BackupView, BudgetRow, DiskRow, ProcessRow, SystemView, TaskRow, WriterRow

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

DISK_LEVELS = ("normal", "warn", "trim", "seal", "drop")

Amount: TypeAlias = float | None


def exposition(view: SystemView, now_ns: int) -> bytes:
    """Return every metric of a view; what is not known has no sample."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(view, now_ns))
    return generate_latest(registry)


class _Collected:
    """What the library asks for the metrics; lives for one scrape."""

    def __init__(self, view: SystemView, now_ns: int) -> None:
        self._view = view
        self._now_ns = now_ns

    def describe(self) -> Iterable[Metric]:
        """Return nothing: no other collector's names can clash."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        view, now_ns = self._view, self._now_ns
        yield from _system(view, now_ns)
        yield from _processes(view.processes, now_ns)
        yield from _shards([row for row in view.processes if row.kind in {"swing", "scalp"}], now_ns)
        yield from _writers(view.writers, now_ns)
        yield from _disks(view.disk)
        yield from _budgets(view.budgets)
        yield from _gaps(view)
        yield from _tasks(view.tasks, now_ns)
        if view.backup is not None:
            yield from _backup(view.backup, now_ns)


def _gauge(name: str, meaning: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], Amount]]) -> Metric:
    family = GaugeMetricFamily(f"observer_{name}", meaning, labels=labels)
    for values, amount in samples:
        if amount is not None:
            family.add_metric(values, amount)
    return family


def _counter(name: str, meaning: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], Amount]]) -> Metric:
    family = CounterMetricFamily(f"observer_{name}", meaning, labels=labels)
    for values, amount in samples:
        if amount is not None:
            family.add_metric(values, amount)
    return family


def _one(name: str, meaning: str, amount: Amount) -> Metric:
    return _gauge(name, meaning, (), [((), amount)])


def _age_s(at_ns: int | None, now_ns: int) -> Amount:
    return None if not at_ns else max(0.0, (now_ns - at_ns) / NS_PER_S)


def _seconds(at_ns: int | None) -> Amount:
    return None if at_ns is None else at_ns / NS_PER_S


def _system(view: SystemView, now_ns: int) -> Iterator[Metric]:
    verdict = readiness(view, now_ns)
    yield _gauge("build_info", "Version that runs; always 1.", ("version",), [((view.version,), 1.0)])
    yield _one("ready", "1 when everything that the session expects is collected.", float(verdict.ready))
    yield _one("failing_expectations", "Things that are not as the session expects.", float(len(verdict.failing)))
    yield _one("session_open", "1 while the market trades continuously.", float(view.market.phase == OPEN_PHASE))
    yield _one("view_age_seconds", "Age of the view behind these figures.", _age_s(view.as_of_ns, now_ns))
    yield _one("supervisor_up", "1 when the supervisor has reported.", float(view.supervisor_pid is not None))
    yield _one("supervisor_start_time_seconds", "When the supervisor started, Unix time.", _seconds(view.started_ns))
    yield _one("viewers", "Consoles that follow the view.", float(view.viewers))


def _processes(rows: Sequence[ProcessRow], now_ns: int) -> Iterator[Metric]:
    labels = ("process", "kind")

    def each(value: Callable[[ProcessRow], Amount]) -> list[tuple[Sequence[str], Amount]]:
        return [((row.name, row.kind), value(row)) for row in rows]

    yield _gauge(
        "process_up", "1 while the process runs.", labels, each(lambda row: row.state in {"running", "paused"})
    )
    yield _gauge(
        "process_paused", "1 while an operator has paused it.", labels, each(lambda row: row.state == "paused")
    )
    yield _gauge(
        "process_quarantined", "1 while it is not restarted.", labels, each(lambda row: row.state == "quarantined")
    )
    yield _counter("process_restarts", "Starts after the first.", labels, each(lambda row: row.restarts))
    yield _counter("process_errors", "Errors it reported since its start.", labels, each(lambda row: row.errors_total))
    yield _gauge(
        "process_report_age_seconds",
        "Age of its newest report.",
        labels,
        each(lambda row: _age_s(row.as_of_ns, now_ns)),
    )
    yield _gauge("process_resident_memory_bytes", "Resident memory.", labels, each(lambda row: row.memory_bytes))
    yield _counter(
        "process_cpu_seconds",
        "Processor time, user and system.",
        labels,
        each(lambda row: None if row.cpu_ms_total is None else row.cpu_ms_total / 1000),
    )


def _shards(rows: Sequence[ProcessRow], now_ns: int) -> Iterator[Metric]:
    labels = ("shard",)

    def each(value: Callable[[ProcessRow], Amount]) -> list[tuple[Sequence[str], Amount]]:
        return [((row.name,), value(row)) for row in rows]

    yield _gauge("symbols_assigned", "Symbols that the shard collects.", labels, each(lambda row: row.symbols))
    yield _gauge(
        "symbols_stale", "Symbols silent for longer than explained.", labels, each(lambda row: row.stale_symbols)
    )
    yield _counter("snapshots", "Records read since the shard's start.", labels, each(lambda row: row.records_total))
    yield _counter("rejections", "Records that validation refused.", labels, each(lambda row: row.rejected_total))
    yield _counter("duplicates", "Trades that the broker sent again.", labels, each(lambda row: row.duplicates_total))
    yield _gauge(
        "newest_record_age_seconds",
        "Age of the shard's newest record.",
        labels,
        each(lambda row: _age_s(row.last_record_ns, now_ns)),
    )
    yield _gauge("sweep_duration_seconds", "Duration of the last full sweep.", labels, each(lambda row: row.sweep_s))
    yield _counter("journal_written_bytes", "Bytes written to the journal.", labels, each(lambda row: row.bytes_total))
    yield _counter("kis_requests", "Calls made to the broker.", labels, each(lambda row: row.calls_total))
    yield _counter("kis_requests_refused", "Calls refused for their rate.", labels, each(lambda row: row.refused_total))
    yield _counter("ws_reconnects", "Reconnects of the stream.", labels, each(lambda row: row.reconnects_total))
    yield _counter(
        "ws_session_ends",
        "Sessions of the stream that ended, by cause.",
        (*labels, "cause"),
        [((row.name, cause), number) for row in rows for cause, number in row.reconnects_by_cause.items()],
    )
    yield _counter(
        "kis_reauthentications",
        "Refusals of a token or an approval key.",
        labels,
        each(lambda row: row.reauthenticated_total),
    )
    yield _counter(
        "frame_width_changes",
        "Changes of a record's number of fields.",
        labels,
        each(lambda row: row.width_changes_total),
    )
    yield _counter(
        "missed_volume_shares",
        "Shares of trades proved to be missing.",
        labels,
        each(lambda row: row.missed_volume_total),
    )
    yield _gauge("shard_gaps_open", "Gaps that the shard has open.", labels, each(lambda row: row.open_gaps))
    yield _gauge(
        "completeness_ratio",
        "Part of what the exchange had today that is here.",
        labels,
        each(lambda row: None if row.completeness is None else row.completeness / 100),
    )


def _writers(rows: Sequence[WriterRow], now_ns: int) -> Iterator[Metric]:
    labels = ("writer",)

    def each(value: Callable[[WriterRow], Amount]) -> list[tuple[Sequence[str], Amount]]:
        return [((row.name,), value(row)) for row in rows]

    yield _gauge("writer_live", "1 while the sink is up to date.", labels, each(lambda row: row.state == "live"))
    yield _gauge("writer_lag_seconds", "Age of the oldest record not yet durable.", labels, each(lambda row: row.lag_s))
    yield _gauge("writer_lag_bytes", "Journal bytes not yet durable.", labels, each(lambda row: row.lag_bytes))
    yield _gauge("writer_lag_records", "Records not yet durable.", labels, each(lambda row: row.lag_records))
    yield _counter("writer_rows", "Records made durable since its start.", labels, each(lambda row: row.records_total))
    yield _counter("writer_rows_rejected", "Records the sink refused.", labels, each(lambda row: row.rejected_total))
    yield _counter("writer_errors", "Failed attempts to write.", labels, each(lambda row: row.errors_total))
    yield _gauge(
        "writer_commit_duration_seconds",
        "Duration of the last commit.",
        labels,
        each(lambda row: None if row.commit_ms is None else row.commit_ms / 1000),
    )
    yield _gauge(
        "writer_last_commit_age_seconds",
        "Time since the last commit.",
        labels,
        each(lambda row: _age_s(row.last_commit_ns, now_ns)),
    )


def _disks(rows: Sequence[DiskRow]) -> Iterator[Metric]:
    labels = ("mount",)

    def each(value: Callable[[DiskRow], Amount]) -> list[tuple[Sequence[str], Amount]]:
        return [((row.mount,), value(row)) for row in rows]

    yield _gauge("disk_size_bytes", "Size of the volume.", labels, each(lambda row: row.total_bytes))
    yield _gauge("disk_free_bytes", "What can still be written.", labels, each(lambda row: row.free_bytes))
    yield _gauge("disk_used_by_observer_bytes", "What our files take.", labels, each(lambda row: row.ours_bytes))
    yield _gauge(
        "disk_time_to_full_seconds", "Forecast at the present growth.", labels, each(lambda row: row.time_to_full_s)
    )
    yield _gauge(
        "disk_ladder_level",
        "Step of the disk ladder: 0 normal, 1 warn, 2 trim, 3 seal, 4 drop.",
        labels,
        each(lambda row: DISK_LEVELS.index(row.level) if row.level in DISK_LEVELS else None),
    )


def _budgets(rows: Sequence[BudgetRow]) -> Iterator[Metric]:
    labels = ("appkey",)

    def each(value: Callable[[BudgetRow], Amount]) -> list[tuple[Sequence[str], Amount]]:
        return [((str(row.appkey),), value(row)) for row in rows]

    yield _gauge(
        "kis_budget_limit", "Calls a second that the budget allows.", labels, each(lambda row: row.limit_per_s)
    )
    yield _gauge("kis_budget_used", "Calls of the last second.", labels, each(lambda row: row.used_last_s))
    yield _counter(
        "kis_budget_refusals", "Calls the broker refused for rate.", labels, each(lambda row: row.refused_total)
    )


def _gaps(view: SystemView) -> Iterator[Metric]:
    gaps = view.gaps
    yield _one("gaps_open", "Gaps that are open.", float(gaps.open))
    yield _one("gaps_today", "Gaps of the Korean day.", float(gaps.today))
    yield _gauge(
        "gaps_open_by_severity",
        "Open gaps by their length so far.",
        ("severity",),
        [((severity,), count) for severity, count in sorted(gaps.open_by_severity.items())],
    )
    yield _gauge(
        "track_completeness_ratio",
        "Part of what the exchange had today that is here.",
        ("track",),
        [((track,), percent / 100) for track, percent in sorted(gaps.completeness_today.items())],
    )


def _tasks(rows: Sequence[TaskRow], now_ns: int) -> Iterator[Metric]:
    labels = ("task",)

    def each(value: Callable[[TaskRow], Amount]) -> list[tuple[Sequence[str], Amount]]:
        return [((row.name,), value(row)) for row in rows]

    yield _gauge(
        "task_last_run_age_seconds", "Since its last begin.", labels, each(lambda r: _age_s(r.begun_ns, now_ns))
    )
    yield _gauge("task_duration_seconds", "Duration of its last run.", labels, each(lambda r: r.duration_s))
    yield _gauge(
        "task_failed",
        "1 while its last run is one that failed.",
        labels,
        each(lambda r: float(r.outcome == "failed") if r.outcome else None),
    )


def _backup(backup: BackupView, now_ns: int) -> Iterator[Metric]:
    yield _one("backup_packages", "Finished packages on this server.", float(backup.packages))
    yield _one("backup_newest_age_seconds", "Age of the newest package.", _age_s(backup.newest_ns, now_ns))
    yield _one(
        "backup_verified_age_seconds", "Since a copy elsewhere was last verified.", _age_s(backup.verified_ns, now_ns)
    )
    yield _one("backups_unverified", "Finished days without a verified copy.", float(backup.unsecured_days))
    yield _one(
        "backup_unsecured_age_seconds",
        "How long the oldest of these days has been over; 0 = none.",
        _age_s(backup.unsecured_since_ns, now_ns) or 0.0,
    )
