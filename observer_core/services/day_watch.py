"""Watching over the present day for the rules that call it anomalous: its verdict is written when the first one holds.

Separate from the archive keeper, which only acts on the verdict. What the archive says is read from the system files as
they grow; processor and disks are measured here. A day that ended while nobody watched is judged at the next start.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

import msgspec

from observer_core.archive.verdicts import add_rules
from observer_core.archive.volumes import measure
from observer_core.clock import NS_PER_S, Clock, kst_datetime, kst_day, kst_midnight_ns
from observer_core.ids import DayNumber, SinkName
from observer_core.quality.anomaly import CPU_SHARE, DayFacts, findings
from observer_core.quality.day_book import DayBook, Stretch
from observer_core.services.calendar_watch import CalendarWatch
from observer_core.services.hub_archive import SystemArchive
from observer_core.services.pressure import PressureGauge
from observer_core.services.shard_disk import watched
from observer_core.settings import Settings
from observer_core.sinks.dead_letters import DeadLetterFile

logger = logging.getLogger(__name__)

Tell = Callable[[str, str, str, str], Awaitable[None]]

LOOK_S = 10.0
_DAY_NS = 86_400 * NS_PER_S
_LETTERS = SinkName("postgres")


class DayLine(msgspec.Struct, frozen=True, gc=False):
    """An archived gap record or event."""

    kind: str
    gap_id: str = ""
    reason: str = ""
    from_ns: int = 0
    until_ns: int | None = None
    at_ns: int = 0
    name: str = ""
    severity: str = ""
    subject: str = ""


_decoder = msgspec.json.Decoder(DayLine)


class DayWatch:
    """Judges the present day every few seconds, and the one before once at the start."""

    def __init__(self, settings: Settings, clock: Clock, tell: Tell) -> None:
        self._settings = settings
        self._paths = settings.paths
        self._clock = clock
        self._tell = tell
        self._calendar = CalendarWatch(settings.paths, clock)
        self._archive = SystemArchive(settings.paths.data, lambda: _pick)
        self._gauge = PressureGauge()
        self._busy_since_ns: int | None = None
        self._high_cpu_s = 0.0
        self._day = kst_day(clock.now_ns())
        self._book = DayBook()

    async def run(self) -> None:
        """Judge until cancelled."""
        judge = self.judge_yesterday
        while True:
            try:
                await self._say(await asyncio.to_thread(judge))
            except Exception:
                # Edge of the task: a fault here must not end the watch, and the next look begins anew.
                logger.exception("day not judged")
            if judge == self.look:
                await asyncio.sleep(LOOK_S)
            judge = self.look

    def look(self) -> list[tuple[DayNumber, str]]:
        """Read what is new and judge the present day; return what was found for the first time, by day. Blocks."""
        now_ns = self._clock.now_ns()
        self._measure_cpu()
        lines = self._archive.read(now_ns)
        _fill(self._book, lines)
        news: list[tuple[DayNumber, str]] = []
        if (today := kst_day(now_ns)) != self._day:
            # The last lines of the day that is over came with this reading.
            news += self._judge(self._day, self._book, now_ns)
            self._begin(today, lines)
        return news + self._judge(self._day, self._book, now_ns)

    def judge_yesterday(self) -> list[tuple[DayNumber, str]]:
        """Judge the day before by its records alone. Blocks."""
        ended_ns = kst_midnight_ns(kst_day(self._clock.now_ns()))
        last_second_ns = ended_ns - NS_PER_S
        book = DayBook()
        _fill(book, SystemArchive(self._paths.data, lambda: _pick).read_all(last_second_ns))
        yesterday = kst_day(last_second_ns)
        return self._write(yesterday, book.facts(self._observed(yesterday), ended_ns))

    def _begin(self, day: DayNumber, lines: Iterable[DayLine]) -> None:
        former, self._book = self._book, DayBook()
        self._book.carry_over(former)
        _fill(self._book, lines)
        self._day, self._high_cpu_s = day, 0.0

    def _judge(self, day: DayNumber, book: DayBook, now_ns: int) -> list[tuple[DayNumber, str]]:
        until_ns = min(now_ns, kst_midnight_ns(day) + _DAY_NS)
        facts = replace(
            book.facts(self._observed(day), until_ns),
            high_cpu_s=self._high_cpu_s,
            disk_share=self._disk_share(),
            failed_loads=self._letters(kst_midnight_ns(day)),
        )
        return self._write(day, facts)

    def _write(self, day: DayNumber, facts: DayFacts) -> list[tuple[DayNumber, str]]:
        found = findings(facts)
        if not found:
            return []
        try:
            return [(day, text) for text in add_rules(self._paths.anomaly(day), day, found).values()]
        except OSError as error:
            logger.warning("verdict not written", extra={"day": day, "error": str(error)})
            return []

    async def _say(self, news: Iterable[tuple[DayNumber, str]]) -> None:
        for day, text in news:
            await self._tell("day_anomalous", "warning", str(day), f"{text}: its raw data is kept longer")

    def _observed(self, day: DayNumber) -> list[Stretch]:
        """Return when the market could be observed on a day."""
        midnight_ns = kst_midnight_ns(day)
        if self._settings.force_open:
            return [Stretch(midnight_ns, midnight_ns + _DAY_NS)]
        sessions = self._calendar.current().sessions(kst_datetime(midnight_ns).date())
        return [
            Stretch(midnight_ns + session.from_s * NS_PER_S, midnight_ns + session.until_s * NS_PER_S)
            for session in sessions
        ]

    def _measure_cpu(self) -> None:
        now_ns = self._clock.monotonic_ns()
        percent = self._gauge.cpu_percent(now_ns)
        if percent is None or percent < 100 * CPU_SHARE:
            self._busy_since_ns = None
        elif self._busy_since_ns is None:
            self._busy_since_ns = now_ns
        else:
            self._high_cpu_s = max(self._high_cpu_s, (now_ns - self._busy_since_ns) / NS_PER_S)

    def _disk_share(self) -> float:
        share = 0.0
        for directory in watched(self._settings).values():
            try:
                share = max(share, measure(directory).used_percent / 100)
            except OSError as error:
                logger.warning("volume not measured", extra={"directory": str(directory), "error": str(error)})
        return share

    def _letters(self, midnight_ns: int) -> int:
        try:
            with DeadLetterFile(self._paths.dead_letters, _LETTERS).path(midnight_ns).open("rb") as file:
                return sum(1 for _ in file)
        except FileNotFoundError:
            return 0
        except OSError as error:
            logger.warning("dead letters not counted", extra={"error": str(error)})
            return 0


def _pick(lines: Iterable[bytes]) -> list[DayLine]:
    """Return the gap records and events among some lines; lines that cannot be read are passed over."""
    found: list[DayLine] = []
    for raw in lines:
        if b'"gap"' not in raw and b'"event"' not in raw:
            continue
        try:
            line = _decoder.decode(raw)
        except msgspec.DecodeError:
            continue
        if line.kind in {"gap", "event"}:
            found.append(line)
    return found


def _fill(book: DayBook, lines: Iterable[DayLine]) -> None:
    for line in lines:
        if line.kind == "gap":
            book.take_gap(line.gap_id, line.reason, line.from_ns, line.until_ns)
        else:
            book.take_event(line.at_ns, line.name, line.severity, line.subject)
