"""The gaps of the day and which of them are open, folded from gap records in any order. Pure.

Separate from `hub_state` because its input is the data stream (and, after a start, the day's archive), not status.
"""

from observer_core.clock import NS_PER_S, kst_datetime, kst_day
from observer_core.messages import Gap
from observer_core.services.hub_archive import GapLine
from observer_core.view import GapView

NEWEST_SHOWN = 8
_TEXT_LIMIT = 100


class GapBook:
    """Every gap of the present Korean day and every open one, by id."""

    def __init__(self) -> None:
        self._day = 0
        self._today: set[str] = set()
        self._closed: set[str] = set()
        self._open: set[str] = set()
        self._newest: list[tuple[int, str, str]] = []

    def add(self, gap: Gap | GapLine, now_ns: int) -> None:
        """Take one gap record; the same gap may come again, also open after closed."""
        self._roll(now_ns)
        if kst_day(gap.from_ns) == self._day or kst_day(gap.opened_ns) == self._day:
            self._today.add(gap.gap_id)
        if gap.until_ns is not None:
            self._closed.add(gap.gap_id)
            self._open.discard(gap.gap_id)
        elif gap.gap_id not in self._closed:
            self._open.add(gap.gap_id)
        else:
            return
        self._newest = [entry for entry in self._newest if entry[1] != gap.gap_id]
        self._newest.append((gap.opened_ns, gap.gap_id, _text(gap)))
        self._newest.sort(reverse=True)
        del self._newest[NEWEST_SHOWN:]

    def view(self, now_ns: int) -> GapView:
        """Return the counts and the newest gaps as of now."""
        self._roll(now_ns)
        return GapView(
            open=len(self._open),
            today=len(self._today),
            newest=tuple(text for _, _, text in self._newest),
            as_of_ns=now_ns,
        )

    def _roll(self, now_ns: int) -> None:
        """Begin a new day: counts start again, open gaps stay."""
        day = kst_day(now_ns)
        if day == self._day:
            return
        self._day = day
        self._today = set(self._open)
        self._closed = set()


def _text(gap: Gap | GapLine) -> str:
    since = f"{kst_datetime(gap.from_ns):%H:%M:%S}"
    until = "open" if gap.until_ns is None else f"{(gap.until_ns - gap.from_ns) / NS_PER_S:.1f} s"
    symbols = gap.symbols[0] if len(gap.symbols) == 1 else f"{len(gap.symbols)} symbols"
    text = f"{since} {gap.reason} {symbols} {until}"
    return f"{text} {gap.detail}".strip()[:_TEXT_LIMIT]
