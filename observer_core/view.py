"""What consoles, `observerctl` and HTTP show: one view of the whole system, and its deltas.

The view is complete at every sequence number; a delta carries whole rows that changed. `apply` is the one place
where a delta meets a view, used by the hub's clients alike. Every part carries the time it was true.
"""

import msgspec

from observer_core.messages import Event, decode_with
from observer_core.slot_messages import OverflowRow as OverflowRow
from observer_core.slot_messages import SlotRow as SlotRow
from observer_core.tree_messages import TicketUpdate

EVENTS_KEPT = 200
TICKETS_KEPT = 50


class _View(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ProcessRow(_View, frozen=True, kw_only=True):
    """One process as supervisor and process together know it; None = not known."""

    name: str
    kind: str
    state: str
    """The supervisor's state, or "paused" where a shard runs without collecting."""
    pid: int | None
    uptime_s: float | None
    restarts: int
    records_total: int
    errors_total: int
    lag: float | None
    """Seconds: for shards the age of the newest record, for writers the age of the oldest record not yet durable."""
    as_of_ns: int
    """When the process itself last reported; 0 = never."""
    note: str = ""
    symbols: int = 0
    rejected_total: int = 0
    bytes_total: int = 0
    calls_total: int = 0
    refused_total: int = 0
    reconnects_total: int = 0
    open_gaps: int = 0
    sweep_s: float | None = None
    last_record_ns: int | None = None
    last_exit: str = ""
    next_start_ns: int | None = None
    generation: int = 0
    memory_bytes: int | None = None
    cpu_ms_total: int | None = None
    deaths: tuple[tuple[int, str, str], ...] = ()
    """The newest deaths, newest last: (wall-clock ns, cause, sentence)."""
    deaths_by_cause: dict[str, int] = {}
    """How often each cause stands in the tally of its last hundred deaths."""
    completeness: float | None = None
    """Per cent of what the exchange had for a shard's symbols today that is here."""
    stale_symbols: int = 0
    stale_examples: tuple[str, ...] = ()
    duplicates_total: int = 0
    missed_volume_total: int = 0
    rate_per_s: float | None = None
    expected_rate_per_s: float | None = None
    rate_low: str = ""
    """Why the rate of records is an alarm, "" while it is as expected."""
    outage_s: float | None = None
    """How long its last restart left a shard without data, by the gap record."""
    errors_minute: int = 0
    """Errors of the last 60 s, across its restarts."""
    reauthenticated_total: int = 0
    """Calls and sessions that the broker refused for their token or approval key."""
    width_changes_total: int = 0
    """Times a stream's records had another number of fields than before."""
    reconnects_by_cause: dict[str, int] = {}
    """How often a session ended for each cause: the broker's code, or the adapter's word."""


class WriterRow(_View, frozen=True, kw_only=True):
    """One sink."""

    name: str
    state: str
    note: str
    records_total: int
    errors_total: int
    rejected_total: int
    lag_records: int | None
    lag_bytes: int
    lag_s: float
    commit_ms: float | None
    last_commit_ns: int | None
    catch_up_s: float | None
    """Estimated seconds until it is live again; None when live or not known."""
    current_files: tuple[str, ...]
    as_of_ns: int


class DiskRow(_View, frozen=True, kw_only=True):
    """One mounted file system that holds one or more of our directories."""

    mount: str
    purposes: tuple[str, ...]
    total_bytes: int
    free_bytes: int
    ours_bytes: int
    growth_bytes_per_s: float | None
    time_to_full_s: float | None
    as_of_ns: int
    level: str = "normal"
    """Step of the disk ladder: "normal", "warn", "trim", "seal" or "drop"."""
    measure: str = ""
    """What is done at this step, in words; "" at "normal"."""
    sizes: dict[str, int] = {}
    """Bytes of ours by kind ("journal", "archive", "backup", "logs"), as far as they lie on it."""


class BudgetRow(_View, frozen=True, kw_only=True):
    """Rate budget of one appkey."""

    appkey: int
    limit_per_s: float
    used_last_s: int
    refused_total: int
    as_of_ns: int


class GapView(_View, frozen=True, kw_only=True):
    """Gap records of the day."""

    open: int
    today: int
    newest: tuple[str, ...]
    """Short lines, newest first."""
    as_of_ns: int
    open_by_severity: dict[str, int] = {}
    """Open gaps by "brief", "minor", "major" and "critical", by their length so far."""
    today_by_severity: dict[str, int] = {}
    missed_volume: int = 0
    """Shares of trades that are proved to be missing today."""
    completeness_today: dict[str, float] = {}
    """Per cent by track."""
    stale_symbols: int = 0


class SlotView(_View, frozen=True, kw_only=True):
    """The tick slots of all appkeys."""

    slots: tuple[SlotRow, ...]
    """By appkey and slot."""
    capacity: int
    candidates_total: int
    overflow_total: int
    newest_overflow: tuple[OverflowRow, ...]
    """Newest first, at most `OVERFLOW_SHOWN`."""
    mitigation_level: int
    """The highest of the appkeys: 0 = none, 1 = books at half their rate, 2 = at a quarter."""
    mitigation_reason: str
    as_of_ns: int
    """When the shard that reported longest ago did so."""


class MarketView(_View, frozen=True, kw_only=True):
    """The market as the calendar sees it."""

    day: int
    phase: str
    """"closed", "pre_open", "opening_auction", "continuous", "closing_auction", "closed_price", "after_market"."""
    until_ns: int | None
    forced: bool
    """True when the exchange is simulated open."""
    as_of_ns: int


class LeaseView(_View, frozen=True, kw_only=True):
    """Who may give orders until when."""

    who: str
    reason: str
    until_ns: int


class AlertRow(_View, frozen=True, kw_only=True):
    """One incident: something that is not as the session expects."""

    key: str
    text: str
    since_ns: int
    told: bool = False
    """Whether somebody was sent a message."""
    acknowledged_by: str = ""
    reason: str = ""


class TaskRow(_View, frozen=True, kw_only=True):
    """One line of maintenance's timetable and its last run."""

    name: str
    at: str
    """Korean times of the day."""
    next_ns: int
    begun_ns: int | None = None
    """None = it never ran here."""
    duration_s: float | None = None
    outcome: str = ""
    """"done", "failed", "" = it never ran here."""
    text: str = ""


class BackupView(_View, frozen=True, kw_only=True):
    """How backups stand; a verified one is a copy elsewhere of which a receipt was left here."""

    packages: int = 0
    newest_day: int | None = None
    newest_ns: int | None = None
    verified_day: int | None = None
    verified_ns: int | None = None
    verified_by: str = ""
    unsecured_days: int = 0
    """Finished days of which no verified copy lies elsewhere."""
    unsecured_since_ns: int | None = None
    """When the oldest of them was over."""
    limit_s: float = 0.0
    """For how long a finished day may be without one before that is an alert; 0 = for ever."""
    newest_bytes: int | None = None
    newest_complete: bool | None = None
    """Whether the day of the newest package was over and sealed when it was packed."""
    drilled_day: int | None = None
    """Of the last drill that this machine knows of."""
    drilled_ns: int | None = None
    drilled_by: str = ""
    drill_problems: tuple[str, ...] = ()
    """None = it was green."""


class RetentionDay(_View, frozen=True, kw_only=True, array_like=True):
    """What the next run of retention does with one day of raw data."""

    day: int
    action: str
    """"keep", "overdue", "remove", "remove_early" or "remove_unsecured"."""
    reason: str
    secured: bool
    """Whether a verified copy of all of it lies elsewhere."""
    anomalous: bool
    sealed_bytes: int


class RetentionView(_View, frozen=True, kw_only=True):
    """What the next run of retention does, by the rules in force; oldest day first."""

    due_ns: int
    days: tuple[RetentionDay, ...]
    raw_days: int
    """How many days raw data is kept when a verified copy lies elsewhere."""
    anomaly_days: int
    """The same for an anomalous day."""
    cap_days: int
    """From which age on a day that must stay is called overdue."""
    database_days: int
    as_of_ns: int


class SystemView(_View, frozen=True, kw_only=True):
    """Everything at one sequence number; this is what `observerctl status --json` prints."""

    seq: int
    as_of_ns: int
    hub_epoch: str
    """Random per hub start: another one means that counters and sequence numbers began anew."""
    version: str
    host: str
    supervisor_pid: int | None
    started_ns: int | None
    market: MarketView
    processes: tuple[ProcessRow, ...]
    writers: tuple[WriterRow, ...]
    disk: tuple[DiskRow, ...]
    budgets: tuple[BudgetRow, ...]
    gaps: GapView
    events: tuple[Event, ...]
    """Oldest first, at most `EVENTS_KEPT`."""
    tickets: tuple[TicketUpdate, ...]
    leases: tuple[LeaseView, ...] = ()
    viewers: int = 0
    slots: SlotView | None = None
    alerts: tuple[AlertRow, ...] = ()
    tasks: tuple[TaskRow, ...] = ()
    backup: BackupView | None = None
    retention: RetentionView | None = None
    data_dir: str = ""
    """Where the hub keeps its data; never changes while it lives. "" = a hub that does not tell."""


class Delta(_View, frozen=True, kw_only=True):
    """What changed since seq - 1: whole rows, matched by name; None or empty = unchanged."""

    seq: int
    as_of_ns: int
    hub_epoch: str
    processes: tuple[ProcessRow, ...] = ()
    processes_gone: tuple[str, ...] = ()
    writers: tuple[WriterRow, ...] = ()
    disk: tuple[DiskRow, ...] | None = None
    budgets: tuple[BudgetRow, ...] | None = None
    gaps: GapView | None = None
    market: MarketView | None = None
    events: tuple[Event, ...] = ()
    tickets: tuple[TicketUpdate, ...] = ()
    leases: tuple[LeaseView, ...] | None = None
    viewers: int | None = None
    slots: SlotView | None = None
    alerts: tuple[AlertRow, ...] | None = None
    tasks: tuple[TaskRow, ...] | None = None
    backup: BackupView | None = None
    retention: RetentionView | None = None


_delta_decoder = msgspec.msgpack.Decoder(Delta)


def decode_delta(raw: bytes) -> Delta:
    """Decode what the hub publishes."""
    return decode_with(_delta_decoder, raw)


def follows(view: SystemView, delta: Delta) -> bool:
    """Return whether the delta is the very next one; otherwise the client fetches the view again."""
    return delta.hub_epoch == view.hub_epoch and delta.seq == view.seq + 1


def apply(view: SystemView, delta: Delta) -> SystemView:
    """Return the view after the delta. Rows keep their order; new ones are appended."""
    gone = set(delta.processes_gone)
    processes = {row.name: row for row in view.processes if row.name not in gone}
    processes.update((row.name, row) for row in delta.processes)
    writers = {row.name: row for row in view.writers}
    writers.update((row.name, row) for row in delta.writers)
    tickets = {row.ticket: row for row in view.tickets}
    for row in delta.tickets:
        tickets.pop(row.ticket, None)
        tickets[row.ticket] = row
    return msgspec.structs.replace(
        view,
        seq=delta.seq,
        as_of_ns=delta.as_of_ns,
        processes=tuple(processes.values()),
        writers=tuple(writers.values()),
        disk=view.disk if delta.disk is None else delta.disk,
        budgets=view.budgets if delta.budgets is None else delta.budgets,
        gaps=view.gaps if delta.gaps is None else delta.gaps,
        market=view.market if delta.market is None else delta.market,
        events=(view.events + delta.events)[-EVENTS_KEPT:],
        tickets=tuple(tickets.values())[-TICKETS_KEPT:],
        leases=view.leases if delta.leases is None else delta.leases,
        viewers=view.viewers if delta.viewers is None else delta.viewers,
        slots=view.slots if delta.slots is None else delta.slots,
        tasks=view.tasks if delta.tasks is None else delta.tasks,
        backup=view.backup if delta.backup is None else delta.backup,
        retention=view.retention if delta.retention is None else delta.retention,
        alerts=view.alerts if delta.alerts is None else delta.alerts,
    )
