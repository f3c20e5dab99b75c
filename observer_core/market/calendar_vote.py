"""Is today a session? Three sources vote: the calendar, the broker, and the tape. Pure.

The calendar library was wrong about real days (2026-07-17), so none of the three is believed alone: where they
disagree, an alarm is raised and the day is collected, because an idle sweep costs nothing.
"""

from typing import NamedTuple

from observer_core.market.phases import Phase

SILENT_LIMIT_S = 1_800.0
"""So long without a trade in continuous hours is no circuit breaker any more (20 min halt and 10 min auction)."""

TAPE_MINIMUM_SYMBOLS = 30
"""Fewer symbols prove nothing by their silence."""

TRADED_MINIMUM_SYMBOLS = 2
"""One symbol whose volume changes outside the calendar's hours may be a correction of the broker's."""


class DayVote(NamedTuple):
    """The outcome."""

    collect: bool
    agreed: bool
    text: str


def vote(calendar: bool, broker: bool | None, tape: bool | None) -> DayVote:
    """Judge whether a day is a session.

    Args:
        calendar: what tables and overrides say; an operator's override has replaced the table's word already.
        broker: what chk-holiday says; None = not asked or no answer.
        tape: True when trades arrive, False when nobody trades where one should; None = too early to say.
    """
    said = {"calendar": calendar, "broker": broker, "tape": tape}
    known = {name: word for name, word in said.items() if word is not None}
    opens = [name for name, word in known.items() if word]
    closes = [name for name, word in known.items() if not word]
    if not opens or not closes:
        return DayVote(calendar, True, f"{', '.join(known)}: {'open' if calendar else 'closed'}")
    return DayVote(True, False, f"{_say(opens)} open, {_say(closes)} closed: collecting")


def _say(names: list[str]) -> str:
    return f"{' and '.join(names)} {'says' if len(names) == 1 else 'say'}"


class Tape:
    """What the trading of one sweep's symbols says about the day; fed with cumulative volumes."""

    def __init__(self) -> None:
        self._volumes: dict[str, int] = {}
        self._silent_since_ns: int | None = None
        self._traded: set[str] = set()

    def add(self, symbol: str, cumulative_volume: int) -> None:
        """Take one observation; a volume that grew since the last one is a trade."""
        before = self._volumes.get(symbol)
        self._volumes[symbol] = cumulative_volume
        if before is not None and cumulative_volume > before:
            self._traded.add(symbol)

    def judge(self, phase: Phase, now_ns: int) -> bool | None:
        """Return the tape's vote after a sweep: True trades arrive, False nobody trades, None cannot say.

        Outside the continuous phase silence says nothing; while the calendar says closed, trades say a lot.
        """
        traded = len(self._traded)
        self._traded.clear()
        if traded >= TRADED_MINIMUM_SYMBOLS:
            self._silent_since_ns = now_ns if phase is Phase.CONTINUOUS else None
            return True
        if phase is not Phase.CONTINUOUS or len(self._volumes) < TAPE_MINIMUM_SYMBOLS:
            self._silent_since_ns = None
            return None
        if traded or self._silent_since_ns is None:
            self._silent_since_ns = now_ns
        return False if now_ns - self._silent_since_ns >= SILENT_LIMIT_S * 1e9 else None
