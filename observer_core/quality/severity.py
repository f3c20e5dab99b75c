"""How bad a gap is by its length: the one home of the thresholds; a test holds the database's to them."""

from enum import StrEnum
from typing import Final

from observer_core.clock import NS_PER_S

MINOR_FROM_S: Final = 10
MAJOR_FROM_S: Final = 60
CRITICAL_FROM_S: Final = 300


class Severity(StrEnum):
    """Shorter than minor is brief: recorded and counted, nobody is called."""

    BRIEF = "brief"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


def severity_of(from_ns: int, until_ns: int) -> Severity:
    """Return the severity of a gap; for an open one pass the present instant as its end."""
    length_ns = until_ns - from_ns
    if length_ns >= CRITICAL_FROM_S * NS_PER_S:
        return Severity.CRITICAL
    if length_ns >= MAJOR_FROM_S * NS_PER_S:
        return Severity.MAJOR
    return Severity.MINOR if length_ns >= MINOR_FROM_S * NS_PER_S else Severity.BRIEF
