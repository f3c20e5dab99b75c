"""A pane at its place, and panes side by side: what the pages are made of."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from observer_tui.frame import Frame
from observer_tui.lines import Line


class Placed(NamedTuple):
    """A pane at its place, in cells."""

    name: str
    x: int
    y: int
    width: int
    height: int
    lines: list[Line]


Draw = Callable[[Frame, int, int], list[Line]]


def in_row(frame: Frame, y: int, height: int, panes: Sequence[tuple[str, int, Draw]]) -> list[Placed]:
    """Return panes side by side; each gets its width, the last one what is left."""
    placed, x = [], 0
    for name, pane_width, draw in panes:
        placed.append(Placed(name, x, y, pane_width, height, draw(frame, pane_width, height)))
        x += pane_width
    return placed
