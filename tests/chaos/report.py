"""The table of a chaos run: fault, times injected, times survived, lost, doubled, longest gap, recovery time."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median

from observer_core.audit.archive import Covered
from observer_core.audit.books import Books
from observer_core.clock import NS_PER_S
from tests.chaos.engine import Injection
from tests.chaos.slopes import Slope


@dataclass(slots=True)
class Line:
    """One fault class over a whole run."""

    injected: int = 0
    survived: int = 0
    skipped: int = 0
    lost: int = 0
    doubled: int = 0
    longest_gap_s: float = 0.0
    recoveries_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def tabulate(injections: list[Injection], books: Books) -> dict[str, Line]:
    """Return the lines by fault. What is lost, doubled or missing belongs to the last fault begun before it."""
    lines: dict[str, Line] = defaultdict(Line)
    for injection in injections:
        line = lines[injection.fault]
        if injection.skipped:
            line.skipped += 1
            continue
        line.injected += 1
        line.survived += not injection.problem
        if injection.problem:
            line.problems.append(injection.problem)
        if injection.recovery_s is not None:
            line.recoveries_s.append(injection.recovery_s)
    real = sorted((entry for entry in injections if not entry.skipped), key=lambda entry: entry.begun_ns)
    begins = [entry.begun_ns for entry in real]

    def blamed(at_ns: int) -> Line:
        position = bisect_right(begins, at_ns) - 1
        return lines[real[position].fault] if position >= 0 else lines["(before the first fault)"]

    for at_ns in books.lost_ns:
        blamed(at_ns).lost += 1
    for at_ns in books.doubled_ns:
        blamed(at_ns).doubled += 1
    _blame_gaps(lines, real, books.outages)
    return lines


def _blame_gaps(lines: dict[str, Line], real: list[Injection], outages: list[Covered]) -> None:
    """Give every closed gap to the fault that may have caused it: a restart's to a death, others to the rest."""
    deaths = [entry for entry in real if _ends_a_shard(entry.fault)]
    others = [entry for entry in real if not _ends_a_shard(entry.fault)]
    for gap in outages:
        if gap.until_ns is None:
            continue
        # A gap begins a little before its cause, and reaches back to the last observation.
        candidates = [
            entry
            for entry in (deaths if gap.reason == "restart" else others)
            if gap.from_ns - NS_PER_S <= entry.ended_ns and entry.begun_ns <= gap.until_ns
        ]
        if candidates:
            line = lines[candidates[0].fault]
            line.longest_gap_s = max(line.longest_gap_s, (gap.until_ns - gap.from_ns) / NS_PER_S)


def _ends_a_shard(fault: str) -> bool:
    """Return whether a fault of this name can end or hold up a collecting process."""
    return any(word in fault for word in ("swing", "scalp", "supervisor", "journal tail", "hangs"))


def table(lines: dict[str, Line]) -> str:
    """Return the table as text."""
    head = (
        f"{'fault':<46}{'injected':>9}{'survived':>9}{'skipped':>8}{'lost':>6}{'doubled':>8}"
        f"{'longest gap s':>14}{'recovery s: median':>19}{'slowest':>9}"
    )
    rows = [head]
    for name, line in sorted(lines.items()):
        recoveries = line.recoveries_s
        middle, slowest = (f"{median(recoveries):.2f}", f"{max(recoveries):.2f}") if recoveries else ("-", "-")
        rows.append(
            f"{name:<46}{line.injected:>9}{line.survived:>9}{line.skipped:>8}{line.lost:>6}{line.doubled:>8}"
            f"{line.longest_gap_s:>14.2f}{middle:>19}{slowest:>9}"
        )
    rows += [f"NOT SURVIVED {name}: {problem}" for name, line in sorted(lines.items()) for problem in line.problems[:5]]
    return "\n".join(rows)


def slope_table(slopes: list[Slope]) -> str:
    """Return the slopes as text."""
    rows = [f"{'growth over the run, after warm-up':<36}{'samples':>8}{'typical':>10}{'growth':>10}{'limit':>9}"]
    for slope in slopes:
        verdict = "" if slope.flat else "   NOT FLAT"
        rows.append(
            f"{slope.subject:<36}{slope.samples:>8}{slope.typical:>10.2f}{slope.growth:>10.2f}{slope.limit:>9.2f}{verdict}"
        )
    return "\n".join(rows)
