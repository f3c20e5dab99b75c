"""The hours of a compressed day: every phase of a real one, one after the other, beginning soon. Pure.

The collector and the exchange read the same file, each by its own code; nobody's clock runs faster.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from observer_core.clock import NS_PER_S, kst_datetime, kst_day, kst_midnight_ns

PHASES = ("opening_auction", "continuous", "closing_auction", "closed_price", "after_market")
LENGTHS_S = {"opening_auction": 4, "continuous": 44, "closing_auction": 8, "closed_price": 4, "after_market": 6}
_DAY_S = 86_400


class Timetable(NamedTuple):
    """When each phase begins, wall clock; the last entry is the close."""

    day: str
    begins_ns: dict[str, int]
    text: str
    """What the file says."""


def seconds_to_wait(now_ns: int, lead_s: float, scale: int) -> float:
    """Return how long to wait so that the whole day lies before midnight; 0 nearly always."""
    left_s = _DAY_S - (now_ns - kst_midnight_ns(kst_day(now_ns))) / NS_PER_S
    needed_s = lead_s + sum(LENGTHS_S.values()) * scale + 60
    return left_s + 1 if left_s < needed_s else 0.0


def compressed_day(now_ns: int, lead_s: float, scale: int = 1) -> Timetable:
    """Return a day whose opening auction begins in `lead_s`; `scale` stretches the phases."""
    at = kst_datetime(now_ns + int(lead_s * NS_PER_S)).replace(microsecond=0) + timedelta(seconds=1)
    begins_ns = {"pre_open": now_ns}
    spans = [_span("pre_open", _midnight(at), at)]
    for phase in PHASES:
        until = at + timedelta(seconds=LENGTHS_S[phase] * scale)
        begins_ns[phase] = int(at.timestamp()) * NS_PER_S
        spans.append(_span(phase, at, until))
        at = until
    begins_ns["closed"] = int(at.timestamp()) * NS_PER_S
    lines = ["[[hours]]", 'venue = "KRX"', "since = 2000-01-01", "sessions = [", *spans, "]", ""]
    return Timetable(f"{at:%Y-%m-%d}", begins_ns, "\n".join(lines))


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0)


def _span(phase: str, from_: datetime, until: datetime) -> str:
    return f'    {{ phase = "{phase}", from = {from_:%H:%M:%S}, until = {until:%H:%M:%S} }},'
