"""TOML files that operators edit: parsed, and every value traceable to its line. Pure.

Separate from what the files mean, because universe and calendar overrides must report alike: file, line, reason.
"""

import re
import tomllib
from typing import Any, NamedTuple

from observer_core.errors import ConfigError


class Problem(NamedTuple):
    """What is wrong where: lines count from 1."""

    line: int
    reason: str


class ConfigFileError(ConfigError):
    """A file that operators edit is wrong; each of `problems` reads "file:line: reason"."""

    def __init__(self, file: str, found: list[Problem]) -> None:
        self.file = file
        self.found = found
        super().__init__([f"{file}:{problem.line}: {problem.reason}" for problem in found])


TomlPath = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+|\"[^\"]*\"|'[^']*')\s*=")
_SYNTAX_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")
_AT_END = " (at end of document)"
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")


class TomlDocument:
    """A parsed file: its values, and the line of each."""

    def __init__(self, raw: bytes, file: str) -> None:
        """Parse.

        Raises:
            ConfigFileError: it is not UTF-8, not TOML, or holds nothing.
        """
        self.file = file
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise ConfigFileError(file, [Problem(line, "is not UTF-8 text: save it as UTF-8")]) from error
        self.last_line = max(1, len(text.splitlines()))
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigFileError(file, [self._syntax_problem(str(error))]) from error
        if not self.values:
            raise ConfigFileError(file, [Problem(1, "is empty: fill it, or remove it to use the defaults")])
        self._lines = _line_index(text)

    def line_of(self, path: TomlPath) -> int:
        """Return the line of a value, or of the nearest part around it that has one."""
        while path:
            if path in self._lines:
                return self._lines[path]
            within = [line for known, line in self._lines.items() if known[: len(path)] == path]
            if within:
                return min(within)
            path = path[:-1]
        return 1

    def states(self, path: TomlPath) -> bool:
        """Return whether the file says something of its own about a value."""
        return path in self._lines

    def error(self, path: TomlPath, reason: str) -> ConfigFileError:
        """Return the error about one value."""
        return ConfigFileError(self.file, [Problem(self.line_of(path), reason)])

    def _syntax_problem(self, text: str) -> Problem:
        found = _SYNTAX_LINE.search(text)
        if found:
            return Problem(int(found[1]), f"is not TOML: {text[: found.start()]}")
        return Problem(self.last_line, f"is not TOML: {text.removesuffix(_AT_END)} at its end: half written?")


def located(document: TomlDocument, text: str) -> ConfigFileError:
    """Return msgspec's complaint about a parsed file as the error about the value it names."""
    found = _PLACE.match(text)
    what, where = (found["what"], found["path"] or "") if found else (text, "")
    path: TomlPath = tuple(step[1] or int(step[2]) for step in _STEP.finditer(where))
    if unknown := _UNKNOWN.search(what):
        path = (*path, unknown[1])
    name = ".".join(str(step) for step in path)
    return document.error(path, f"{name}: {what}" if name else what)


class _Index:
    """Line by line: which table, which key, which item of an array."""

    def __init__(self) -> None:
        self.lines: dict[TomlPath, int] = {}
        self._table: TomlPath = ()
        self._tables: dict[str, int] = {}
        self._key: TomlPath = ()
        self._depth = 0
        self._item = 0
        self._quote = ""

    def take(self, text: str, number: int) -> None:
        """Note what begins on a line."""
        rest = text
        if not self._depth and not self._quote:
            if header := _HEADER.match(text):
                self._begin_table(header[2], header[1] == "[[", number)
                return
            if (key := _KEY.match(text)) is None:
                return
            self._key = (*self._table, key[1].strip("\"'"))
            self._item = 0
            self.lines[self._key] = number
            rest = text[key.end() :]
        self._take_value(rest, number)

    def _begin_table(self, name: str, repeated: bool, number: int) -> None:
        self._table = tuple(part.strip().strip("\"'") for part in name.split("."))
        if repeated:
            place = self._tables.get(name, 0)
            self._tables[name] = place + 1
            self.lines.setdefault(self._table, number)
            self._table = (*self._table, place)
        self.lines[self._table] = number

    def _take_value(self, text: str, number: int) -> None:
        place = 0
        while place < len(text):
            place = self._in_text(text, place) if self._quote else self._outside(text, place, number)

    def _in_text(self, text: str, place: int) -> int:
        if text[place] == "\\" and self._quote.startswith('"'):
            return place + 2
        if text.startswith(self._quote, place):
            width = len(self._quote)
            self._quote = ""
            return place + width
        return place + 1

    def _outside(self, text: str, place: int, number: int) -> int:
        letter = text[place]
        if letter == "#":
            return len(text)
        if self._depth == 1 and letter not in ", \t]":
            self.lines.setdefault((*self._key, self._item), number)
        if letter in "\"'":
            self._quote = letter * 3 if text.startswith(letter * 3, place) else letter
            return place + len(self._quote)
        if letter in "[{":
            self._depth += 1
        elif letter in "]}":
            self._depth -= 1
        elif letter == "," and self._depth == 1:
            self._item += 1
        return place + 1


def _line_index(text: str) -> dict[TomlPath, int]:
    index = _Index()
    for number, line in enumerate(text.splitlines(), start=1):
        index.take(line, number)
    return index.lines
