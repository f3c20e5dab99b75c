"""The two alphabets of the screen: block characters, or plain ASCII for terminals that draw blocks two cells wide.

Block and box characters are East Asian Ambiguous: a terminal set to "ambiguous = wide" shears every column drawn with
them, so nothing outside this module names one. Sparklines, plots and bars are made here because they are made of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One alphabet."""

    horizontal: str
    vertical: str
    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    ramp: str
    """Heights of a one-row sparkline from zero to full, lowest first."""
    steps: str
    """Partial heights within one row of a taller plot, lowest first, full last."""
    full: str
    empty: str
    live: str
    ages: str
    """Age classes of the freshness map, freshest first: the older, the denser."""
    dot: str
    arrow_down: str
    arrow_up: str


BLOCKS = Glyphs("─", "│", "┌", "┐", "└", "┘", "▁▂▃▄▅▆▇█", "▁▂▃▄▅▆▇█", "█", "░", "●", "·░▒▓█", "·", "▼", "▲")
ASCII = Glyphs("-", "|", "+", "+", "+", "+", "_.:-=+*#@", ".:#", "#", ".", "*", ".:+*#", "-", "v", "^")


def ceiling(values: Sequence[float | None]) -> float:
    """Return the scale of a plot: the least 1, 2 or 5 times a power of ten that holds the values, so it rests."""
    largest = max((value for value in values if value is not None), default=0.0)
    if largest <= 0:
        return 1.0
    power = 1e-3
    while power < largest:
        for factor in (1, 2, 5):
            if factor * power >= largest:
                return factor * power
        power *= 10
    return power


def sparkline(values: Sequence[float | None], glyphs: Glyphs, least: float = 0.0) -> str:
    """Return one character a value: blank = not known, the lowest glyph = zero; full is at least `least`."""
    top = max(least, ceiling(values))
    last = len(glyphs.ramp) - 1
    return "".join(
        " " if value is None else glyphs.ramp[min(last, -int(-max(0.0, value) * last // top))] for value in values
    )


def plot(values: Sequence[float | None], rows: int, glyphs: Glyphs) -> list[str]:
    """Return a column chart of `rows` lines, highest first; a known value is never blank."""
    top = ceiling(values)
    steps = len(glyphs.steps)
    heights = [-1 if value is None else max(1, round(max(0.0, value) / top * rows * steps)) for value in values]
    drawn = []
    for row in reversed(range(rows)):
        base = row * steps
        drawn.append("".join(_level(height - base, steps, glyphs) for height in heights))
    return drawn


def _level(height: int, steps: int, glyphs: Glyphs) -> str:
    if height <= 0:
        return " "
    return glyphs.steps[min(height, steps) - 1]


def bar(share: float, width: int, glyphs: Glyphs) -> str:
    """Return a bar filled to a share between 0 and 1."""
    filled = min(width, max(0, round(share * width)))
    return glyphs.full * filled + glyphs.empty * (width - filled)
