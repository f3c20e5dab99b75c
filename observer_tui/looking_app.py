"""The keys that only look: pages, the cursor, sorting, what is left out, charts and colours, and what is taken away.

Separate from `app`, where keys are bound and words typed: nothing in here asks the hub or orders anything.
"""

from dataclasses import replace

import msgspec

from observer_core.clock import Clock
from observer_tui.capture import row_text, save_capture
from observer_tui.cells import wrapped
from observer_tui.drawing_app import ConsoleOptions
from observer_tui.errands import chosen_symbol
from observer_tui.feed import Feed
from observer_tui.frame import Frame
from observer_tui.looks import THEMES
from observer_tui.panes.completeness import moved_on_gaps, opened_of_gaps
from observer_tui.panes.processes import row_at
from observer_tui.panes.slots import slot_rows
from observer_tui.reading import READ, moved_reading, whole_line
from observer_tui.replaying_app import ReplayingApp
from observer_tui.rows import SORTS, moved
from observer_tui.selection import OF_PROCESSES, selection_of
from observer_tui.storage_page import next_table
from observer_tui.symbols import SORTS as SYMBOL_SORTS
from observer_tui.symbols import moved_code
from observer_tui.ui_state import GAP_TABLES, LANGUAGES, RATES_HZ, WINDOWS_S, Page, stepped
from observer_tui.widgets.pane import Pane

_COPY_LIMIT = 60_000
"""Characters; terminals cut longer clipboard sequences."""

_READING_WIDTH = 100
"""Cells of a text that is read."""


class LookingApp(ReplayingApp):
    """The console's eyes."""

    def __init__(self, feed: Feed, clock: Clock, options: ConsoleOptions) -> None:
        super().__init__(feed, clock, options)
        self._capture_dir = options.capture_dir

    # Pages and moving

    def action_page(self, name: str) -> None:
        """Open a page."""
        page = Page(name)
        if page in OF_PROCESSES and page is not Page.OVERVIEW:
            self.change(**selection_of(self.frame))
        self.ui = self.ui.opened(page)
        self.draw()

    def action_help(self) -> None:
        """Open help, or leave it."""
        self.ui = self.ui.returned() if self.ui.page is Page.HELP else self.ui.opened(Page.HELP)
        self.draw()

    def action_open(self) -> None:
        """Open what is selected: a process, a shard's symbols, a symbol."""
        frame = self.frame
        if self.ui.page in (Page.SYMBOLS, Page.SLOTS):
            code = chosen_symbol(frame)
            if code:
                self.ui = replace(self.ui, symbol=code).opened(Page.SYMBOL)
        elif self.ui.page is Page.GAPS:
            self.ui = opened_of_gaps(frame)
        elif self.ui.page in READ:
            self._read_whole()
        elif frame.selected is not None and self.ui.page is Page.OVERVIEW:
            self.ui = replace(self.ui, selected=frame.selected.row.name).opened(Page.PROCESS)
        elif frame.selected is not None and self.ui.page is Page.PROCESS:
            self.ui = replace(self.ui, symbol_filter=frame.selected.row.name, symbol="").opened(Page.SYMBOLS)
        self.draw()

    def _read_whole(self) -> None:
        """Open the whole text of the line under the cursor."""
        from observer_tui.widgets.dialogs import Choice, ChoiceDialog

        found = whole_line(self.frame)
        if found is None:
            return
        title, texts = found
        width = min(_READING_WIDTH, self.size.width - 8)
        lines = [line for text in texts for line in wrapped(text, width)][: max(1, self.size.height - 8)]
        choice = Choice(title, tuple(lines), (("", self.words("Close")),), expires=False)
        self.push_screen(ChoiceDialog(choice, self.manner))

    def action_move(self, step: int) -> None:
        """Move the selection, or scroll a page that has none."""
        frame = self.frame
        match self.ui.page:
            case Page.OVERVIEW | Page.PROCESS:
                self._select_process(step)
            case Page.SYMBOLS | Page.SYMBOL:
                self.change(symbol=moved_code(frame.symbols, frame.symbol, step))
            case Page.SLOTS:
                codes = [row.symbol for row in slot_rows(frame)]
                place = codes.index(frame.ui.symbol) if frame.ui.symbol in codes else 0
                self.change(symbol=codes[max(0, min(len(codes) - 1, place + step))] if codes else "")
            case Page.GAPS:
                self.ui = moved_on_gaps(frame, step)
                self.draw()
            case Page.EVENTS | Page.AUDIT:
                self.ui = moved_reading(frame, step)
                self.draw()
            case Page.LOGS:
                # The end stays in view while nothing was scrolled: up goes back in time.
                end = len(frame.replies.log.lines) if frame.replies.log is not None else 0
                self.change(scroll=max(0, min(end, self.ui.scroll - step)))
            case _:
                self.change(scroll=max(0, min(_lines_of(frame), self.ui.scroll + step)))

    def _select_process(self, step: int) -> None:
        frame = self.frame
        present = frame.selected.row.name if frame.selected is not None else ""
        self.change(selected=moved(frame.rows, present, step))

    def action_other(self, step: int) -> None:
        """Take the next or previous process on the pages of one, or the other table of a page with several."""
        if self.ui.page is Page.GAPS:
            place = GAP_TABLES.index(self.ui.gap_table)
            self.change(gap_table=GAP_TABLES[(place + step) % len(GAP_TABLES)], scroll=0)
            return
        if self.ui.page is Page.STORAGE:
            self.change(storage_table=next_table(self.ui, self.size.height, step), scroll=0)
            return
        self._select_process(step)
        self.change(scroll=0)

    def on_pane_pressed(self, event: Pane.Pressed) -> None:
        """Select the clicked row; a second click opens it."""
        placed = self.placed.get(event.pane)
        if placed is None or event.pane != "processes":
            return
        boxed = len(placed.lines) > 1 and self.size.width >= 120 and placed.width == self.size.width and placed.y > 4
        inset = 1 if boxed else 0
        name = row_at(self.frame, event.y - inset, placed.height - 2 * inset)
        if name is not None and name == self.ui.selected:
            self.action_open()
        elif name is not None:
            self.change(selected=name)

    def on_pane_scrolled(self, event: Pane.Scrolled) -> None:
        """Move by the wheel."""
        self.action_move(event.step)

    # Looking

    def action_sort(self) -> None:
        """Choose the sort order from a list."""
        from observer_tui.widgets.dialogs import Choice, ChoiceDialog

        field, names, present = self._sorting()
        options = tuple((name, self.words(name)) for name in names)
        choice = Choice(self.words("Sort by"), (), options, names.index(present), upright=True, expires=False)
        self.push_screen(ChoiceDialog(choice, self.manner), lambda name: self.change(**{field: name}) if name else None)

    def action_sort_step(self, step: int) -> None:
        """Take the next or previous sort order."""
        field, names, present = self._sorting()
        self.change(**{field: names[(names.index(present) + step) % len(names)]})
        self._tell_order()

    def action_invert(self) -> None:
        """Turn the sort order round."""
        if self.ui.page is Page.SYMBOLS:
            self.change(symbol_inverted=not self.ui.symbol_inverted)
        else:
            self.change(inverted=not self.ui.inverted)
        self._tell_order()

    def _tell_order(self) -> None:
        of_symbols = self.ui.page is Page.SYMBOLS
        turned = self.ui.symbol_inverted if of_symbols else self.ui.inverted
        glyphs = self.store.glyphs
        arrow = glyphs.arrow_up if turned else glyphs.arrow_down
        self.tell("sorted by {order} {arrow}", order=self.words(self._sorting()[2]), arrow=arrow)

    def _sorting(self) -> tuple[str, list[str], str]:
        """Return the field, the orders and the present order of the open page."""
        if self.ui.page is Page.SYMBOLS:
            return "symbol_sort", list(SYMBOL_SORTS), self.ui.symbol_sort
        return "sort", list(SORTS), self.ui.sort

    def action_map(self) -> None:
        """Show the map instead of the table, or the table again, where there is no room for both."""
        self.change(symbol_map=not self.ui.symbol_map)

    def action_stacks(self) -> None:
        """Show the stack dumps instead of the log, or the log again."""
        self.change(log_kind="log" if self.ui.log_kind == "stacks" else "stacks", scroll=0)

    def action_severe(self) -> None:
        """Show only warnings and worse, or everything again."""
        self.change(severe_only=not self.ui.severe_only, scroll=0)

    def action_freeze(self) -> None:
        """Freeze the display, or thaw it."""
        if self.ui.frozen_ns is None:
            self.store.freeze()
            self.change(frozen_ns=self._clock.now_ns())
        else:
            self.store.thaw()
            self.change(frozen_ns=None)

    def action_window(self) -> None:
        """Take the next time window."""
        place = WINDOWS_S.index(self.ui.window_s)
        self.change(window_s=WINDOWS_S[(place + 1) % len(WINDOWS_S)])
        self.tell("charts of {count} min", count=self.ui.window_s // 60)

    def action_rate(self, step: int) -> None:
        """Refresh more or less often."""
        self.change(hz=stepped(self.ui.hz, RATES_HZ, step))
        self.set_tick()
        self.tell("refreshed {rate}/s", rate=f"{self.ui.hz:g}")

    def action_language(self) -> None:
        """Take the other language."""
        place = LANGUAGES.index(self.ui.language)
        self.change(language=LANGUAGES[(place + 1) % len(LANGUAGES)])

    def action_theme(self) -> None:
        """Take the next colours."""
        names = list(THEMES)
        self.ui = replace(self.ui, theme=names[(names.index(self.ui.theme) + 1) % len(names)])
        self.notice("colours: {theme}", theme=self.ui.theme)

    def action_mouse(self) -> None:
        """Take the mouse, or leave it to the terminal, which then selects text."""
        self.notice("the mouse is the console's" if self.toggle_mouse() else "the mouse is the terminal's")

    async def action_redraw(self) -> None:
        """Draw the whole screen again."""
        self.refresh(layout=True)
        self.screen.refresh()

    # Taking away

    def action_copy_row(self) -> None:
        """Copy the selected row as text."""
        selected = self.frame.selected
        if selected is not None:
            self._copy(row_text(self.frame, selected), selected.row.name)

    def action_copy_json(self) -> None:
        """Copy the selected row as JSON."""
        selected = self.frame.selected
        if selected is not None:
            self._copy(msgspec.json.encode(selected.row).decode(), selected.row.name)

    def _copy(self, text: str, name: str) -> None:
        self.copy_to_clipboard(text[:_COPY_LIMIT])
        self.notice("copied: {text}", text=name)

    def action_capture(self) -> None:
        """Save the screen as SVG and as text."""
        try:
            names = save_capture(self._capture_dir, self._clock.now_ns(), self.export_screenshot(), self.screen_text())
        except OSError as error:
            self.notice("not saved: {error}", "bad", error=error)
            return
        self.notice("saved {files}", "ok", files=", ".join(str(name) for name in names))


def _lines_of(frame: Frame) -> int:
    """Return how far a page can be scrolled that has no selection."""
    match frame.ui.page:
        case Page.STORAGE:
            retention = frame.view.retention if frame.view is not None else None
            return len(retention.days) if retention is not None else 0
        case _:
            return 200
