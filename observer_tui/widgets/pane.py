"""A widget that shows drawn lines and repaints only what changed: the line API, a tenth of a stock widget's cost.

Textual repaints from the left edge of a widget to the right edge of the dirty region; so a change dirties its line only
as far as it reaches, and panes that stand side by side are widgets of their own.
"""

from rich.segment import Segment
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from observer_tui.cells import width_of
from observer_tui.lines import Line
from observer_tui.looks import style_of


class Pane(Widget):
    """Lines at a place of the screen."""

    DEFAULT_CSS = """
    Pane { position: absolute; }
    """

    class Pressed(Message):
        """A line of the pane was clicked."""

        def __init__(self, pane: str, y: int) -> None:
            super().__init__()
            self.pane = pane
            self.y = y

    class Scrolled(Message):
        """The wheel was turned over the pane; `step` is lines, positive = down."""

        def __init__(self, pane: str, step: int) -> None:
            super().__init__()
            self.pane = pane
            self.step = step

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self._lines: list[Line] = []
        self._theme = "dark"

    def show(self, lines: list[Line], theme: str) -> None:
        """Take the lines to show; only what differs is painted again."""
        if theme != self._theme or len(lines) != len(self._lines):
            self._lines, self._theme = lines, theme
            self.refresh()
            return
        dirty = [
            Region(0, y, changed_until(old, new), 1)
            for y, (old, new) in enumerate(zip(self._lines, lines, strict=True))
            if old != new
        ]
        self._lines = lines
        if dirty:
            self.refresh(*dirty)

    @property
    def lines(self) -> list[Line]:
        """Return what is shown."""
        return self._lines

    def render_line(self, y: int) -> Strip:
        """Return one line in the theme's styles."""
        if y >= len(self._lines):
            # With a style: the filter that takes colours away (NO_COLOR) looks into every one.
            return Strip.blank(self.size.width, style_of(self._theme, "plain"))
        theme = self._theme
        return Strip([Segment(span.text, style_of(theme, span.role)) for span in self._lines[y]])

    def on_click(self, event: Click) -> None:
        """Tell the app which line was clicked."""
        self.post_message(self.Pressed(self.name or "", event.y))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Tell the app that the wheel was turned."""
        event.stop()
        self.post_message(self.Scrolled(self.name or "", 1))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Tell the app that the wheel was turned."""
        event.stop()
        self.post_message(self.Scrolled(self.name or "", -1))


def changed_until(old: Line, new: Line) -> int:
    """Return the cell after the last one that differs between two lines of the same width."""
    total = sum(width_of(span.text) for span in new)
    same = 0
    for before, after in zip(reversed(old), reversed(new), strict=False):
        if before == after:
            same += width_of(after.text)
            continue
        if before.role == after.role:
            for one, other in zip(reversed(before.text), reversed(after.text), strict=False):
                if one != other:
                    break
                same += width_of(one)
        break
    return max(0, total - same)
