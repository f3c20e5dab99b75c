"""What an operator gives the console: which keys are bound and usable now, the filter and the commands that are typed.

Built on the layers that do what is asked: `looking_app` (pages, cursor, view), `replaying_app`, `ordering_app`.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Key, Resize
from textual.screen import Screen

from observer_core.clock import NS_PER_S, Clock
from observer_tui import command_line
from observer_tui.bindings import BINDINGS, available, binding_of
from observer_tui.drawing_app import ConsoleOptions
from observer_tui.feed import Feed, LinkState
from observer_tui.looking_app import LookingApp
from observer_tui.looks import THEMES
from observer_tui.panes.help import may_order, told_of
from observer_tui.rows import SORTS
from observer_tui.selection import filter_and_selection, selection_of
from observer_tui.ui_state import FILTERED, Page

_LEAVE_WITHIN_NS = 2 * NS_PER_S


class ConsoleApp(LookingApp):
    """The console."""

    TITLE = "observer-tui"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(binding.keys, binding.action, binding.label, show=False, id=binding.id)
        for binding in BINDINGS
        if binding.action != "command_palette"
    ]

    def __init__(self, feed: Feed, clock: Clock, options: ConsoleOptions) -> None:
        super().__init__(feed, clock, options)
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

    async def action_back(self) -> None:
        """Close the prompt, else clear this page's filter, else go one page back."""
        if self.prompt is not None:
            self._close_prompt(cancelled=True)
        elif self.ui.filter_text:
            self._set_filter("")
        else:
            self.ui = self.ui.returned()
            self.draw()

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

    def on_resize(self, event: Resize) -> None:
        """Keep the prompt on the last line."""
        if self.prompt is not None:
            self.prompt.styles.offset = (0, event.size.height - 1)

    # Commands

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
