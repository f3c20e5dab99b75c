"""What leaves the console: a row as text, the screen as files."""

from pathlib import Path

from observer_core.clock import kst_datetime
from observer_tui.frame import Frame
from observer_tui.panes.processes import COLUMNS
from observer_tui.rows import RowFacts


def row_text(frame: Frame, facts: RowFacts) -> str:
    """Return a row as `title value` pairs separated by tabs, charts left out."""
    cells = [(column.title, column.text(facts, frame)) for column in COLUMNS if not column.title.endswith("60s")]
    return "\t".join(f"{title} {text}" for title, text in cells if text)


def save_capture(directory: Path, at_ns: int, picture: str, text: str) -> tuple[Path, Path]:
    """Write the screen as SVG and as plain text; return both files.

    Raises:
        OSError: the directory cannot be written.
    """
    stem = f"observer-{kst_datetime(at_ns):%Y%m%d-%H%M%S}"
    drawn, plain = directory / f"{stem}.svg", directory / f"{stem}.txt"
    drawn.write_text(picture, encoding="utf-8")
    plain.write_text(text, encoding="utf-8")
    return drawn, plain
