"""Which rows are shown, and in which order: facts of each process, filter language, sort orders. Pure."""

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.messages import Event
from observer_core.view import ProcessRow, SystemView
from observer_tui.conditions import Condition, condition_of
from observer_tui.meters import Meter, Meters
from observer_tui.ui_state import UiState


class RowFacts(NamedTuple):
    """One process with what the viewer computed about it."""

    row: ProcessRow
    meter: Meter
    condition: Condition
    records_per_s: float | None
    bytes_per_s: float | None
    calls_per_s: float | None
    errors_per_minute: int
    cpu_share: float | None
    silent_s: float | None
    """Seconds since the process itself reported; None when it never does."""


SORTS: dict[str, Callable[[RowFacts], float | str]] = {
    "severity": lambda facts: facts.condition,
    "name": lambda facts: facts.row.name,
    "state": lambda facts: facts.row.state,
    "records": lambda facts: facts.records_per_s or 0.0,
    "lag": lambda facts: facts.row.lag or 0.0,
    "sweep": lambda facts: facts.row.sweep_s or 0.0,
    "errors": lambda facts: facts.errors_per_minute,
    "gaps": lambda facts: facts.row.open_gaps,
    "restarts": lambda facts: facts.row.restarts,
    "uptime": lambda facts: facts.row.uptime_s or 0.0,
    "memory": lambda facts: facts.row.memory_bytes or 0,
    "cpu": lambda facts: facts.cpu_share or 0.0,
}
"""Sort orders by name; numbers sort largest first, text first letter first."""

SEVERE = frozenset({"warning", "error", "critical"})
_ORDERED = frozenset({"order", "lease"})
_ROUTINE = frozenset({"slot_changed", "slots_held", "book_sampling"})
"""Events of the daily run: many a minute, and nothing to be done about them."""

_KIND_ORDER = {"swing": 0, "scalp": 1, "writer": 2, "hub": 3, "maintenance": 4}
_NUMBERS: dict[str, Callable[[RowFacts], float]] = {
    "lag": lambda facts: facts.row.lag or 0.0,
    "records": lambda facts: facts.records_per_s or 0.0,
    "errors": lambda facts: facts.errors_per_minute,
    "gaps": lambda facts: facts.row.open_gaps,
    "restarts": lambda facts: facts.row.restarts,
    "symbols": lambda facts: facts.row.symbols,
}
_COMPARE: dict[str, Callable[[float, float], bool]] = {">": operator.gt, "<": operator.lt, "=": operator.eq}
_TEXTS: dict[str, Callable[[RowFacts], str]] = {
    "name": lambda facts: facts.row.name,
    "kind": lambda facts: facts.row.kind,
    "state": lambda facts: facts.row.state,
}


def facts_of(row: ProcessRow, view: SystemView, meters: Meters, now_ns: int) -> RowFacts:
    """Return a row with its rates."""
    meter = meters.of(row.name)
    return RowFacts(
        row=row,
        meter=meter,
        condition=condition_of(row, view.market, now_ns),
        records_per_s=meter.records_per_s(now_ns),
        bytes_per_s=meter.bytes_per_s(now_ns),
        calls_per_s=meter.calls_per_s(now_ns),
        errors_per_minute=row.errors_minute,
        cpu_share=meter.cpu_share(now_ns),
        silent_s=(now_ns - row.as_of_ns) / NS_PER_S if row.as_of_ns else None,
    )


def visible_rows(view: SystemView, meters: Meters, ui: UiState, now_ns: int) -> tuple[RowFacts, ...]:
    """Return the rows that pass the filter, sorted; equals keep the order kind, then name."""
    rows = [facts_of(row, view, meters, now_ns) for row in view.processes]
    rows = [facts for facts in rows if passes(facts, ui.row_filter)]
    rows.sort(key=_natural)
    key = SORTS.get(ui.sort, SORTS["severity"])
    if rows and isinstance(key(rows[0]), str):
        rows.sort(key=key, reverse=ui.inverted)
    else:
        rows.sort(key=key, reverse=not ui.inverted)
    return tuple(rows)


def _natural(facts: RowFacts) -> tuple[int, str, int]:
    head, _, tail = facts.row.name.rpartition("-")
    number = int(tail) if tail.isdecimal() else 0
    return _KIND_ORDER.get(facts.row.kind, len(_KIND_ORDER)), head or facts.row.name, number


def passes(facts: RowFacts, text: str) -> bool:
    """Return whether a row passes every word of the filter.

    A word is text that name, kind, state or note contains; `!` in front turns it round; `-f abc` asks for the letters
    in that order; `lag>5`, `state=paused` compare one field.
    """
    haystack = f"{facts.row.name} {facts.row.kind} {facts.row.state} {facts.row.note}".lower()
    words = text.lower().split()
    if words[:1] == ["-f"]:
        return all(in_order(word, haystack) for word in words[1:])
    return all(_passes_word(facts, word, haystack) for word in words)


def _passes_word(facts: RowFacts, word: str, haystack: str) -> bool:
    if word.startswith("!") and len(word) > 1:
        return not _passes_word(facts, word[1:], haystack)
    for sign, compare in _COMPARE.items():
        field, found, wanted = word.partition(sign)
        if found and field in _NUMBERS:
            try:
                return compare(_NUMBERS[field](facts), float(wanted))
            except ValueError:
                return True  # half-typed: hide nothing yet
        if found and sign == "=" and field in _TEXTS:
            return _TEXTS[field](facts).lower() == wanted
    return word in haystack


def in_order(letters: str, text: str) -> bool:
    """Return whether the letters occur in the text in this order, others between them allowed."""
    rest = iter(text)
    return all(letter in rest for letter in letters)


def matching_events(events: Sequence[Event], ui: UiState, subject: str = "") -> list[Event]:
    """Return the events that pass, newest first by their own time; the hub may hear of one later than of another."""
    words = ui.event_filter.lower().split()
    by_time = sorted(events, key=lambda event: event.at_ns)
    chosen: Iterable[Event] = reversed(by_time)
    if subject:
        chosen = (event for event in chosen if event.subject == subject)
    if ui.severe_only:
        chosen = (event for event in chosen if event.severity in SEVERE)
    return [event for event in chosen if _event_passes(event, words)]


def foremost(events: Sequence[Event], room: int) -> list[Event]:
    """Return the events for a place with little room, in their order: warnings and orders go first, routine last."""
    ranked = sorted(range(len(events)), key=lambda place: _rank(events[place]))
    return [events[place] for place in sorted(ranked[: max(0, room)])]


def _rank(event: Event) -> int:
    if event.severity in SEVERE or event.name in _ORDERED:
        return 0
    return 2 if event.name in _ROUTINE else 1


def _event_passes(event: Event, words: Sequence[str]) -> bool:
    haystack = f"{event.severity} {event.subject} {event.name} {event.text}".lower()
    return all((word[1:] not in haystack) if word[:1] == "!" and word[1:] else word in haystack for word in words)


def moved(rows: Sequence[RowFacts], selected: str, step: int) -> str:
    """Return the name that is selected after moving; the ends hold."""
    if not rows:
        return selected
    index = next((place for place, facts in enumerate(rows) if facts.row.name == selected), 0)
    return rows[max(0, min(len(rows) - 1, index + step))].row.name


def window_top(index: int, count: int, height: int) -> int:
    """Return the first shown line so that the selected one is in view, centred where there is room."""
    return max(0, min(index - height // 2, count - height))
