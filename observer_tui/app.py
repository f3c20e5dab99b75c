"""The console's keys and commands: each action changes the operator's state, asks the hub, or takes something away."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

import msgspec
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Key, Resize
from textual.screen import Screen

from observer_core.clock import NS_PER_S, Clock
from observer_tui import command_line
from observer_tui.bindings import BINDINGS, available, binding_of
from observer_tui.capture import row_text, save_capture
from observer_tui.cells import wrapped
from observer_tui.drawing_app import ConsoleOptions
from observer_tui.errands import chosen_symbol
from observer_tui.feed import Feed, LinkState
from observer_tui.frame import Frame
from observer_tui.looks import THEMES
from observer_tui.panes.completeness import moved_on_gaps, opened_of_gaps
from observer_tui.panes.help import may_order, told_of
from observer_tui.panes.processes import row_at
from observer_tui.panes.slots import slot_rows
from observer_tui.reading import READ, moved_reading, whole_line
from observer_tui.replaying_app import ReplayingApp
from observer_tui.rows import SORTS, moved
from observer_tui.selection import OF_PROCESSES, filter_and_selection, selection_of
from observer_tui.storage_page import next_table
from observer_tui.symbols import SORTS as SYMBOL_SORTS
from observer_tui.symbols import moved_code
from observer_tui.ui_state import FILTERED, GAP_TABLES, LANGUAGES, RATES_HZ, WINDOWS_S, Page, stepped
from observer_tui.widgets.pane import Pane

_COPY_LIMIT = 60_000
"""Characters; terminals cut longer clipboard sequences."""

_READING_WIDTH = 100
"""Cells of a text that is read."""
_LEAVE_WITHIN_NS = 2 * NS_PER_S


class ConsoleApp(ReplayingApp):
    """The console."""

    TITLE = "observer-tui"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(binding.keys, binding.action, binding.label, show=False, id=binding.id)
        for binding in BINDINGS
        if binding.action != "command_palette"
    ]

    def __init__(self, feed: Feed, clock: Clock, options: ConsoleOptions) -> None:
        super().__init__(feed, clock, options)
        self._capture_dir = options.capture_dir
        self._interrupted_ns = -_LEAVE_WITHIN_NS
        self._before_typing: dict[str, object] = {}
        """Filter and selection from before the prompt; escape puts them back."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what needs a lease or a live link, hide what the page does not have."""
        spelled = f"{action}({parameters[0]!r})" if parameters else action
        binding = binding_of(spelled)
        if binding is None:
            return True
        return available(binding, self.ui.page, may_order=may_order(self.frame), replaying=self.replaying)

    def on_key(self, event: Key) -> None:
        """Say why a greyed order does nothing."""
        binding = next((one for one in BINDINGS if one.orders and event.key in one.keys.split(",")), None)
        if binding is None or len(self.screen_stack) > 1 or self.ui.page not in binding.pages:
            return
        if self.replaying:
            self.notice("a replay gives no orders", "warn")
            return
        if self.ui.frozen_ns is not None:
            self.notice("not while the display is frozen: press z", "warn")
        elif self.store.link.state is not LinkState.LIVE:
            self.notice("not while the link is down", "warn")
        elif not self.ui.may_order(self._clock.now_ns()):
            self.notice("press W first: write mode is needed", "warn")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer every usable binding in the palette."""
        allowed = may_order(self.frame)
        for binding in BINDINGS:
            usable = available(binding, self.ui.page, may_order=allowed, replaying=self.replaying)
            if binding.action != "command_palette" and usable:
                label, text = map(self.words, told_of(self.frame, binding))
                yield SystemCommand(f"{binding.shown}  {label}", text, lambda one=binding: self._run(one.action))

    def _run(self, action: str) -> None:
        self.call_later(self.run_action, action)

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

    async def action_back(self) -> None:
        """Close the prompt, else clear this page's filter, else go one page back."""
        if self.prompt is not None:
            self._close_prompt(cancelled=True)
        elif self.ui.filter_text:
            self._set_filter("")
        else:
            self.ui = self.ui.returned()
            self.draw()

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

    async def action_reconnect(self) -> None:
        """Drop the link and connect anew."""
        self.notice("connecting anew")
        await self.feed.reconnect()

    def action_detach(self) -> None:
        """Leave; everything keeps running."""
        self.exit(return_code=0)

    def action_help_quit(self) -> None:
        """Leave at the second ctrl+c within two seconds."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._interrupted_ns < _LEAVE_WITHIN_NS:
            self.action_detach()
            return
        self._interrupted_ns = now_ns
        self.notice("press ctrl+c again to leave", "warn")

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

    # Typing

    async def action_filter(self) -> None:
        """Type a new filter; the present one holds until then."""
        if self.prompt is None:
            self.change(notice=None)
            self._before_typing = filter_and_selection(self.ui)
            await self._open_prompt("/")

    async def action_command(self) -> None:
        """Type a command."""
        await self._open_prompt(":")

    async def _open_prompt(self, sign: str) -> None:
        from observer_tui.widgets.prompt import Prompt

        if self.prompt is not None:
            return
        names = [facts.row.name for facts in self.frame.rows]
        words = [
            *command_line.COMMANDS,
            *(f"{word} {name}" for word in ("restart", "pause", "process") for name in names),
        ]
        self.prompt = Prompt(sign, words if sign == ":" else ())
        await self.screen_stack[0].mount(self.prompt)

    def _close_prompt(self, *, cancelled: bool) -> None:
        prompt, self.prompt = self.prompt, None
        if prompt is None:
            return
        if cancelled and prompt.sign == "/":
            self.change(**self._before_typing)
        prompt.remove()
        self.draw()

    def _set_filter(self, text: str) -> None:
        field = FILTERED.get(self.ui.page)
        if field is None:
            return
        # A filter that goes leaves the cursor on what it had found.
        kept: dict[str, object] = {"symbol": ""} if field == "symbol_filter" else {}
        kept = kept if text else selection_of(self.frame)
        self.change(**{**kept, field: text, "scroll": 0})

    def on_prompt_typed(self, event: Any) -> None:
        """Filter while typing; with nothing typed the filter from before holds."""
        if event.sign == "/" and self.prompt is not None:
            self.change(**self._before_typing)
            if event.text:
                self._set_filter(event.text)

    def on_prompt_entered(self, event: Any) -> None:
        """Take the complete text; an empty one ends the filter."""
        if event.sign == "/":
            self._set_filter(event.text)
        self._close_prompt(cancelled=False)
        if event.sign == ":" and event.text.strip():
            self._command(event.text)
        elif event.sign == "/" and event.text and self.ui.page is Page.SYMBOLS and len(self.frame.symbols) == 1:
            # Typing a whole code means: show me that one.
            self.action_open()

    def _command(self, text: str) -> None:
        intent = command_line.parse(text)
        if isinstance(intent, str):
            self.notice(intent, "warn")
            return
        word, _, name = intent.argument.partition(" ")
        if intent.action in ("at", "speed"):
            self.replay_command(intent.action, intent.argument)
        elif intent.action in ("page", "order"):
            self._command_on(intent.action, word, name)
        elif intent.action == "errand":
            self._command_errand(word, name)
        elif intent.action == "write":
            self._run("write_mode")
        elif intent.action == "filter":
            self._set_filter(intent.argument)
        elif intent.argument:
            self._set_choice(intent)
        else:
            self._run(intent.action)

    def _command_on(self, action: str, word: str, name: str) -> None:
        if name and not any(facts.row.name == name for facts in self.frame.rows):
            self.notice("no process {name}", "warn", name=name)
            return
        if name:
            self.change(selected=name)
        if action == "page":
            self.action_page(word)
        elif may_order(self.frame):
            self._run(f"order({word!r})")
        else:
            self._refuse_order()

    def _refuse_order(self) -> None:
        self.notice("a replay gives no orders" if self.replaying else "press W first: write mode is needed", "warn")

    def _command_errand(self, word: str, argument: str) -> None:
        if word == "symbol":
            self.ui = replace(self.ui, symbol=argument.upper()).opened(Page.SYMBOL)
            self.draw()
        elif not may_order(self.frame):
            self._refuse_order()
        elif word in ("pin", "unpin"):
            self.action_pin(argument.upper(), word)
        elif word == "replay" and argument:
            self.replay_day(argument)
        elif word == "scale" and argument:
            self.scale_to(argument)
        else:
            self._run(word)

    def _set_choice(self, intent: command_line.Intent) -> None:
        name, value = intent
        if name == "sort" and value in SORTS:
            self.change(sort=value)
        elif name == "theme" and value in THEMES:
            self.change(theme=value)
        elif name == "language":
            self.change(language=value)
        elif name == "window":
            self.change(window_s=int(value) * 60)
        elif name == "rate":
            self.change(hz=float(value))
            self.set_tick()
        else:
            known = SORTS if name == "sort" else THEMES
            self.notice(f"{name}: {' '.join(known)}", "warn")

    def on_resize(self, event: Resize) -> None:
        """Keep the prompt on the last line."""
        if self.prompt is not None:
            self.prompt.styles.offset = (0, event.size.height - 1)

    # Dialogs and orders

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

    def action_sort(self) -> None:
        """Choose the sort order from a list."""
        from observer_tui.widgets.dialogs import Choice, ChoiceDialog

        field, names, present = self._sorting()
        options = tuple((name, self.words(name)) for name in names)
        choice = Choice(self.words("Sort by"), (), options, names.index(present), upright=True, expires=False)
        self.push_screen(ChoiceDialog(choice, self.manner), lambda name: self.change(**{field: name}) if name else None)


def _lines_of(frame: Frame) -> int:
    """Return how far a page can be scrolled that has no selection."""
    match frame.ui.page:
        case Page.STORAGE:
            retention = frame.view.retention if frame.view is not None else None
            return len(retention.days) if retention is not None else 0
        case _:
            return 200
