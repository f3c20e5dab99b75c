"""What state a process is in as an operator sees it: one glyph, one severity, and a reason in words.

Pure; the one place where thresholds of "degraded" live.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.view import DiskRow, MarketView, ProcessRow, SystemView, WriterRow
from observer_tui.feed import LinkFacts, LinkState
from observer_tui.lines import Role
from observer_tui.meters import COLLECTING_KINDS, SILENT_NS, Meters
from observer_tui.quantities import age, duration, percent
from observer_tui.words import Words

STALE_AFTER_S = 1.5
"""Age of the newest message from which the screen says so; the core sends at least one a second."""

SHARD_LAG_S = 5.0
SWEEPS_LATE = 3.0
WRITER_LAG_S = 5.0
DISK_FREE_SHARE = 0.10
DISK_FULL_S = 7_200.0
DISK_GROWTH_COUNTS_SHARE = 0.25
"""Free share below which the time to full counts: growth is measured over minutes, a burst must not cry wolf."""

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


GLYPH: dict[Condition, str] = {
    Condition.OK: " ",
    Condition.PAUSED: "=",
    Condition.PASSING: "~",
    Condition.DEGRADED: "!",
    Condition.SILENT: "?",
    Condition.DOWN: "x",
}
ROLE: dict[Condition, Role] = {
    Condition.OK: "ok",
    Condition.PAUSED: "paused",
    Condition.PASSING: "warn",
    Condition.DEGRADED: "warn",
    Condition.SILENT: "warn",
    Condition.DOWN: "bad",
}


class Problem(NamedTuple):
    """One reason why the verdict is not LIVE."""

    condition: Condition
    subject: str
    text: str


class Verdict(NamedTuple):
    """The state of the whole in one word, with its worst reason."""

    word: str
    role: Role
    reason: str
    problems: tuple[Problem, ...]


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


def problems_of(view: SystemView, meters: Meters, now_ns: int, words: Words) -> tuple[Problem, ...]:
    """Return everything that is not as it should be, worst first."""
    found = [problem for row in view.processes if (problem := _process_problem(row, view, now_ns, words))]
    named = {problem.subject for problem in found}
    found += [
        problem for writer in view.writers if writer.name not in named and (problem := _writer_problem(writer, words))
    ]
    for disk in view.disk:
        share = disk.free_bytes / disk.total_bytes if disk.total_bytes else 0.0
        soon = fills_soon(disk)
        if share < DISK_FREE_SHARE or soon:
            left = words("full in {time}", time=duration(disk.time_to_full_s)) if soon else ""
            text = words("{share} free", share=percent(share)) + (f", {left}" if left else "")
            found.append(Problem(Condition.DEGRADED, disk.mount, text))
    if view.gaps.open and not any(row.open_gaps for row in view.processes):
        found.append(Problem(Condition.DEGRADED, "gaps", words("{count} open gaps", count=view.gaps.open)))
    errors = meters.errors_per_minute()
    if errors:
        found.append(Problem(Condition.DEGRADED, "errors", words("{count} errors in the last minute", count=errors)))
    return tuple(sorted(found, key=lambda problem: -problem.condition))


def fills_soon(disk: DiskRow) -> bool:
    """Return whether a mount is well used and will be full within two hours at its present growth."""
    free = disk.free_bytes / disk.total_bytes if disk.total_bytes else 0.0
    return free < DISK_GROWTH_COUNTS_SHARE and disk.time_to_full_s is not None and disk.time_to_full_s < DISK_FULL_S


def _process_problem(row: ProcessRow, view: SystemView, now_ns: int, words: Words) -> Problem | None:
    condition = condition_of(row, view.market, now_ns)
    if condition is Condition.OK:
        return None
    if condition is Condition.SILENT:
        text = words("has not reported for {age}", age=age((now_ns - row.as_of_ns) / NS_PER_S))
    elif condition is Condition.DEGRADED:
        text = degraded_text(row, view.market, words)
    else:
        text = row.state.lower() + (f": {row.note or row.last_exit}" if row.note or row.last_exit else "")
    return Problem(condition, row.name, text)


def degraded_text(row: ProcessRow, market: MarketView, words: Words) -> str:
    """Return why a process is degraded."""
    if is_behind(row):
        return words("{age} behind", age=duration(row.lag)) + (f": {row.note}" if row.note else "")
    if is_late(row, market):
        return words("no record for {age}", age=duration(row.lag))
    return words("{count} open gaps", count=row.open_gaps)


def _writer_problem(writer: WriterRow, words: Words) -> Problem | None:
    state = writer.state.lower()
    if writer.lag_s > WRITER_LAG_S:
        text = words("{age} behind", age=duration(writer.lag_s))
        return Problem(Condition.DEGRADED, writer.name, text + (f": {writer.note}" if writer.note else ""))
    if state == "waiting":
        return Problem(Condition.DEGRADED, writer.name, f"{state}: {writer.note}" if writer.note else state)
    return None


def verdict_of(view: SystemView | None, link: LinkFacts, meters: Meters, now_ns: int, words: Words) -> Verdict:
    """Return the one word that the first line carries."""
    if link.state is LinkState.SKEW:
        return Verdict("SKEW", "bar_bad", link.reason, () if view is None else problems_of(view, meters, now_ns, words))
    if view is None:
        down = link.state is LinkState.DOWN
        return Verdict("DOWN" if down else "CONNECTING", "bar_bad" if down else "bar_warn", link.reason, ())
    problems = problems_of(view, meters, now_ns, words)
    if link.state in (LinkState.DOWN, LinkState.CONNECTING):
        return Verdict("DOWN", "bar_bad", link.reason, problems)
    if is_stale(link):
        return Verdict("STALE", "bar_warn", link.reason or words("no news from the core"), problems)
    if problems:
        worst = problems[0]
        role: Role = "bar_bad" if worst.condition is Condition.DOWN else "bar_warn"
        return Verdict("DEGRADED", role, f"{worst.subject} {worst.text}", problems)
    if view.market.phase == "closed":
        return Verdict("CLOSED", "bar", "", ())
    return Verdict("LIVE", "bar_strong", "", ())


def is_stale(link: LinkFacts) -> bool:
    """Return whether figures must be shown as old."""
    return link.state is not LinkState.LIVE or link.age_s is None or link.age_s > STALE_AFTER_S


def tally(conditions: Sequence[Condition]) -> str:
    """Return how many are in which condition, in glyphs: "10 ok 1! 1~"."""
    parts = [f"{sum(1 for one in conditions if one is Condition.OK)} ok"]
    for condition in (Condition.DOWN, Condition.SILENT, Condition.DEGRADED, Condition.PASSING, Condition.PAUSED):
        number = sum(1 for one in conditions if one is condition)
        if number:
            parts.append(f"{number}{GLYPH[condition]}")
    return " ".join(parts)
