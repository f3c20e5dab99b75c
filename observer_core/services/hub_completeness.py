"""How complete the day is, track by track, with its worst symbols, and the days before: what the page of gaps asks.

Separate from `hub_gaps`, which folds the stream: this reads files, in a thread, and only while somebody looks. What it
found is kept; of the archive only what is new is read again, and of the days before one at a time.
"""

from typing import NamedTuple

from msgspec.structs import replace

from observer_core.archive.manifest import read_manifest
from observer_core.archive.standing import sealed_days
from observer_core.archive.verdicts import read_verdict
from observer_core.clock import NS_PER_S, Clock, kst_day, kst_midnight_ns
from observer_core.details import DayShare, TrackShare, WorstSymbol
from observer_core.http.symbols import SymbolCompleteness
from observer_core.ids import DayNumber
from observer_core.messages import GapReason
from observer_core.paths import Paths
from observer_core.services.calendar_watch import CalendarWatch
from observer_core.services.hub_archive import GapArchive, GapLine
from observer_core.services.symbol_completeness import DayCompleteness, gaps_of_day, newest_gaps, swept, together
from observer_core.services.universe_files import read_universe

MEASURED_EVERY_NS = 10 * NS_PER_S
WORTH = 20
"""A measurement that took long is repeated no sooner than so many times as long after it."""
WORST_SHOWN = 50
DAYS_SHOWN = 14
UNSEALED_KEPT_NS = 600 * NS_PER_S
"""A day that is over but not sealed yet may still change."""
_NS_PER_DAY = 24 * 3_600 * NS_PER_S


class Standing(NamedTuple):
    """What was measured."""

    tracks: tuple[TrackShare, ...] = ()
    worst: tuple[WorstSymbol, ...] = ()
    """Without names."""
    days: tuple[DayShare, ...] = ()
    measured_ns: int | None = None


class CompletenessBook:
    """Measures when asked, and knows when it is worth it. One call at a time."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._calendar = CalendarWatch(paths, clock)
        self._archive = GapArchive(paths.data)
        self._day = DayNumber(0)
        self._gaps: dict[str, GapLine] = {}
        self._ended: set[str] = set()
        """Gaps of the day before: what opened them may be read again."""
        self._shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        """Equal lists of symbols as one object, over all readings."""
        self._past: dict[DayNumber, tuple[int, DayShare]] = {}
        """When each was measured."""
        self._due_ns: int | None = None
        self.standing = Standing()

    def is_due(self) -> bool:
        """Return whether to measure again."""
        return self._due_ns is None or self._clock.monotonic_ns() >= self._due_ns

    def measure(self) -> None:
        """Measure the day so far, and one day before that is not known yet. Blocks.

        Raises:
            OSError: a file of the archive's standing cannot be read now.
        """
        begun_ns = self._clock.monotonic_ns()
        now_ns = self._clock.now_ns()
        try:
            self._follow(now_ns)
            day = DayCompleteness(self._paths, self._calendar.current(), now_ns, self._gaps.values())
            figures = [figure for symbol in day.symbols for figure in day.of(symbol)]
            self.standing = Standing(_tracks(figures), _worst(day, figures), self._days(now_ns), now_ns)
        finally:
            ended_ns = self._clock.monotonic_ns()
            self._due_ns = ended_ns + max(MEASURED_EVERY_NS, WORTH * (ended_ns - begun_ns))

    def _follow(self, now_ns: int) -> None:
        """Take what the archive has of gaps since the last look."""
        day = kst_day(now_ns)
        if day != self._day:
            self._day = day
            self._ended = {gap_id for gap_id, gap in self._gaps.items() if gap.until_ns is not None}
            self._gaps = {gap_id: gap for gap_id, gap in self._gaps.items() if gap.until_ns is None}
            self._shared = {gap.symbols: gap.symbols for gap in self._gaps.values()}
        lines = [
            replace(gap, symbols=self._shared.setdefault(gap.symbols, gap.symbols))
            for gap in self._archive.read_all(now_ns)
            if gap.until_ns is not None or gap.gap_id not in self._ended
        ]
        self._gaps = newest_gaps(lines, self._gaps)

    def _days(self, now_ns: int) -> tuple[DayShare, ...]:
        wanted = [day for day in reversed(sealed_days(self._paths)) if day < self._day][:DAYS_SHOWN]
        self._past = {day: known for day, known in self._past.items() if day in wanted}
        for day in wanted:
            known = self._past.get(day)
            if known is None or not (known[1].sealed or now_ns - known[0] < UNSEALED_KEPT_NS):
                self._past[day] = now_ns, self._measured(day)
                break
        return tuple(self._past[day][1] for day in wanted if day in self._past)

    def _measured(self, day: DayNumber) -> DayShare:
        last_ns = kst_midnight_ns(day) + _NS_PER_DAY - 1
        manifest = read_manifest(self._paths.manifest(day), day)
        gaps = gaps_of_day(self._paths, last_ns)
        universe = read_universe(self._paths, day)
        codes = () if universe is None else tuple(member.code for member in universe.members)
        found = swept(gaps, codes, self._calendar.current(), last_ns)
        return DayShare(
            day=day,
            sealed=manifest.complete,
            rows=sum(file.rows for file in manifest.files.values()),
            anomalies=tuple(read_verdict(self._paths.anomaly(day), day).rules.values()),
            swept_percent=None if found is None else found.together,
            gaps=len(gaps),
            missed_volume=sum(gap.missed_volume or 0 for gap in gaps if gap.reason == GapReason.CONTINUITY),
        )


def _tracks(figures: list[SymbolCompleteness]) -> tuple[TrackShare, ...]:
    found = []
    for track in sorted({figure.track for figure in figures}):
        known = [figure for figure in figures if figure.track == track and figure.percent is not None]
        proved = [figure for figure in known if figure.basis == "volume"]
        found.append(
            TrackShare(
                track=track,
                percent=together(known),
                basis=next((figure.basis for figure in figures if figure.track == track), ""),
                symbols=len(known),
                incomplete=sum(1 for figure in known if _is_incomplete(figure)),
                executed=sum(figure.executed or 0 for figure in proved) if proved else None,
                missed=sum(figure.missed or 0 for figure in proved) if proved else None,
            )
        )
    return tuple(found)


def _is_incomplete(figure: SymbolCompleteness) -> bool:
    return figure.percent is not None and figure.percent < 100


def _worst(day: DayCompleteness, figures: list[SymbolCompleteness]) -> tuple[WorstSymbol, ...]:
    short = sorted(
        (figure for figure in figures if _is_incomplete(figure)),
        key=lambda figure: (figure.percent or 0.0, -(figure.missed or 0), figure.symbol),
    )
    found = []
    for figure in short[:WORST_SHOWN]:
        reason, is_open = day.cause(figure)
        found.append(
            WorstSymbol(
                code=figure.symbol,
                name="",
                track=figure.track,
                percent=figure.percent or 0.0,
                basis=figure.basis,
                missed=figure.missed,
                reason=reason,
                is_open=is_open,
            )
        )
    return tuple(found)
