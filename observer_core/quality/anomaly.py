"""Whether a day was anomalous, and by which of the stated rules; its raw data is then kept longer. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

RECONNECTS: Final = 20
DISCONNECTED_S: Final = 600.0
LONG_GAP_S: Final = 60.0
LONG_GAPS: Final = 2
RATE_SHARE: Final = 0.97
RATE_LOW_S: Final = 300.0
CPU_SHARE: Final = 0.9
CPU_HIGH_S: Final = 300.0
DISK_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFacts:
    """What is known about one day; shares are between 0 and 1."""

    reconnects: int = 0
    disconnected_s: float = 0.0
    """Longest sum of one appkey's stream outages."""
    gaps_s: tuple[float, ...] = ()
    """Length of every gap of the day."""
    low_rate_s: float = 0.0
    """Longest time below `RATE_SHARE` of the expected rate."""
    high_cpu_s: float = 0.0
    """Longest time above `CPU_SHARE` of the granted processor."""
    disk_share: float = 0.0
    """Fullest that any of our volumes was."""
    failed_loads: int = 0
    failed_backups: int = 0
    declared: str = ""
    """An operator's reason for calling the day anomalous."""


class DayRule(NamedTuple):
    """One line of the table."""

    id: str
    applies: Callable[[DayFacts], bool]
    meaning: str
    found: Callable[[DayFacts], str]
    """What of it was found, in figures."""


DAY_RULES: Final[tuple[DayRule, ...]] = (
    DayRule(
        "reconnects",
        lambda d: d.reconnects >= RECONNECTS,
        "20 reconnects or more",
        lambda d: f"{d.reconnects} reconnects",
    ),
    DayRule(
        "disconnected",
        lambda d: d.disconnected_s >= DISCONNECTED_S,
        "10 minutes or more without a stream",
        lambda d: f"{d.disconnected_s:.0f} s without a stream",
    ),
    DayRule(
        "long_gaps",
        lambda d: len(_long(d)) >= LONG_GAPS,
        "two or more gaps of at least a minute",
        lambda d: f"{len(_long(d))} gaps of at least a minute, the longest {max(d.gaps_s):.0f} s",
    ),
    DayRule(
        "low_rate",
        lambda d: d.low_rate_s >= RATE_LOW_S,
        "below 97 % of the expected rate for 5 minutes",
        lambda d: f"below the expected rate for {d.low_rate_s:.0f} s",
    ),
    DayRule(
        "cpu",
        lambda d: d.high_cpu_s >= CPU_HIGH_S,
        "the processor was exhausted for 5 minutes",
        lambda d: f"the processor was exhausted for {d.high_cpu_s:.0f} s",
    ),
    DayRule(
        "disk",
        lambda d: d.disk_share > DISK_SHARE,
        "a disk was more than 80 % full",
        lambda d: f"a disk was {100 * d.disk_share:.0f} % full",
    ),
    DayRule(
        "failed_load",
        lambda d: d.failed_loads > 0,
        "rows were refused by the database",
        lambda d: f"{d.failed_loads} rows were refused by the database",
    ),
    DayRule(
        "failed_backup",
        lambda d: d.failed_backups > 0,
        "a backup failed",
        lambda d: f"{d.failed_backups} backups failed",
    ),
    DayRule("declared", lambda d: bool(d.declared), "an operator said so", lambda d: d.declared),
)


def findings(day: DayFacts) -> dict[str, str]:
    """Return what was found by each rule that makes a day anomalous."""
    return {rule.id: rule.found(day) for rule in DAY_RULES if rule.applies(day)}


def _long(day: DayFacts) -> list[float]:
    return [length_s for length_s in day.gaps_s if length_s >= LONG_GAP_S]
