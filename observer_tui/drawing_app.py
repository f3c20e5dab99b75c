"""Follows the feed and puts frames on the screen at the chosen rate.

What keys do is in the layers above: `ordering_app`, `replaying_app`, `looking_app`, and `app`, which binds them.
Decisions are elsewhere (`store`, `pages`, `order_desk`); this module only connects them to Textual.
"""

import asyncio
import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.events import Mount, Resize
from textual.screen import Screen
from textual.timer import Timer

from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import LinkError
from observer_core.questions import GetHistory, Question
from observer_core.view import SystemView
from observer_tui.feed import Feed, LinkState
from observer_tui.frame import Frame
from observer_tui.glyphs import ASCII, BLOCKS
from observer_tui.inquiries import due_after_ns, question_of, subject_of
from observer_tui.lines import Role, text_of
from observer_tui.order_desk import OrderDesk, Outcome, follow, new_request_id
from observer_tui.pages import draw_page
from observer_tui.placing import Placed
from observer_tui.store import Store
from observer_tui.terminal_app import TerminalApp
from observer_tui.ui_state import BRIEF_S, RATES_HZ, UiState, stepped
from observer_tui.widgets.pane import Pane
from observer_tui.words import Words

if TYPE_CHECKING:
    from observer_tui.replay_feed import ReplayFeed
    from observer_tui.widgets.dialogs import Manner


@dataclass(frozen=True, slots=True)
class ConsoleOptions:
    """How the console starts."""

    operator: str
    language: str = "en"
    theme: str = "dark"
    ascii_only: bool = False
    capture_dir: Path = Path()
    version: str = ""
    hz: float = 2.0
    probe_after_s: float = 0.0
    replay: "ReplayFeed | None" = None
    """The feed, where it is a recording."""
    in_browser: bool = False
    demo: bool = False
    """Whether leaving ends the demo that started this console."""


class DrawingApp(TerminalApp):
    """Frames from the feed on the terminal."""

    CSS = """
    Screen { overflow: hidden; }
    """

    def __init__(self, feed: Feed, clock: Clock, options: ConsoleOptions) -> None:
        super().__init__(options.probe_after_s, in_browser=options.in_browser)
        self.theme = "ansi-dark"
        self.feed = feed
        self.ui = UiState(language=options.language, theme=options.theme, hz=options.hz)
        self.store = Store(ASCII if options.ascii_only else BLOCKS, options.version, demo=options.demo)
        self._clock = clock
        self._desk = OrderDesk(feed, options.operator)
        self._panes: dict[str, Pane] = {}
        self.placed: dict[str, Placed] = {}
        self._tick: Timer | None = None
        self.prompt: Any = None
        """The open prompt (`widgets.prompt.Prompt`, imported when first needed)."""
        self._follower: asyncio.Task[None] | None = None
        self._inquirer: asyncio.Task[None] | None = None
        self._wanting = asyncio.Event()
        """Set when the open page wants to know something else than before."""
        self._wanted: tuple[object, ...] = ()
        self._recalling: asyncio.Task[None] | None = None

    async def on_mount(self, _event: Mount) -> None:
        """Draw at once, then follow the feed."""
        self.draw()
        await self.feed.start()
        self._follower = asyncio.create_task(self._follow())
        self._inquirer = asyncio.create_task(self._inquire())
        self.set_tick()

    async def on_unmount(self) -> None:
        """Stop following and free the sockets."""
        for task in (self._follower, self._inquirer, self._recalling):
            if task is not None:
                task.cancel()
        await self.feed.close()

    async def _follow(self) -> None:
        """Fold news as they come; paint at once only when the link itself changed or first news are there."""
        while True:
            await self.feed.wait_change()
            first = self.store.view is None
            changed = self._accept()
            if changed or (first and self.store.view is not None):
                self.draw()
            if changed and self.store.link.state is LinkState.LIVE:
                self._recalling = asyncio.create_task(self._recall())

    async def _recall(self) -> None:
        """Ask what the core saw while this console did not; an older core cannot tell."""
        with contextlib.suppress(LinkError):
            answer = await self.feed.ask(GetHistory(request_id=new_request_id()))
            if answer.history is not None:
                self.store.recall(answer.history, self._clock.now_ns())
                self.draw()

    async def _inquire(self) -> None:
        """Ask for what the open page shows beyond the view: at once when that changes, then whenever it is due."""
        while True:
            self._wanting.clear()
            question = self._question()
            if question is not None and self.store.link.state is LinkState.LIVE and self.ui.frozen_ns is None:
                with contextlib.suppress(LinkError):  # the first line says that the link is broken
                    self.store.take_answer(await self.feed.ask(question))
                if subject_of(question) == self._subject():
                    self.draw()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due_after_ns(self.ui) / NS_PER_S):
                    await self._wanting.wait()

    def _question(self) -> Question | None:
        selected = self.frame.selected
        process = selected.row.name if selected is not None else ""
        return question_of(self.ui, process, self.store.replies, new_request_id())

    def _subject(self) -> tuple[object, ...]:
        question = self._question()
        return () if question is None else subject_of(question)

    def _accept(self) -> bool:
        before = self.store.view
        changed = self.store.accept(self.feed.view, self.feed.link, self._clock.now_ns(), counted=self.feed.meters)
        after = self.store.view
        if after is not None and after is not before:
            news = follow(self.ui, before, after)
            if news is not None:
                self.say(news)
            self.took_view(after)
            if before is not None and before.hub_epoch != after.hub_epoch and self.ui.lease is not None:
                self.ui = replace(self.ui, lease=None)
                self.notice("write mode has ended", "warn")
        return changed

    def took_view(self, view: SystemView) -> None:
        """Hear of a newer view; a place for what waits for something in it."""

    def set_tick(self) -> None:
        """Draw at the chosen rate from now on."""
        if self._tick is not None:
            self._tick.stop()
        self._tick = self.set_interval(1 / self.ui.hz, self.tick)

    def tick(self) -> None:
        """Take what is newest and draw; a frozen display is left alone."""
        now_ns = self._clock.now_ns()
        self._accept()
        if self.ui.lease is not None and self.ui.lease.until_ns <= now_ns:
            self.ui = replace(self.ui, lease=None)
            self.notice("write mode has ended", "warn")
        if self.ui.notice is not None and self.ui.notice.until_ns <= self._clock.monotonic_ns():
            self.ui = replace(self.ui, notice=None)
            self.draw()
        elif self.ui.frozen_ns is None:
            self.draw()

    @property
    def frame(self) -> Frame:
        """Return the frame of this moment."""
        return self.store.frame(self.ui, self._clock.now_ns())

    @property
    def words(self) -> Words:
        """Return the words of the chosen language."""
        return Words(self.ui.language)

    def draw(self) -> None:
        """Show the page as it is now; only changed lines reach the terminal."""
        if not self.screen_stack:
            return
        base = self.screen_stack[0]
        placed = draw_page(self.frame, self.size.width, self.size.height)
        wanted = {pane.name: pane for pane in placed}
        with self.batch_update():
            for name in self._panes.keys() - wanted.keys():
                self._panes[name].display = False
            for pane in placed:
                self._show(base, pane)
        self.placed = wanted
        subject = self._subject()
        if subject != self._wanted:
            self._wanted = subject
            self._wanting.set()

    def _show(self, base: Screen[Any], pane: Placed) -> None:
        widget = self._panes.get(pane.name)
        before = self.placed.get(pane.name)
        if widget is None:
            widget = self._panes[pane.name] = Pane(pane.name)
            self._place(widget, pane)
            base.mount(widget)
        elif before is None or before[1:5] != pane[1:5]:
            self._place(widget, pane)
            widget.display = True
        widget.show(pane.lines, self.ui.theme)

    def _place(self, widget: Pane, pane: Placed) -> None:
        widget.styles.offset = (pane.x, pane.y)
        widget.styles.width, widget.styles.height = pane.width, pane.height

    def on_resize(self, _event: Resize) -> None:
        """Lay out anew for the new size."""
        self.draw()

    def on_slow_terminal(self) -> None:
        """Refresh less often from now on, and say so."""
        slower = stepped(self.ui.hz, RATES_HZ, -1)
        if slower < self.ui.hz:
            self.ui = replace(self.ui, hz=slower)
            self.set_tick()
            self.notice("the terminal is slow: {rate}/s from now on (+ = faster)", "warn", rate=f"{slower:g}")

    def screen_text(self) -> str:
        """Return the page as plain text, as it stands on the screen."""
        lines = [""] * max((pane.y + pane.height for pane in self.placed.values()), default=0)
        for pane in sorted(self.placed.values(), key=lambda pane: (pane.y, pane.x)):
            for place, line in enumerate(pane.lines[: pane.height]):
                lines[pane.y + place] += text_of(line)
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def notice(self, text: str, /, role: Role = "plain", **values: object) -> None:
        """Tell the operator something for a few seconds."""
        self.ui = self.ui.noticed(self.words(text, **values), self._clock.monotonic_ns(), role)
        self.draw()

    def tell(self, text: str, /, **values: object) -> None:
        """Tell what a key has changed, also where an older message stood or the second line has no room for it."""
        self.ui = self.ui.noticed(self.words(text, **values), self._clock.monotonic_ns(), for_s=BRIEF_S)
        self.draw()

    @property
    def manner(self) -> "Manner":
        """Return how dialogs are drawn."""
        from observer_tui.widgets.dialogs import Manner

        return Manner(self.words, self.store.glyphs, self.ui.theme)

    def say(self, outcome: Outcome) -> None:
        """Take the state after an order and tell how it went."""
        self.ui = outcome.ui.noticed(outcome.text, self._clock.monotonic_ns(), outcome.role)
        self.draw()

    def change(self, **values: object) -> None:
        """Replace parts of the operator's state and draw."""
        self.ui = replace(self.ui, **values)  # type: ignore[arg-type]  # names and types are those of UiState
        self.draw()
