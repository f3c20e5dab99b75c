"""What leaves the console: a row as text, the screen as files."""

import re
from html import unescape
from pathlib import Path

from observer_core.clock import kst_datetime
from observer_tui.cells import width_of
from observer_tui.frame import Frame
from observer_tui.panes.processes import COLUMNS
from observer_tui.rows import RowFacts

_TEXT = re.compile(r'<text ([^>]*?)x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"([^>]*)>([^<]*)</text>')
_BLANK = "&#160;"


def row_text(frame: Frame, facts: RowFacts) -> str:
    """Return a row as `title value` pairs separated by tabs, charts left out."""
    cells = [(column.title, column.text(facts, frame)) for column in COLUMNS if not column.title.endswith("60s")]
    return "\t".join(f"{title} {text}" for title, text in cells if text)


def with_placed_words(picture: str) -> str:
    """Return an SVG of a terminal in which every word stands at its own place.

    Blanks at the ends of a text have no width in some viewers, and Hangul is pressed together into half of its room:
    the columns do not line up any more.
    """
    return _TEXT.sub(_placed_words, picture)


def _placed_words(found: re.Match[str]) -> str:
    before, x, y, length, after, content = found.groups()
    if not content:
        return found[0]
    # The length that is given counts characters, also where one of them takes two cells.
    unit, column, words = float(length) / len(unescape(content)), 0, []
    for word in content.split(_BLANK):
        width = width_of(unescape(word))
        if width:
            place = f'x="{float(x) + unit * column:.6g}" y="{y}" textLength="{unit * width:.6g}"'
            words.append(f"<text {before}{place}{after}>{word}</text>")
        column += width + 1
    return "".join(words)


def save_capture(directory: Path, at_ns: int, picture: str, text: str) -> tuple[Path, Path]:
    """Write the screen as SVG and as plain text; return both files.

    Raises:
        OSError: the directory cannot be written.
    """
    stem = f"observer-{kst_datetime(at_ns):%Y%m%d-%H%M%S}"
    drawn, plain = directory / f"{stem}.svg", directory / f"{stem}.txt"
    drawn.write_text(with_placed_words(picture), encoding="utf-8")
    plain.write_text(text, encoding="utf-8")
    return drawn, plain
