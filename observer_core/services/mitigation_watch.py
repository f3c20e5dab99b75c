"""The mitigation of one streaming shard at work: measures the pressure, samples the books, says when a level changes.

Separate from the stream's loop so that it is driven by readings and instants alone; the rules are pure.
"""

import logging
from collections.abc import Iterable

from observer_core.clock import NS_PER_S
from observer_core.messages import Book, Event, Record
from observer_core.scalp.mitigation import BookSampler, Mitigation, Pressure
from observer_core.services.pressure import PressureGauge
from observer_core.services.scalp_config import ScalpConfig

logger = logging.getLogger(__name__)

MEASURED_EVERY_NS = 5 * NS_PER_S


class MitigationWatch:
    """Level, pressure and book sampling."""

    def __init__(self, name: str, config: ScalpConfig, *, books: bool, gauge: PressureGauge | None = None) -> None:
        self.pressure = Pressure()
        """As measured last."""
        self._name = name
        self._config = config
        self._gauge = gauge or PressureGauge()
        self._mitigation = Mitigation(config.rules.mitigation)
        self._sampler = BookSampler()
        self._due_ns = 0
        self._books = books
        self._said_hz: float | None = None
        self._disk_ms = self._queue = 0.0

    @property
    def level(self) -> int:
        """Return how many steps were taken."""
        return self._mitigation.level

    @property
    def reason(self) -> str:
        """Return what pressed when the last step was taken."""
        return self._mitigation.reason

    def sampled(self, records: Iterable[Record]) -> list[Record]:
        """Return the records without the books that are left out; everything else is kept."""
        hz = self._mitigation.books_hz
        return [
            record
            for record in records
            if not isinstance(record, Book) or self._sampler.keeps(record.symbol, record.received_ns, hz)
        ]

    def given_up(self, records: Iterable[Record]) -> None:
        """Take note that these were not recorded after all: the next book of their symbols is."""
        for record in records:
            if isinstance(record, Book):
                self._sampler.forget(record.symbol)

    def look(self, now_ns: int, monotonic_ns: int, *, disk_latency_ms: float, queue_percent: float) -> list[Event]:
        """Take the readings of the shard; measure the rest when it is time; return the events due."""
        self._disk_ms, self._queue = max(self._disk_ms, disk_latency_ms), max(self._queue, queue_percent)
        events: list[Event] = []
        if monotonic_ns >= self._due_ns:
            self._due_ns = monotonic_ns + MEASURED_EVERY_NS
            events += self._measure(now_ns, monotonic_ns)
        if self._books and self._said_hz != self._mitigation.books_hz:
            # The archive says how many books to expect; an auditor needs no configuration.
            self._said_hz = self._mitigation.books_hz
            text = f"at most {self._said_hz:g} books a second of each symbol are recorded"
            events.append(Event(now_ns, "book_sampling", "info", self._name, text))
        return events

    def _measure(self, now_ns: int, monotonic_ns: int) -> list[Event]:
        self._mitigation.rules = self._config.rules.mitigation
        self.pressure = Pressure(
            self._gauge.cpu_percent(monotonic_ns), self._gauge.memory_percent(), self._disk_ms, self._queue
        )
        self._disk_ms = self._queue = 0.0
        before = self.level
        why = self._mitigation.feed(self.pressure, monotonic_ns)
        if not why:
            return []
        severity = "warning" if self.level > before else "info"
        text = f"level {before} -> {self.level} ({why}); {self._sampler.left_out_total} books left out so far"
        logger.warning("mitigation changed", extra={"from_level": before, "to_level": self.level, "why": why})
        return [Event(now_ns, "mitigation", severity, self._name, text)]
