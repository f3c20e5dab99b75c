"""Is the system collecting what the session expects? Pure: a view and an instant in, names of what fails out.

Separate from the HTTP application because health checks, consoles and scripts must judge alike.
"""

from dataclasses import dataclass

from observer_core.clock import NS_PER_S
from observer_core.view import DiskRow, ProcessRow, SystemView, WriterRow

SWING_AGE_S = 5.0
"""A sweep brings records many times a second; nothing for so long means that it stands still."""

SWEEPS_ALLOWED = 3.0
"""A slower host is measured by its own sweep: this many of them may pass without a record."""

SCALP_AGE_S = 20.0
"""The most traded symbols are still for seconds at most while the market trades continuously."""

VIEW_AGE_S = 3.0
"""An older view proves nothing."""

SILENT_AGE_S = 10.0
"""Every process reports twice a second or so; one that runs and says nothing for so long stands still."""

WRITER_LAG_S = 20.0
"""A live sink is a second behind at most; one that is further behind does not take what is read."""

EVENT_COUNTS_S = 120.0
"""A finding that is told once, such as a clock that was set, counts against readiness for so long."""

OPEN_PHASE = "continuous"

_FINDINGS = frozenset({"clock_step", "universe_refused"})


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict; `failing` names each thing that is not as it should be, in words."""

    ready: bool
    phase: str
    failing: tuple[str, ...]


def readiness(view: SystemView, now_ns: int) -> Readiness:
    """Judge a view: every process runs, and while the market is open every shard's newest record is young."""
    failing: list[str] = []
    age_s = (now_ns - view.as_of_ns) / NS_PER_S
    if age_s > VIEW_AGE_S:
        failing.append(f"the view is {age_s:.0f} s old")
    if view.supervisor_pid is None:
        failing.append("the supervisor has not reported yet")
    is_open = view.market.phase == OPEN_PHASE
    for row in view.processes:
        problem = _problem(row, is_open, now_ns)
        if problem is not None:
            failing.append(problem)
    failing += [problem for row in view.writers if (problem := _writer_problem(row)) is not None]
    failing += [problem for row in view.disk if (problem := _disk_problem(row)) is not None]
    failing += _findings(view, now_ns)
    return Readiness(ready=not failing, phase=view.market.phase, failing=tuple(failing))


def _problem(row: ProcessRow, is_open: bool, now_ns: int) -> str | None:
    if row.state != "running":
        return f"{row.name} is {row.state}"
    if row.as_of_ns and (now_ns - row.as_of_ns) / NS_PER_S > SILENT_AGE_S:
        return f"{row.name} has not reported for {(now_ns - row.as_of_ns) / NS_PER_S:.0f} s"
    if row.rate_low:
        return f"{row.name}: {row.rate_low}"
    if not is_open or row.kind not in {"swing", "scalp"}:
        return None
    if row.last_record_ns is None:
        return f"{row.name} has no record yet"
    age_s = (now_ns - row.last_record_ns) / NS_PER_S
    allowed_s = SCALP_AGE_S if row.kind == "scalp" else max(SWING_AGE_S, SWEEPS_ALLOWED * (row.sweep_s or 0.0))
    if age_s > allowed_s:
        return f"{row.name}: newest record is {age_s:.0f} s old, expected within {allowed_s:.0f} s"
    return None


def _writer_problem(row: WriterRow) -> str | None:
    """Return what a sink does not do; one that catches up is as it should be, only late."""
    if row.state == "waiting":
        return f"{row.name} cannot write: {row.note or 'its store does not answer'}"
    if row.state == "live" and row.lag_s > WRITER_LAG_S:
        return f"{row.name}: oldest record not yet durable is {row.lag_s:.0f} s old"
    return None


def _disk_problem(row: DiskRow) -> str | None:
    if row.level == "drop" or row.free_bytes <= 0:
        return f"{row.mount} is full ({', '.join(row.purposes)}): {row.measure or 'nothing can be written'}"
    return None


def _findings(view: SystemView, now_ns: int) -> list[str]:
    """Return what was found lately and names no process: each subject once, its newest words."""
    newest = {
        (event.name, event.subject): event
        for event in view.events
        if event.name in _FINDINGS and (now_ns - event.at_ns) / NS_PER_S <= EVENT_COUNTS_S
    }
    return [f"{event.name.replace('_', ' ')}: {event.text}" for event in newest.values()]
