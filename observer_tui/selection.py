"""What the cursor stands on, by name: what an order, a cleared filter or another page must not move it from. Pure.

Separate from `ui_state`, which knows only what the operator chose: where nothing was chosen the first row shown counts.
"""

from observer_tui.frame import Frame
from observer_tui.panes.gaps import selected_gap
from observer_tui.panes.slots import selected_slot
from observer_tui.ui_state import FILTERED, Page, UiState

OF_PROCESSES = frozenset({Page.OVERVIEW, Page.PROCESS, Page.LOGS})


def selection_of(frame: Frame) -> dict[str, object]:
    """Return the fields of `UiState` that hold the cursor where the open page shows it; none where it shows none."""
    page = frame.ui.page
    if page in OF_PROCESSES and frame.selected is not None:
        return {"selected": frame.selected.row.name}
    if page is Page.SYMBOLS and frame.symbols:
        return {"symbol": frame.symbol}
    if page is Page.SLOTS and (slot := selected_slot(frame)) is not None:
        return {"symbol": slot.symbol}
    if page is Page.GAPS and (gap := selected_gap(frame)) is not None:
        return {"gap": gap.gap_id}
    return {}


def filter_and_selection(ui: UiState) -> dict[str, object]:
    """Return the open page's filter with the cursor and the place, to be put back when typing is given up."""
    fields = ("selected", "symbol", "gap", "scroll", *([FILTERED[ui.page]] if ui.page in FILTERED else []))
    return {field: getattr(ui, field) for field in fields}
