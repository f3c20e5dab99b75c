"""Questions to the operator: a choice with its consequences, a line of text. Imported when first needed.

The safe choice has the focus first; nothing happens when time runs out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from observer_tui.cells import width_of
from observer_tui.glyphs import Glyphs
from observer_tui.lines import Line, Span, boxed, fit_line
from observer_tui.widgets.pane import Pane
from observer_tui.words import Words

DECIDE_S = 30
_MARGIN = 6
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Manner:
    """How a dialog is drawn."""

    words: Words
    glyphs: Glyphs
    theme: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked: title, lines of explanation, choices with their results; the first has the focus."""

    title: str
    lines: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    """Result and label."""
    focused: int = 0
    upright: bool = False
    expires: bool = True
    unasked: bool = False
    """Whether it opens by itself: then the first second's keys, and `y`, were meant for something else."""


class ChoiceDialog(ModalScreen[str]):
    """Lets the operator choose; the result is "" when it was left or time ran out."""

    DEFAULT_CSS = """
    ChoiceDialog { align: center middle; background: transparent; }
    ChoiceDialog > Pane { position: relative; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up,k,shift+tab", "step(-1)", show=False),
        Binding("right,down,j,tab", "step(1)", show=False),
        Binding("enter", "choose", show=False),
        Binding("escape,q,n", "leave", show=False),
        Binding("y", "agree", show=False),
        *(Binding(str(digit), f"pick({digit})", show=False) for digit in range(1, 10)),
    ]

    def __init__(self, choice: Choice, manner: Manner) -> None:
        super().__init__()
        self._choice = choice
        self._manner = manner
        self._index = choice.focused
        self._left_s = DECIDE_S
        self._pane = Pane("dialog")

    def compose(self) -> ComposeResult:
        """Give the one pane."""
        yield self._pane

    def on_mount(self) -> None:
        """Size the pane and start the countdown."""
        self._draw()
        if self._choice.expires:
            self.set_interval(1.0, self._count_down)

    def _count_down(self) -> None:
        self._left_s -= 1
        if self._left_s <= 0:
            self.dismiss("")
        else:
            self._draw()

    def _draw(self) -> None:
        choice, words = self._choice, self._manner.words
        note = words("{time} to decide, then nothing happens", time=f"{self._left_s}s") if choice.expires else ""
        longest = max(width_of(text) for text in (*choice.lines, choice.title, note, *self._labels()))
        width = min(self.app.size.width - 2, max(40, longest + _MARGIN + 2))
        lines: list[Line] = [fit_line([Span(f"  {text}")], width - 2) for text in choice.lines]
        if lines:
            lines.append(fit_line((), width - 2))
        lines += self._options(width - 2)
        height = len(lines) + 2
        self._pane.styles.width, self._pane.styles.height = width, height
        self._pane.show(boxed(choice.title, lines, (width, height), self._manner.glyphs, note), self._manner.theme)

    def _labels(self) -> list[str]:
        return [label for _, label in self._choice.options]

    def _options(self, width: int) -> list[Line]:
        def numbered(place: int, label: str) -> str:
            return f"{place + 1} {label}" if self._choice.upright and place < _DIGITS else label

        drawn = [
            Span(
                f"> {numbered(place, label)} <" if place == self._index else f"  {numbered(place, label)}  ",
                "selected" if place == self._index else "plain",
            )
            for place, label in enumerate(self._labels())
        ]
        if self._choice.upright:
            return [fit_line([Span("  "), span], width) for span in drawn]
        spans = [Span("  ")]
        for span in drawn:
            spans += [span, Span("   ")]
        return [fit_line(spans, width)]

    def action_step(self, step: int) -> None:
        """Move the focus."""
        self._index = (self._index + step) % len(self._choice.options)
        self._draw()

    def action_choose(self) -> None:
        """Take the focused choice."""
        if self._choice.unasked and self._left_s == DECIDE_S:
            return
        self.dismiss(self._choice.options[self._index][0])

    def action_pick(self, number: int) -> None:
        """Take the numbered choice of a list."""
        if self._choice.upright and number <= len(self._choice.options):
            self.dismiss(self._choice.options[number - 1][0])

    def action_agree(self) -> None:
        """Take the last choice of a yes-or-no question."""
        if not self._choice.upright and not self._choice.unasked:
            self.dismiss(self._choice.options[-1][0])

    def action_leave(self) -> None:
        """Leave without a choice."""
        self.dismiss("")


class TextDialog(ModalScreen[str]):
    """Asks for one line of text; the result is "" when it was left or time ran out."""

    DEFAULT_CSS = """
    TextDialog { align: center middle; background: transparent; }
    TextDialog > Vertical { width: 72; max-width: 100%; height: 5; }
    TextDialog Pane { position: absolute; width: 72; height: 5; }
    TextDialog Input { position: absolute; width: 66; offset: 3 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, title: str, label: str, manner: Manner) -> None:
        super().__init__()
        self._title = title
        self._label = label
        self._manner = manner
        self._pane = Pane("dialog")

    def compose(self) -> ComposeResult:
        """Give the frame and the input in it."""
        with Vertical():
            yield self._pane
            yield Input(max_length=200, compact=True)

    def on_mount(self) -> None:
        """Draw the frame and take the keys."""
        width = min(72, self.app.size.width)
        lines: Sequence[Line] = [fit_line([Span(f"  {self._label}", "label")], width - 2)]
        self._pane.show(boxed(self._title, lines, (width, 5), self._manner.glyphs, "enter / esc"), self._manner.theme)
        self.query_one(Input).focus()
        self.set_timer(4 * DECIDE_S, self.action_leave)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Return the text."""
        event.stop()
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        """Leave without a text."""
        self.dismiss("")
