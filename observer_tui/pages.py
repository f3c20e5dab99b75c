"""Where the panes of each page stand for a given size: two laid-out designs and a floor.

A page is a list of placed panes that tile the screen without overlap; the widgets only show them.
"""

from collections.abc import Callable

from observer_tui.detail_pages import (
    place_audit,
    place_gaps,
    place_logs,
    place_process,
    place_slots,
    place_symbol,
    place_symbols,
)
from observer_tui.frame import Frame
from observer_tui.lines import Span, boxed, fit_line, under_cursor
from observer_tui.panes.header import WIDE, draw_header, draw_second_line, draw_tiny
from observer_tui.panes.help import draw_footer, draw_help_box
from observer_tui.panes.processes import draw_table, draw_table_box
from observer_tui.panes.storage import (
    alert_lines,
    draw_budgets_box,
    draw_disk_box,
    draw_events_box,
    draw_gaps_box,
    draw_writers_box,
    event_lines,
    newest_lines,
    summary_lines,
    writer_lines,
)
from observer_tui.panes.totals import draw_total_boxes, draw_total_lines
from observer_tui.placing import Placed, in_row
from observer_tui.reading import read_place
from observer_tui.rows import window_top
from observer_tui.storage_page import place_storage
from observer_tui.ui_state import Page

LEAST_WIDTH = 60
LEAST_HEIGHT = 15
TALL = 32
"""Lines from which boxes fit."""


def draw_page(frame: Frame, width: int, height: int) -> list[Placed]:
    """Return the panes of the page that is open."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        blank = [fit_line((), width)] * max(0, height - 1)
        return [Placed("tiny", 0, 0, width, height, [draw_tiny(frame, width), *blank])]
    body_top, body_height = 2, height - 3
    page = _PAGES[frame.ui.page]
    return [
        Placed("header", 0, 0, width, 1, [draw_header(frame, width)]),
        Placed("second", 0, 1, width, 1, [draw_second_line(frame, width)]),
        *page(frame, width, body_top, body_height),
        Placed("footer", 0, height - 1, width, 1, [draw_footer(frame, width)]),
    ]


def _overview(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    if width >= WIDE and height >= TALL - 3:
        return _overview_large(frame, width, top, height)
    return _overview_small(frame, width, top, height)


def _overview_large(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    box = width // 4
    widths = [box, box, box, width - 3 * box]
    totals_height = 8 if height >= 42 else 6
    stores_height = min(8, max(4, height // 6))
    events_least = 6
    wanted = len(frame.view.processes) + 4 if frame.view is not None else 12
    table_height = max(6, min(wanted, height - totals_height - stores_height - events_least))
    placed, x = [], 0
    for index, lines in enumerate(draw_total_boxes(frame, widths, totals_height)):
        pane_width = widths[index]
        placed.append(Placed(f"total-{index}", x, top, pane_width, totals_height, lines))
        x += pane_width
    y = top + totals_height
    placed.append(Placed("processes", 0, y, width, table_height, draw_table_box(frame, width, table_height)))
    y += table_height
    writers_width = width * 2 // 5
    half = (width - writers_width) // 2
    placed += in_row(
        frame,
        y,
        stores_height,
        [
            ("writers", writers_width, draw_writers_box),
            ("disk", half, draw_disk_box),
            ("gaps", width - writers_width - half, draw_gaps_box),
        ],
    )
    y += stores_height
    rest = top + height - y
    budgets_width = width // 4
    placed += in_row(
        frame,
        y,
        rest,
        [("events", width - budgets_width, draw_events_box), ("budgets", budgets_width, draw_budgets_box)],
    )
    return placed


def _overview_small(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    writers = writer_lines(frame, width)[: 2 if height < 24 else 4]
    told = len(alert_lines(frame, width)) + len(frame.events())
    below = [*summary_lines(frame, width), *writers]
    events_least = min(max(1, told), 2 if height < 20 else 4)
    wanted = (len(frame.rows) or 4) + 2
    table_height = max(3, min(wanted, height - 2 - len(below) - events_least))
    events_height = height - 2 - table_height - len(below)
    events = newest_lines(frame, width, events_height)
    events += [fit_line((), width)] * (events_height - len(events))
    y = top + 2
    return [
        Placed("totals", 0, top, width, 2, draw_total_lines(frame, width)),
        Placed("processes", 0, y, width, table_height, draw_table(frame, width, table_height)),
        Placed("stores", 0, y + table_height, width, len(below), below),
        Placed("events", 0, y + table_height + len(below), width, events_height, events),
    ]


def _events(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    lines = event_lines(frame, width - 2)
    title = f"{frame.words('Events')} {len(lines)}"
    if frame.ui.severe_only:
        title += f" ({frame.words('only severe')})"
    if not lines:
        lines = [fit_line([Span(f" {frame.words('no event passes the filter')}", "dim")], width - 2)]
    else:
        place = read_place(frame)
        lines[place] = under_cursor(lines[place])
    note = frame.words("enter whole text  / filter  ! only severe  g newest")
    alerts = alert_lines(frame, width - 2)[: height // 3]
    room = height - 2 - len(alerts)
    first = window_top(read_place(frame), len(lines), room)
    body = boxed(title, [*alerts, *lines[first : first + room]], (width, height), frame.glyphs, note)
    return [Placed("event-log", 0, top, width, height, body)]


def _help(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    return [Placed("help", 0, top, width, height, draw_help_box(frame, width, height))]


_PAGES: dict[Page, Callable[[Frame, int, int, int], list[Placed]]] = {
    Page.OVERVIEW: _overview,
    Page.PROCESS: place_process,
    Page.SYMBOLS: place_symbols,
    Page.SLOTS: place_slots,
    Page.GAPS: place_gaps,
    Page.STORAGE: place_storage,
    Page.LOGS: place_logs,
    Page.EVENTS: _events,
    Page.AUDIT: place_audit,
    Page.SYMBOL: place_symbol,
    Page.HELP: _help,
}
