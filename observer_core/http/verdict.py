"""The state of the whole in one word, and everything an operator should look at: the one home for consoles and scripts.

Separate from `readiness`, which says whether the session's expectations are met: what fails there is a problem here,
too, but a gap that is open or a process that is restarted is a problem without the service being unready. Pure.
"""

from enum import IntEnum
from typing import NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.http.readiness import readiness
from observer_core.view import DiskRow, MarketView, ProcessRow, SystemView, WriterRow

SILENT_NS = 3 * NS_PER_S
"""A process that has not reported for this long is called silent."""
SHARD_LAG_S = 5.0
SWEEPS_LATE = 3.0
WRITER_LAG_S = 5.0
DISK_FREE_SHARE = 0.10
DISK_FULL_S = 7_200.0
DISK_GROWTH_COUNTS_SHARE = 0.25
"""Free share below which the time to full counts: growth is measured over minutes, a burst must not cry wolf."""

COLLECTING_KINDS = frozenset({"swing", "scalp"})
_OPEN_PHASES = frozenset({"continuous"})
_RUNNING = frozenset({"running", "collecting", "live", "ready"})
_PASSING = frozenset({"starting", "stopping", "restarting", "waiting", "catching_up", "spawning"})


class Condition(IntEnum):
    """Order of severity: the larger, the sooner an operator must look."""

    OK = 0
    PAUSED = 1
    PASSING = 2
    DEGRADED = 3
    SILENT = 4
    DOWN = 5


class Problem(NamedTuple):
    """One reason why the verdict is not LIVE; `form` with `values` filled in is the sentence."""

    condition: Condition
    subject: str
    form: str
    values: dict[str, str | int | float | None]
    """Seconds under names that end in `_s`, shares in `_share`, the rest as it is."""


class Verdict(NamedTuple):
    """The word and its reasons, the worst first."""

    word: str
    """"LIVE", "CLOSED" or "DEGRADED"."""
    problems: tuple[Problem, ...]
    ready: bool


def verdict(view: SystemView, now_ns: int) -> Verdict:
    """Return the verdict on a view that is fresh."""
    problems = problems_of(view, now_ns)
    ready = readiness(view, now_ns).ready
    word = "DEGRADED" if problems else "CLOSED" if view.market.phase == "closed" else "LIVE"
    return Verdict(word, problems, ready)


def condition_of(row: ProcessRow, market: MarketView, now_ns: int) -> Condition:
    """Return the condition of one process."""
    state = row.state.lower()
    if state == "paused":
        return Condition.PAUSED
    if state in _PASSING:
        return Condition.PASSING
    if state not in _RUNNING:
        return Condition.DOWN
    if row.as_of_ns and now_ns - row.as_of_ns > SILENT_NS:
        return Condition.SILENT
    if row.open_gaps or is_late(row, market) or is_behind(row):
        return Condition.DEGRADED
    return Condition.OK


def is_late(row: ProcessRow, market: MarketView) -> bool:
    """Return whether a collecting process should have a newer record than it has."""
    if row.kind not in COLLECTING_KINDS or row.lag is None or not is_open(market) or not row.symbols:
        return False
    return row.lag > max(SHARD_LAG_S, SWEEPS_LATE * (row.sweep_s or 0.0))


def is_behind(row: ProcessRow) -> bool:
    """Return whether a writer has records that wait too long to be durable."""
    return row.kind == "writer" and row.lag is not None and row.lag > WRITER_LAG_S


def is_open(market: MarketView) -> bool:
    """Return whether prices are expected to move."""
    return market.phase in _OPEN_PHASES or (market.forced and market.phase != "closed")


def fills_soon(disk: DiskRow) -> bool:
    """Return whether a mount is well used and will be full within two hours at its present growth."""
    free = disk.free_bytes / disk.total_bytes if disk.total_bytes else 0.0
    return free < DISK_GROWTH_COUNTS_SHARE and disk.time_to_full_s is not None and disk.time_to_full_s < DISK_FULL_S


def problems_of(view: SystemView, now_ns: int) -> tuple[Problem, ...]:
    """Return everything that is not as it should be, worst first."""
    found = [problem for row in view.processes if (problem := _of_process(row, view, now_ns))]
    named = {problem.subject for problem in found}
    found += [one for row in view.writers if row.name not in named and (one := _of_writer(row))]
    found += [problem for disk in view.disk if (problem := _of_disk(disk))]
    if view.gaps.open and not any(row.open_gaps for row in view.processes):
        found.append(Problem(Condition.DEGRADED, "gaps", _open_gaps(view.gaps.open), {"count": view.gaps.open}))
    errors = sum(row.errors_minute for row in view.processes)
    if errors:
        form = "1 error in the last minute" if errors == 1 else "{count} errors in the last minute"
        found.append(Problem(Condition.DEGRADED, "errors", form, {"count": errors}))
    subjects = {problem.subject for problem in found}
    for text in readiness(view, now_ns).failing:
        subject = text.split(":")[0].split()[0]
        if subject not in subjects:
            found.append(Problem(Condition.DEGRADED, "", "{text}", {"text": text}))
    return tuple(sorted(found, key=lambda problem: -problem.condition))


def degraded_form(row: ProcessRow, market: MarketView) -> tuple[str, dict[str, str | int | float | None]]:
    """Return why a process is degraded: sentence and values."""
    if is_behind(row):
        return ("{age_s} behind: {note}", {"age_s": row.lag, "note": row.note}) if row.note else (
            "{age_s} behind", {"age_s": row.lag}
        )  # fmt: skip
    if is_late(row, market):
        return "no record for {age_s}", {"age_s": row.lag}
    return _open_gaps(row.open_gaps), {"count": row.open_gaps}


def _open_gaps(count: int) -> str:
    return "1 open gap" if count == 1 else "{count} open gaps"


def _of_process(row: ProcessRow, view: SystemView, now_ns: int) -> Problem | None:
    condition = condition_of(row, view.market, now_ns)
    if condition is Condition.OK:
        return None
    if condition is Condition.SILENT:
        silent_s = (now_ns - row.as_of_ns) / NS_PER_S
        return Problem(condition, row.name, "has not reported for {age_s}", {"age_s": silent_s})
    if condition is Condition.DEGRADED:
        return Problem(condition, row.name, *degraded_form(row, view.market))
    note = row.note or row.last_exit
    form = "{state}: {note}" if note else "{state}"
    return Problem(condition, row.name, form, {"state": row.state.lower(), "note": note})


def _of_writer(row: WriterRow) -> Problem | None:
    if row.lag_s > WRITER_LAG_S:
        form = "{age_s} behind: {note}" if row.note else "{age_s} behind"
        return Problem(Condition.DEGRADED, row.name, form, {"age_s": row.lag_s, "note": row.note})
    if row.state.lower() == "waiting":
        form = "{state}: {note}" if row.note else "{state}"
        return Problem(Condition.DEGRADED, row.name, form, {"state": row.state.lower(), "note": row.note})
    return None


def _of_disk(disk: DiskRow) -> Problem | None:
    share = disk.free_bytes / disk.total_bytes if disk.total_bytes else 0.0
    soon = fills_soon(disk)
    if share >= DISK_FREE_SHARE and not soon:
        return None
    form = "{free_share} free, full in {left_s}" if soon else "{free_share} free"
    return Problem(Condition.DEGRADED, disk.mount, form, {"free_share": share, "left_s": disk.time_to_full_s})
