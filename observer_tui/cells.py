"""Text measured in terminal cells: a Hangul syllable takes two, a combining mark none.

Separate from everything that draws, because every column of every pane depends on it being right.
"""

from typing import Literal

from rich.cells import cell_len, set_cell_size

Align = Literal["left", "right", "center"]


def width_of(text: str) -> int:
    """Return the number of terminal cells that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def clean(text: str) -> str:
    """Return the text without control characters: a log line must not be able to steer the terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


def cut(text: str, width: int, mark: str = "~") -> str:
    """Return at most `width` cells of the text; a cut text ends with the mark."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    room = max(0, width - width_of(mark))
    return set_cell_size(set_cell_size(text, room) + mark, width)


def fit(text: str, width: int, align: Align = "left", mark: str = "~") -> str:
    """Return the text cut or padded with spaces to exactly `width` cells, free of control characters."""
    text = cut(clean(text), width, mark)
    space = width - width_of(text)
    if space <= 0:
        return text
    if align == "left":
        return text + " " * space
    if align == "right":
        return " " * space + text
    return " " * (space // 2) + text + " " * (space - space // 2)


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` cells, broken between words; a longer word is broken itself."""
    lines = [""]
    for word in text.split():
        rest = word
        if lines[-1] and width_of(lines[-1]) + 1 + width_of(rest) <= width:
            lines[-1] += f" {rest}"
            continue
        if lines[-1]:
            lines.append("")
        while width_of(rest) > width:
            part = cut(rest, width, "")
            lines[-1], rest = part.rstrip(), rest[max(1, len(part.rstrip())) :]
            lines.append("")
        lines[-1] = rest
    return lines
