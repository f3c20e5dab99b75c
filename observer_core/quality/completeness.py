"""How much of a day is here, in per cent: by volume where the exchange proves it, else by time without gaps. Pure.

Two measures, because a sweep has no cumulative proof: a missing minute of it can only be counted as time.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from observer_core.quality.continuity import Tally


class Span(Protocol):
    """What is needed of a gap record, or of an archived line of one."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return which symbols were not observed."""
        ...

    @property
    def from_ns(self) -> int:
        """Return since when."""
        ...

    @property
    def until_ns(self) -> int | None:
        """Return until when; None = still."""
        ...


class Measure(NamedTuple):
    """Completeness of several symbols together and of each, in per cent."""

    together: float | None
    by_symbol: dict[str, float]


def by_volume(tallies: Mapping[str, Tally]) -> Measure:
    """Return what is here of the volume that the exchange reported; symbols without trades have no figure."""
    by_symbol = {symbol: share for symbol, tally in tallies.items() if (share := tally.completeness) is not None}
    total = Tally(sum(t.observed for t in tallies.values()), sum(t.missed for t in tallies.values()))
    return Measure(total.completeness, by_symbol)


def by_time(gaps: Iterable[Span], symbols: Iterable[str], from_ns: int, until_ns: int) -> Measure:
    """Return the share of a period in which the symbols were observed; overlapping gaps count once."""
    wanted = sorted(set(symbols))
    if until_ns <= from_ns or not wanted:
        return Measure(None, {})
    own: dict[str, list[Span]] = defaultdict(list)
    for gap in gaps:
        for symbol in gap.symbols:
            own[symbol].append(gap)
    by_symbol = {symbol: observed_share(own.get(symbol, ()), from_ns, until_ns) for symbol in wanted}
    return Measure(sum(by_symbol.values()) / len(by_symbol), by_symbol)


def observed_share(gaps: Iterable[Span], from_ns: int, until_ns: int) -> float:
    """Return the share of a period that lies in none of the gaps, which are of one symbol; the period has a length."""
    parts = [(max(gap.from_ns, from_ns), until_ns if gap.until_ns is None else gap.until_ns) for gap in gaps]
    lost_ns = _length_ns((start, min(end, until_ns)) for start, end in parts)
    return 100.0 * (1 - lost_ns / (until_ns - from_ns))


def by_answers(asked: int, answered: int) -> float | None:
    """Return the share of asked symbols that were answered; None before any was asked for."""
    return 100.0 * answered / asked if asked else None


def _length_ns(spans: Iterable[tuple[int, int]]) -> int:
    total = reached = 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
