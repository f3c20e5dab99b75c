"""Everything one frame is drawn from. Panes take it and return lines; they read nothing else."""

from dataclasses import dataclass

from observer_core.details import SymbolRow
from observer_core.messages import Event
from observer_core.view import SystemView
from observer_tui.conditions import Verdict, is_stale
from observer_tui.feed import LinkFacts
from observer_tui.glyphs import Glyphs
from observer_tui.inquiries import NOTHING_ASKED, Replies
from observer_tui.meters import Meters
from observer_tui.rows import RowFacts, matching_events, visible_rows
from observer_tui.ui_state import UiState
from observer_tui.words import Words


@dataclass(frozen=True, slots=True)
class Frame:
    """One moment of the console."""

    now_ns: int
    """The time the frame shows: now, or when the display was frozen."""
    figures_ns: int
    """The time its figures are of: the same, but of the newest view while nothing confirms them any more."""
    view: SystemView | None
    link: LinkFacts
    meters: Meters
    verdict: Verdict
    ui: UiState
    words: Words
    glyphs: Glyphs
    rows: tuple[RowFacts, ...]
    """The process rows that pass the filter, in the chosen order."""
    replies: Replies = NOTHING_ASKED
    """What the open page asked the hub for."""
    version: str = ""
    demo: bool = False
    """Whether leaving ends the demo that started this console."""

    @property
    def is_old(self) -> bool:
        """Return whether figures are shown dimmed because nothing confirms them."""
        return is_stale(self.link)

    @property
    def replaying(self) -> bool:
        """Return whether a recording is shown, to which no orders can be given."""
        return self.link.replay is not None

    @property
    def selected(self) -> RowFacts | None:
        """Return the selected row; the first one while the operator has not chosen."""
        chosen = next((row for row in self.rows if row.row.name == self.ui.selected), None)
        return chosen or (self.rows[0] if self.rows else None)

    @property
    def symbols(self) -> list[SymbolRow]:
        """Return the symbols that pass the filter, in the chosen order."""
        table = self.replies.symbols
        return [] if table is None else table.chosen(self.ui)

    @property
    def symbol(self) -> str:
        """Return the code of the selected symbol, the first one while the operator has not chosen."""
        rows = self.symbols
        if self.ui.symbol or not rows:
            return self.ui.symbol
        return rows[0].code

    def events(self, subject: str = "") -> list[Event]:
        """Return the events that pass the filters, newest first; only those of one process if a subject is given."""
        if self.view is None:
            return []
        return matching_events(self.view.events, self.ui, subject)


def rows_of(view: SystemView | None, meters: Meters, ui: UiState, now_ns: int) -> tuple[RowFacts, ...]:
    """Return the process rows as the operator wants them."""
    return () if view is None else visible_rows(view, meters, ui, now_ns)
