"""Reads other trading hours from a file: the form of the collector's `trading_hours.toml`, read here by itself.

Separate from the collector's own reader, because the exchange is there to check the collector, not to agree with it.
"""

from __future__ import annotations

import tomllib
from datetime import time
from pathlib import Path
from typing import Any, Final

from observer_core.clock import NS_PER_S
from observer_core.errors import ConfigError
from observer_core.kis.simulator.trading_hours import LONGEST_JITTER_S, DayHours

_VENUE: Final = "KRX"
_PRINT_PART: Final = 10 / 11
"""Of the closing auction: 15:30 of 15:20 to 15:31; what is left is for the prints to come in."""
_JITTER_PART: Final = 1 / 3

_Span = tuple[int, int]


def read_hours(path: Path) -> DayHours:
    """Return the newest hours of KRX in a file.

    Raises:
        ConfigError: it cannot be read, or lacks what a day needs.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["hours"]
        table = max((table for table in tables if table["venue"] == _VENUE), key=lambda table: table["since"])
        spans = {span["phase"]: _span(span) for span in table["sessions"]}
        return _hours(spans)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not trading hours of {_VENUE}: {error}") from error
    except KeyError as error:
        raise ConfigError(f"{path}: lacks {error} for {_VENUE}") from error


def _hours(spans: dict[str, _Span]) -> DayHours:
    auction, continuous, closing = spans["opening_auction"], spans["continuous"], spans["closing_auction"]
    print_ns = closing[0] + int((closing[1] - closing[0]) * _PRINT_PART)
    jitter_s = (closing[1] - print_ns) / NS_PER_S * _JITTER_PART
    return DayHours(
        auction[0],
        continuous[0],
        continuous[1],
        print_ns,
        spans.get("closed_price"),
        spans.get("after_market"),
        min(LONGEST_JITTER_S, jitter_s),
    )


def _span(span: dict[str, Any]) -> _Span:
    return _after_midnight_ns(span["from"]), _after_midnight_ns(span["until"])


def _after_midnight_ns(at: time) -> int:
    return (at.hour * 3_600 + at.minute * 60 + at.second) * NS_PER_S
