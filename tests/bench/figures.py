"""Figures of a run: medians with their targets, the table, and the comparison with an earlier run. Pure."""

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

REGRESSION = 0.10
"""A figure that is worse by more than this is named."""


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measure, run several times."""

    name: str
    unit: str
    values: tuple[float, ...]
    target: float | None = None
    more_is_better: bool = False
    peer: bool = False
    """Somebody else's, measured for the ratio: it has no target and regresses without us."""
    note: str = ""

    @property
    def value(self) -> float:
        """Return the median of the runs."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Return whether the target is met, None when there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.more_is_better else self.value <= self.target


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How quiet the machine was: the same loop, timed over and over by the wall and by the processor."""

    wall_over_cpu: float
    """1.0 = the loop had a core for itself."""
    spread: float
    """Of the processor time of equal loops: (90th percentile - median) / median."""
    load_average: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one run."""

    commit: str
    at: str
    machine: str
    note: str
    before: Noise
    after: Noise
    figures: tuple[Figure, ...]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as aligned lines."""
    lines = [f"{'':58}{'median':>12} {'unit':<9}{'lowest':>11}{'highest':>11}{'target':>11}  met"]
    for figure in figures:
        target = "" if figure.target is None else f"{'≥' if figure.more_is_better else '≤'} {_number(figure.target)}"
        met = {None: "", True: "yes", False: "NO"}[figure.met]
        ends = f"{_number(min(figure.values)):>11}{_number(max(figure.values)):>11}"
        name = f"  ({figure.name})" if figure.peer else figure.name
        lines.append(f"{name:58}{_number(figure.value):>12} {figure.unit:<9}{ends}{target:>11}  {met}".rstrip())
        if figure.note:
            lines.append(f"    {figure.note}")
    return "\n".join(lines)


def regressions(before: Iterable[Figure], now: Iterable[Figure]) -> list[str]:
    """Name our own figures that got worse than before by more than `REGRESSION`."""
    former = {figure.name: figure for figure in before if not figure.peer}
    found = []
    for figure in now:
        old = former.get(figure.name)
        if old is None or figure.peer or not old.value or not figure.value:
            continue
        ratio = old.value / figure.value if figure.more_is_better else figure.value / old.value
        if ratio > 1 + REGRESSION:
            worse = f"{_number(old.value)} → {_number(figure.value)} {figure.unit}"
            found.append(f"{figure.name}: {worse}, {ratio - 1:.0%} worse")
    return found


def drift(before: Iterable[Figure], now: Iterable[Figure]) -> float | None:
    """Return the factor by which others' code takes longer than before: that is the machine's; None = not measured."""
    former = {figure.name: figure.value for figure in before if figure.peer and figure.unit.startswith("µs")}
    ratios = [figure.value / former[figure.name] for figure in now if figure.peer and former.get(figure.name)]
    return median(ratios) if ratios else None


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
