"""The cursor on the pages of one line each, events and audit: where it stands, and the whole text of its line. Pure.

The cursor holds what it stands on, not a place: news come in above it. On the newest line it follows the newest.
"""

from dataclasses import replace

from observer_core.details import AuditRow
from observer_core.messages import Event
from observer_tui.frame import Frame
from observer_tui.quantities import date_time
from observer_tui.ui_state import Page, UiState

READ = frozenset({Page.EVENTS, Page.AUDIT})


def read_rows(frame: Frame) -> list[Event] | list[AuditRow]:
    """Return what the open page lists, newest first."""
    if frame.ui.page is Page.EVENTS:
        return frame.events()
    found = frame.replies.audit
    return [] if found is None else list(reversed(found.rows))


def read_place(frame: Frame) -> int:
    """Return the place of the cursor, 0 = the newest line."""
    rows = read_rows(frame)
    return next((place for place, row in enumerate(rows) if row == frame.ui.read), 0)


def moved_reading(frame: Frame, step: int) -> UiState:
    """Return the state after moving; the ends hold."""
    rows = read_rows(frame)
    place = max(0, min(len(rows) - 1, read_place(frame) + step))
    return replace(frame.ui, read=rows[place] if place else None)


def whole_line(frame: Frame) -> tuple[str, tuple[str, ...]] | None:
    """Return title and sentences of the line under the cursor; None where there is none."""
    rows, words = read_rows(frame), frame.words
    if not rows:
        return None
    row = rows[read_place(frame)]
    at = date_time(row.at_ns)
    if isinstance(row, Event):
        return f"{at}  {row.subject}  {row.name}", (words(row.severity), words.of_core(row.text or row.name))
    verb = words(row.verb) if row.verb else words(row.fact.replace("_", " "))
    why = words("because: {reason}", reason=row.reason) if row.reason else ""
    told = (row.who, words(row.state) if row.state else "", why, words.of_core(row.text))
    return f"{at}  {verb} {row.target}".rstrip(), tuple(text for text in told if text)
