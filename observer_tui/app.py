"""The console's keys and commands: each action changes the operator's state, asks the hub, or takes something away."""

import asyncio
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
from observer_tui.drawing_app import ConsoleOptions, DrawingApp
from observer_tui.feed import Feed, LinkState
from observer_tui.looks import THEMES
from observer_tui.orders import PlannedOrder, plan
from observer_tui.panes.help import may_order
from observer_tui.panes.processes import row_at
from observer_tui.rows import SORTS, moved
from observer_tui.ui_state import LANGUAGES, RATES_HZ, WINDOWS_S, Page, stepped
from observer_tui.widgets.pane import Pane

_COPY_LIMIT = 60_000
"""Characters; terminals cut longer clipboard sequences."""

_LEAVE_WITHIN_NS = 2 * NS_PER_S


class ConsoleApp(DrawingApp):
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
        self._interrupted_ns = 0
        self._asking: set[asyncio.Task[None]] = set()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what needs a lease or a live link, hide what the page does not have."""
        spelled = f"{action}({parameters[0]!r})" if parameters else action
        binding = binding_of(spelled)
        if binding is None:
            return True
        return available(binding, self.ui.page, may_order=may_order(self.frame))

    def on_key(self, event: Key) -> None:
        """Say why a greyed order does nothing."""
        binding = next((one for one in BINDINGS if one.orders and event.key in one.keys.split(",")), None)
        if binding is None or len(self.screen_stack) > 1 or self.ui.page not in binding.pages:
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
            if binding.action != "command_palette" and available(binding, self.ui.page, may_order=allowed):
                label, text = self.words(binding.label), self.words(binding.help)
                yield SystemCommand(f"{binding.shown}  {label}", text, lambda one=binding: self._run(one.action))

    def _run(self, action: str) -> None:
        self.call_later(self.run_action, action)

    def _later(self, work: Any) -> None:
        """Run a question to the hub beside the screen."""
        task = asyncio.create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    # Pages and moving

    def action_page(self, name: str) -> None:
        """Open a page."""
        self.ui = self.ui.opened(Page(name))
        self.draw()

    def action_help(self) -> None:
        """Open help, or leave it."""
        self.ui = self.ui.returned() if self.ui.page is Page.HELP else self.ui.opened(Page.HELP)
        self.draw()

    def action_open(self) -> None:
        """Open the selected process."""
        frame = self.frame
        if frame.selected is not None and self.ui.page is Page.OVERVIEW:
            self.ui = replace(self.ui, selected=frame.selected.row.name).opened(Page.PROCESS)
            self.draw()

    async def action_back(self) -> None:
        """Close the prompt, else clear this page's filter, else go one page back."""
        if self.prompt is not None:
            self._close_prompt(cancelled=True)
        elif self.ui.page is Page.OVERVIEW and self.ui.row_filter:
            self.change(row_filter="")
        elif self.ui.page is Page.EVENTS and self.ui.event_filter:
            self.change(event_filter="")
        else:
            self.ui = self.ui.returned()
            self.draw()

    def action_move(self, step: int) -> None:
        """Move the selection, or scroll a page that has none."""
        frame = self.frame
        if self.ui.page in (Page.OVERVIEW, Page.PROCESS):
            present = frame.selected.row.name if frame.selected is not None else ""
            self.change(selected=moved(frame.rows, present, step))
            return
        end = len(frame.events()) if self.ui.page is Page.EVENTS else 200
        self.change(scroll=max(0, min(end, self.ui.scroll + step)))

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
        names = list(SORTS)
        self.change(sort=names[(names.index(self.ui.sort) + step) % len(names)])

    def action_invert(self) -> None:
        """Turn the sort order round."""
        self.change(inverted=not self.ui.inverted)

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

    def action_rate(self, step: int) -> None:
        """Refresh more or less often."""
        self.change(hz=stepped(self.ui.hz, RATES_HZ, step))
        self.set_tick()

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
        now_ns = self._clock.now_ns()
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
        """Type a filter."""
        text = self.ui.event_filter if self.ui.page is Page.EVENTS else self.ui.row_filter
        await self._open_prompt("/", text)

    async def action_command(self) -> None:
        """Type a command."""
        await self._open_prompt(":", "")

    async def _open_prompt(self, sign: str, text: str) -> None:
        from observer_tui.widgets.prompt import Prompt

        if self.prompt is not None:
            return
        names = [facts.row.name for facts in self.frame.rows]
        words = [
            *command_line.COMMANDS,
            *(f"{word} {name}" for word in ("restart", "pause", "process") for name in names),
        ]
        self.prompt = Prompt(sign, text, words if sign == ":" else ())
        await self.screen_stack[0].mount(self.prompt)

    def _close_prompt(self, *, cancelled: bool) -> None:
        prompt, self.prompt = self.prompt, None
        if prompt is None:
            return
        if cancelled and prompt.sign == "/":
            self._set_filter("")
        prompt.remove()
        self.draw()

    def _set_filter(self, text: str) -> None:
        self.change(**{"event_filter" if self.ui.page is Page.EVENTS else "row_filter": text, "scroll": 0})

    def on_prompt_typed(self, event: Any) -> None:
        """Filter while typing."""
        if event.sign == "/" and self.prompt is not None:
            self._set_filter(event.text)

    def on_prompt_entered(self, event: Any) -> None:
        """Take the complete text."""
        self._close_prompt(cancelled=False)
        if event.sign == ":" and event.text.strip():
            self._command(event.text)

    def _command(self, text: str) -> None:
        intent = command_line.parse(text)
        if isinstance(intent, str):
            self.notice(intent, "warn")
            return
        word, _, name = intent.argument.partition(" ")
        if intent.action in ("page", "order"):
            self._command_on(intent.action, word, name)
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
            self.notice("press W first: write mode is needed", "warn")

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

    def action_sort(self) -> None:
        """Choose the sort order from a list."""
        from observer_tui.widgets.dialogs import Choice, ChoiceDialog

        options = tuple((name, self.words(name)) for name in SORTS)
        focused = list(SORTS).index(self.ui.sort)
        choice = Choice(self.words("Sort by"), (), options, focused, upright=True, expires=False)
        self.push_screen(ChoiceDialog(choice, self.manner), lambda name: self.change(sort=name) if name else None)

    def action_write_mode(self) -> None:
        """Give write mode back, or ask for it with a reason."""
        from observer_tui.widgets.dialogs import TextDialog

        if self.ui.may_order(self._clock.now_ns()):
            self._later(self._give_back())
            return
        if self.store.link.state is not LinkState.LIVE:
            self.notice("not while the link is down", "warn")
            return
        label = self.words("Reason (everybody sees it; ends after ten minutes):")
        self.push_screen(TextDialog(self.words("Ask for write mode"), label, self.manner), self._with_reason)

    def _with_reason(self, reason: str | None) -> None:
        if reason:
            self._later(self._take_lease(reason))
        elif reason is not None:
            self.notice("a reason is needed", "warn")

    async def _take_lease(self, reason: str) -> None:
        self.say(await self._desk.take_lease(self.ui, reason))

    async def _give_back(self) -> None:
        self.say(await self._desk.give_back(self.ui))

    def action_order(self, verb: str) -> None:
        """Ask for confirmation of an order for the selected row, as it is shown now."""
        from observer_tui.widgets.dialogs import Choice, ChoiceDialog

        frame = self.frame
        if frame.selected is None:
            return
        planned = plan(verb, frame.selected, frame)
        if isinstance(planned, str):
            self.notice(planned, "warn")
            return
        options = (("", self.words("Cancel")), ("yes", self.words(planned.verb)))
        choice = Choice(planned.question, planned.consequences, options)
        self.push_screen(ChoiceDialog(choice, self.manner), lambda answer: self._confirmed(answer, planned))

    def _confirmed(self, answer: str | None, planned: PlannedOrder) -> None:
        if answer:
            self._later(self._send(planned))

    async def _send(self, planned: PlannedOrder) -> None:
        self.say(await self._desk.send(self.ui, planned))
