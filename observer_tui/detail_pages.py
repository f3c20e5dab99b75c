"""Where the panes of the pages stand that ask the hub for more than the view: shard, symbols, slots, gaps, logs, audit.

Separate from `pages`, whose pages show the view alone.
"""

from observer_tui.frame import Frame
from observer_tui.panes.completeness import draw_gap_days_box, draw_gap_figures_box, draw_worst_box
from observer_tui.panes.gaps import draw_gap_table_box
from observer_tui.panes.header import WIDE
from observer_tui.panes.process import draw_facts_box, draw_orders_box, draw_own_events_box, draw_plot_box
from observer_tui.panes.slots import draw_overflow_box, draw_slots_box
from observer_tui.panes.symbol import draw_book_box, draw_course_box, draw_symbol_box, draw_ticks_box
from observer_tui.panes.symbols import draw_map_box, draw_symbol_table_box, map_height_for
from observer_tui.panes.trails import draw_audit_box, draw_errors_box, draw_log_box, draw_log_tail_box
from observer_tui.placing import Draw, Placed, in_row
from observer_tui.ui_state import GAP_TABLES

_TALL = 30
_FIGURES = 58
"""Width of the figures beside the gaps."""
_SLOTS_WHOLE = 92
"""Width in which a row of the slots stands whole."""
_GAPS_WIDE = 140
"""Width from which a row of the gaps stands whole beside them."""


def place_process(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    """Return the page of one process: facts, plots, deaths and errors, orders, log, events."""
    if width < WIDE:
        facts_height = min(16 if height < _TALL else 31, height - 5)
        rest = height - facts_height
        return [
            Placed("facts", 0, top, width, facts_height, draw_facts_box(frame, width, facts_height)),
            Placed("own-errors", 0, top + facts_height, width, rest, draw_errors_box(frame, width, rest)),
        ]
    half = width // 2
    right = width - half
    facts_height = min(17, height // 2)
    plot_height = facts_height // 2
    lag_height = facts_height - plot_height
    errors_height = min(10, max(5, (height - facts_height) // 3))
    rest = height - facts_height - errors_height
    y = top + facts_height
    log_width = width * 3 // 5
    return [
        Placed("facts", 0, top, half, facts_height, draw_facts_box(frame, half, facts_height)),
        Placed("plot-records", half, top, right, plot_height, draw_plot_box(frame, "records", right, plot_height)),
        Placed("plot-lag", half, top + plot_height, right, lag_height, draw_plot_box(frame, "lag", right, lag_height)),
        *in_row(frame, y, errors_height, [("own-errors", half, draw_errors_box), ("orders", right, draw_orders_box)]),
        *in_row(
            frame,
            y + errors_height,
            rest,
            [("log-tail", log_width, draw_log_tail_box), ("own-events", width - log_width, draw_own_events_box)],
        ),
    ]


def place_symbols(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    """Return the map above the table; a small screen shows one of them."""
    if width < WIDE or height < _TALL:
        if frame.ui.symbol_map:
            return [Placed("symbol-map", 0, top, width, height, draw_map_box(frame, width, height))]
        return [Placed("symbol-table", 0, top, width, height, draw_symbol_table_box(frame, width, height))]
    map_height = max(6, min(map_height_for(frame, width), height * 3 // 5))
    rest = height - map_height
    return [
        Placed("symbol-map", 0, top, width, map_height, draw_map_box(frame, width, map_height)),
        Placed("symbol-table", 0, top + map_height, width, rest, draw_symbol_table_box(frame, width, rest)),
    ]


def place_symbol(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    """Return the page of one symbol."""
    if width < WIDE or height < _TALL:
        facts_height = min(13, height - 6)
        rest, half = height - facts_height, width * 3 // 5
        return [
            Placed("symbol-facts", 0, top, width, facts_height, draw_symbol_box(frame, width, facts_height)),
            *in_row(
                frame,
                top + facts_height,
                rest,
                [("symbol-ticks", half, draw_ticks_box), ("symbol-book", width - half, draw_book_box)],
            ),
        ]
    half, facts_height = width // 2, min(18, height // 2)
    rest = height - facts_height
    return [
        *in_row(
            frame,
            top,
            facts_height,
            [("symbol-facts", half, draw_symbol_box), ("symbol-course", width - half, draw_course_box)],
        ),
        *in_row(
            frame,
            top + facts_height,
            rest,
            [("symbol-ticks", half, draw_ticks_box), ("symbol-book", width - half, draw_book_box)],
        ),
    ]


def place_slots(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    """Return the slots and who got none."""
    if width >= WIDE:
        # Beyond what a row takes, the room is for why others got no slot.
        table_width = min(width * 3 // 5, _SLOTS_WHOLE)
        panes = [("slots", table_width, draw_slots_box), ("overflow", width - table_width, draw_overflow_box)]
        return in_row(frame, top, height, panes)
    overflow_height = max(4, height // 4)
    rest = height - overflow_height
    return [
        Placed("slots", 0, top, width, rest, draw_slots_box(frame, width, rest)),
        Placed("overflow", 0, top + rest, width, overflow_height, draw_overflow_box(frame, width, overflow_height)),
    ]


_GAP_TABLES: dict[str, Draw] = dict(
    zip(GAP_TABLES, (draw_gap_table_box, draw_worst_box, draw_gap_days_box), strict=True)
)


def place_gaps(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    """Return the gaps and how complete the day is; a small screen shows one of the three tables."""
    if width < _GAPS_WIDE or height < _TALL:
        figures_height = max(5, height // 3)
        rest, name = height - figures_height, frame.ui.gap_table
        return [
            Placed("gap-figures", 0, top, width, figures_height, draw_gap_figures_box(frame, width, figures_height)),
            Placed(f"gap-{name}", 0, top + figures_height, width, rest, _GAP_TABLES[name](frame, width, rest)),
        ]
    table_width, side = width - _FIGURES, _FIGURES
    days = len(frame.replies.gaps.days) if frame.replies.gaps is not None else 0
    shards = sum(1 for row in frame.view.processes if row.completeness is not None) if frame.view is not None else 0
    figures_height = min(8 + shards, height // 3)
    days_height = min(4 + days, height // 3)
    worst_height = height - figures_height - days_height
    worst_top = top + figures_height
    days_top = worst_top + worst_height
    return [
        Placed("gap-gaps", 0, top, table_width, height, draw_gap_table_box(frame, table_width, height)),
        *(
            Placed(name, table_width, y, side, pane_height, draw(frame, side, pane_height))
            for name, y, pane_height, draw in (
                ("gap-figures", top, figures_height, draw_gap_figures_box),
                ("gap-symbols", worst_top, worst_height, draw_worst_box),
                ("gap-days", days_top, days_height, draw_gap_days_box),
            )
        ),
    ]


def place_logs(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    """Return the log of the selected process."""
    return [Placed("log", 0, top, width, height, draw_log_box(frame, width, height))]


def place_audit(frame: Frame, width: int, top: int, height: int) -> list[Placed]:
    """Return the audit trail."""
    return [Placed("audit", 0, top, width, height, draw_audit_box(frame, width, height))]
