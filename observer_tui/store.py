"""The one owner of what the console knows: the newest view, the link, rates and histories, and a frozen copy of them.

Widgets pull frames from here on the tick; nothing pushes into widgets.
"""

from copy import deepcopy
from dataclasses import dataclass

from observer_core.details import RateHistory
from observer_core.questions import Answer
from observer_core.view import SystemView
from observer_tui.conditions import is_stale, verdict_of
from observer_tui.feed import LinkFacts, LinkState
from observer_tui.frame import Frame, rows_of
from observer_tui.glyphs import Glyphs
from observer_tui.inquiries import NOTHING_ASKED, Replies
from observer_tui.meters import Meters
from observer_tui.ui_state import UiState
from observer_tui.words import Words


@dataclass(slots=True)
class _Picture:
    """What a frame is drawn from besides the operator's choices."""

    view: SystemView | None
    link: LinkFacts
    meters: Meters
    replies: Replies = NOTHING_ASKED


class Store:
    """State of the console between two frames."""

    def __init__(self, glyphs: Glyphs, version: str, *, demo: bool = False) -> None:
        self.glyphs = glyphs
        self.version = version
        self.demo = demo
        self._now = _Picture(None, LinkFacts(LinkState.CONNECTING), Meters())
        self._frozen: _Picture | None = None

    @property
    def view(self) -> SystemView | None:
        """Return the newest view, also while the display is frozen."""
        return self._now.view

    @property
    def link(self) -> LinkFacts:
        """Return the newest state of the link."""
        return self._now.link

    def accept(self, view: SystemView | None, link: LinkFacts, now_ns: int, *, counted: Meters | None = None) -> bool:
        """Take the newest view and link, close the seconds that passed; return whether the link's state changed.

        What was `counted` elsewhere is not counted again.
        """
        changed = link.state is not self._now.link.state
        self._now.link = link
        if counted is not None:
            self._now.view, self._now.meters = view, counted
            return changed
        if view is not None and view is not self._now.view:
            self._now.view = view
            self._now.meters.observe(view)
        self._now.meters.advance(now_ns, live=link.state is LinkState.LIVE)
        return changed

    @property
    def replies(self) -> Replies:
        """Return the newest answers, also while the display is frozen."""
        return self._now.replies

    def take_answer(self, answer: Answer) -> None:
        """Take the answer to a page's question."""
        self._now.replies = self._now.replies.with_answer(answer)

    def recall(self, history: RateHistory, now_ns: int) -> None:
        """Fill charts with what the core saw while this console did not."""
        self._now.meters.recall(history, now_ns)

    def freeze(self) -> None:
        """Keep the present picture for the display."""
        self._frozen = _Picture(self._now.view, self._now.link, deepcopy(self._now.meters), self._now.replies)

    def thaw(self) -> None:
        """Show the present again."""
        self._frozen = None

    def frame(self, ui: UiState, now_ns: int) -> Frame:
        """Return the frame for the operator's choices, of now or of when the display was frozen."""
        picture = self._now if self._frozen is None else self._frozen
        at_ns = now_ns if self._frozen is None or ui.frozen_ns is None else ui.frozen_ns
        view = picture.view
        # Without news, processes must not seem silent one by one: the figures stand still, and the link says how old.
        figures_ns = min(at_ns, view.as_of_ns) if view is not None and is_stale(picture.link) else at_ns
        words = Words(ui.language)
        return Frame(
            now_ns=at_ns,
            figures_ns=figures_ns,
            view=view,
            link=picture.link,
            meters=picture.meters,
            verdict=verdict_of(view, picture.link, figures_ns, words),
            ui=ui,
            words=words,
            glyphs=self.glyphs,
            rows=rows_of(view, picture.meters, ui, figures_ns),
            replies=picture.replies,
            version=self.version,
            demo=self.demo,
        )
