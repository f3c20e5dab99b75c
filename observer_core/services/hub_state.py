"""The hub's knowledge: a fold of reports, statuses and observations into one `SystemView` and its deltas. Pure.

Separate from the sockets so that histories can be replayed in tests. The view changes only through
`observer_core.view.apply`, so the hub's copy and every client's are the same by construction.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from observer_core.clock import NS_PER_S
from observer_core.messages import Event, ProcessStatus, StatusMessage, WriterStatus
from observer_core.services.hub_gaps import with_held
from observer_core.services.hub_rows import (
    Backlog,
    ProcessReading,
    RecentErrors,
    current_status,
    process_row,
    writer_row,
)
from observer_core.services.hub_slots import SlotBoard
from observer_core.slot_messages import SlotStatus
from observer_core.tree_messages import TicketUpdate, TreeReport
from observer_core.view import (
    EVENTS_KEPT,
    TICKETS_KEPT,
    AlertRow,
    BackupView,
    BudgetRow,
    Delta,
    DiskRow,
    GapView,
    LeaseView,
    MarketView,
    ProcessRow,
    RetentionView,
    SystemView,
    TaskRow,
    WriterRow,
    apply,
)

HEARTBEAT_NS = NS_PER_S
"""A delta goes out at least this often, so that silence means something."""

REFRESH_NS = 5 * NS_PER_S
"""Parts of which only the age changed are sent again no more often than this."""

STRANGER_KEPT_NS = 10 * NS_PER_S
"""A process that reports but that the supervisor does not know vanishes after this silence."""

EVENTS_KNOWN = 5 * EVENTS_KEPT
"""So many are recognised when the archive tells them again."""

_Part = TypeVar("_Part", MarketView, GapView, RetentionView)


@dataclass(slots=True)
class Observations:
    """What the hub itself sees; its parts are replaced whole."""

    market: MarketView
    gaps: GapView
    disk: tuple[DiskRow, ...] = ()
    budgets: tuple[BudgetRow, ...] = ()
    leases: tuple[LeaseView, ...] = ()
    viewers: int = 0
    alerts: tuple[AlertRow, ...] = ()
    outages_s: dict[str, float] = field(default_factory=dict)
    """By shard: how long its last restart left it without data."""
    tasks: tuple[TaskRow, ...] = ()
    backup: BackupView | None = None
    retention: RetentionView | None = None
    readings: dict[int, ProcessReading] = field(default_factory=dict)
    """By pid."""


class HubState:
    """The fold. Feed it facts, then call `advance` a few times a second."""

    def __init__(self, blank: SystemView, tickets: tuple[TicketUpdate, ...] = ()) -> None:
        self.view = msgspec.structs.replace(blank, tickets=tickets[-TICKETS_KEPT:])
        self.seen = Observations(market=blank.market, gaps=blank.gaps)
        self.tree: TreeReport | None = None
        self._statuses: dict[str, ProcessStatus] = {}
        self._slots = SlotBoard()
        self._backlogs: dict[str, Backlog] = {}
        self._writer_process: dict[str, str] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._known_events: dict[Event, None] = {}
        self._tickets: dict[str, TicketUpdate] = {}
        self._published_ns = 0
        self._errors: dict[str, RecentErrors] = {}

    def add_tree(self, tree: TreeReport) -> None:
        """Take the supervisor's report of all its children; one that was scaled away is forgotten at once."""
        if self.tree is not None:
            left = {report.name for report in tree.processes}
            for report in self.tree.processes:
                if report.name not in left:
                    self._statuses.pop(report.name, None)
                    self._slots.forget(report.name)
        self.tree = tree

    def add_status(self, status: StatusMessage) -> None:
        """Take what a process says of itself; one that was overtaken is dropped."""
        if isinstance(status, SlotStatus):
            self._slots.add(status)
            return
        known = self._statuses.get(status.name)
        if known is not None and status.pid == known.pid and status.status_seq <= known.status_seq:
            return
        self._statuses[status.name] = status
        if isinstance(status, WriterStatus):
            if known is None or known.pid != status.pid:
                self._backlogs[status.name] = Backlog()
            self._backlogs[status.name].add(status.as_of_ns, status.lag_bytes)

    def add_event(self, event: Event) -> None:
        """Take an event for the log, once; of a flood between two deltas only the newest are kept."""
        if event in self._known_events:
            return
        self._known_events[event] = None
        if len(self._known_events) > EVENTS_KNOWN:
            del self._known_events[next(iter(self._known_events))]
        self._events.append(event)

    def add_events(self, events: Sequence[Event]) -> None:
        """Take several events, oldest first; the archive may tell again what the stream told before."""
        for event in events:
            self.add_event(event)

    def recall_events(self, events: Sequence[Event]) -> None:
        """Put what an earlier hub saw, oldest first, before the log; every client fetches the view anew."""
        earlier = [event for event in events[-EVENTS_KEPT:] if event not in self._known_events]
        self._known_events = dict.fromkeys((*earlier, *self._known_events))
        log = (*earlier, *self.view.events)[-EVENTS_KEPT:]
        if log != self.view.events:
            self.view = msgspec.structs.replace(self.view, seq=self.view.seq + 1, events=log)

    def add_ticket(self, ticket: TicketUpdate) -> None:
        """Take the state of a command."""
        self._tickets.pop(ticket.ticket, None)
        self._tickets[ticket.ticket] = ticket

    def pids(self) -> tuple[int, ...]:
        """Return the pids of all processes in the view."""
        return tuple(row.pid for row in self.view.processes if row.pid is not None)

    def advance(self, now_ns: int) -> Delta | None:
        """Make the next view; return what changed, None when nothing did and no heartbeat is due.

        The supervisor's identity is in no delta: when it changes, a sequence number is skipped, so that every
        client fetches the view.
        """
        if self.tree is not None and self.tree.supervisor_pid != self.view.supervisor_pid:
            self.view = msgspec.structs.replace(
                self.view,
                seq=self.view.seq + 1,
                # Made anew, so that the rows stand in the supervisor's order.
                processes=(),
                supervisor_pid=self.tree.supervisor_pid,
                started_ns=self.tree.started_ns,
            )
        delta = self._changes(now_ns)
        if _is_empty(delta) and now_ns - self._published_ns < HEARTBEAT_NS and now_ns >= self._published_ns:
            return None
        self.view = apply(self.view, delta)
        self._published_ns = now_ns
        self._events.clear()
        self._tickets.clear()
        return delta

    def _changes(self, now_ns: int) -> Delta:
        seen, view = self.seen, self.view
        processes = self._process_rows(now_ns)
        former = {row.name: row for row in view.processes}
        writers = self._writer_rows()
        former_writers = {row.name: row for row in view.writers}
        return Delta(
            seq=view.seq + 1,
            as_of_ns=now_ns,
            hub_epoch=view.hub_epoch,
            processes=tuple(row for row in processes if _differs(row, former.get(row.name))),
            processes_gone=tuple(former.keys() - {row.name for row in processes}),
            writers=tuple(row for row in writers if row != former_writers.get(row.name)),
            disk=None if seen.disk == view.disk else seen.disk,
            budgets=None if seen.budgets == view.budgets else seen.budgets,
            gaps=_refreshed(with_held(seen.gaps, processes), view.gaps),
            slots=self._slots.take_changed(),
            tasks=None if seen.tasks == view.tasks else seen.tasks,
            backup=None if seen.backup == view.backup else seen.backup,
            retention=_refreshed(seen.retention, view.retention),
            market=_refreshed(seen.market, view.market),
            events=tuple(self._events),
            tickets=tuple(self._tickets.values()),
            leases=None if seen.leases == view.leases else seen.leases,
            viewers=None if seen.viewers == view.viewers else seen.viewers,
            alerts=None if seen.alerts == view.alerts else seen.alerts,
        )

    def _process_rows(self, now_ns: int) -> list[ProcessRow]:
        reports = () if self.tree is None else self.tree.processes
        tree_ns = 0 if self.tree is None else self.tree.as_of_ns
        by_pid = {status.pid: status for status in self._statuses.values()}
        rows: list[ProcessRow] = []
        used: set[str] = set()
        for report in reports:
            # A writer may report under its sink's name: its pid tells whose words they are.
            status = self._statuses.get(report.name)
            if status is None and report.pid is not None:
                status = by_pid.get(report.pid)
            if status is None:
                status = self._last_words(report.name)
            if status is not None:
                used.add(status.name)
                if isinstance(status, WriterStatus):
                    self._writer_process[status.name] = report.name
            reading = None if report.pid is None else self.seen.readings.get(report.pid)
            rows.append(process_row(report.name, report, current_status(report, status, tree_ns), reading, now_ns))
        for name, status in self._statuses.items():
            if name not in used and now_ns - status.as_of_ns < STRANGER_KEPT_NS:
                rows.append(process_row(name, None, status, self.seen.readings.get(status.pid), now_ns))
        return [self._completed(row, now_ns) for row in rows]

    def _completed(self, row: ProcessRow, now_ns: int) -> ProcessRow:
        """Return a row with what no status says: errors of the last minute, and the hole of the last restart."""
        errors = self._errors.setdefault(row.name, RecentErrors()).take(row.errors_total, now_ns)
        outage_s = self.seen.outages_s.get(row.name)
        if not errors and outage_s is None:
            return row
        return msgspec.structs.replace(row, errors_minute=errors, outage_s=outage_s)

    def _last_words(self, process: str) -> ProcessStatus | None:
        sink = next((sink for sink, name in self._writer_process.items() if name == process), None)
        return None if sink is None else self._statuses.get(sink)

    def _writer_rows(self) -> list[WriterRow]:
        reports = {} if self.tree is None else {report.name: report for report in self.tree.processes}
        return [
            writer_row(status, reports.get(self._writer_process.get(name, name)), self._backlogs[name])
            for name, status in self._statuses.items()
            if isinstance(status, WriterStatus)
        ]


def _differs(row: ProcessRow, former: ProcessRow | None) -> bool:
    """Return whether a row is worth sending: its uptime and lag alone grow by themselves, once a second is enough."""
    if former is None:
        return True
    aged_s = max(abs((row.uptime_s or 0.0) - (former.uptime_s or 0.0)), abs((row.lag or 0.0) - (former.lag or 0.0)))
    return aged_s >= 1.0 or msgspec.structs.replace(row, uptime_s=former.uptime_s, lag=former.lag) != former


def _refreshed(now: _Part | None, former: _Part | None) -> _Part | None:
    """Return the part when more than its age changed, or when the age was sent too long ago."""
    if now is None or former is None:
        return now
    if abs(now.as_of_ns - former.as_of_ns) >= REFRESH_NS:
        return now
    return None if msgspec.structs.replace(now, as_of_ns=former.as_of_ns) == former else now


def _is_empty(delta: Delta) -> bool:
    lists = (delta.processes, delta.processes_gone, delta.writers, delta.events, delta.tickets)
    parts = (
        delta.disk,
        delta.budgets,
        delta.gaps,
        delta.market,
        delta.leases,
        delta.viewers,
        delta.slots,
        delta.tasks,
        delta.backup,
        delta.retention,
        delta.alerts,
    )
    return not any(lists) and all(part is None for part in parts)
