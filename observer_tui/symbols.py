"""The symbols as the operator wants them: rows of the newest columns, filtered and sorted, and their age classes. Pure.

Sorting two thousand rows costs milliseconds, so the result is kept until columns, filter or order change.
"""

import operator
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

from observer_core.details import (
    PINNED,
    STREAMED,
    SymbolColumns,
    SymbolList,
    SymbolRow,
    Why,
    age_of_byte,
    symbol_rows,
)
from observer_tui.hangul import initials, is_initials
from observer_tui.ui_state import UiState

Key = Callable[[SymbolRow], float | str]

SORTS: dict[str, Key] = {
    "why": lambda row: row.why * 1e9 + (row.seen_s if row.seen_s is not None else 9e8),
    "code": lambda row: row.code,
    "name": lambda row: row.name,
    "shard": lambda row: row.shard,
    "age": lambda row: row.seen_s if row.seen_s is not None else float("inf"),
    "traded": lambda row: row.traded_s if row.traded_s is not None else float("inf"),
    "rate": lambda row: row.rate,
    "price": lambda row: row.price or 0,
    "change": lambda row: row.change_bp or 0,
}
"""Sort orders by name; numbers sort largest first, text first letter first."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {">": operator.gt, "<": operator.lt}
_NUMBERS: dict[str, Callable[[SymbolRow], float]] = {
    "age": lambda row: row.seen_s if row.seen_s is not None else float("inf"),
    "traded": lambda row: row.traded_s if row.traded_s is not None else float("inf"),
    "rate": lambda row: row.rate,
    "price": lambda row: row.price or 0,
    "change": lambda row: (row.change_bp or 0) / 100,
}

CLASSES = 5
"""Age classes: fresh, late, older, old, very old."""
_CLASS_TIMES = (1, 3, 12, 60)


def class_limits_s(late_s: float) -> tuple[float, ...]:
    """Return the upper ages of all classes but the last."""
    return tuple(late_s * times for times in _CLASS_TIMES)


def age_classes(seen: bytes, late_s: float) -> bytes:
    """Return the class of every age byte, 0 = fresh, `CLASSES` = never seen."""
    limits_s = class_limits_s(late_s)
    ages_s = (age_of_byte(byte) for byte in range(256))
    translation = bytes(
        CLASSES if age_s is None else sum(1 for limit_s in limits_s if age_s > limit_s) for age_s in ages_s
    )
    return seen.translate(translation)


class Tally(NamedTuple):
    """How many symbols are in which class."""

    by_class: tuple[int, ...]
    never: int
    by_why: dict[Why, int]


class SymbolTable:
    """The newest columns with their list, and the rows in the chosen order."""

    def __init__(
        self,
        columns: SymbolColumns,
        listing: SymbolList,
        names: dict[str, str] | None = None,
        initials_of: dict[str, str] | None = None,
        places: dict[str, int] | None = None,
    ) -> None:
        self.columns = columns
        self.listing = listing
        self.rows = symbol_rows(columns, listing)
        self.initials = (
            {code: initials(name) for code, name in zip(listing.codes, listing.names, strict=True)}
            if initials_of is None
            else initials_of
        )
        self.names = dict(zip(listing.codes, listing.names, strict=True)) if names is None else names
        self.places = _places_of(listing) if places is None else places
        self.limits_s = class_limits_s(columns.late_s)
        self.classes = age_classes(columns.seen, columns.late_s)
        self._chosen: tuple[tuple[str, bool, str], list[SymbolRow]] | None = None

    def renewed(self, columns: SymbolColumns) -> "SymbolTable | None":
        """Return the table with newer columns; None when they belong to another list."""
        if columns.listing is not None:
            return SymbolTable(columns, columns.listing)
        if columns.version != self.columns.version:
            return None
        return SymbolTable(columns, self.listing, self.names, self.initials, self.places)

    @property
    def groups(self) -> list[tuple[str, range]]:
        """Return the shards with the places of their symbols; the list is ordered by shard."""
        found: list[tuple[str, range]] = []
        first = 0
        for owner, run in groupby(self.listing.owners):
            ends = first + sum(1 for _ in run)
            name = self.listing.shards[owner] if owner < len(self.listing.shards) else "-"
            found.append((name, range(first, ends)))
            first = ends
        return found

    @property
    def tally(self) -> Tally:
        """Return how many symbols are in which class."""
        classes, whys = Counter(self.classes), Counter(self.columns.why)
        by_class = tuple(classes.get(place, 0) for place in range(CLASSES))
        return Tally(by_class, classes.get(CLASSES, 0), {Why(why): number for why, number in whys.items()})

    def chosen(self, ui: UiState) -> list[SymbolRow]:
        """Return the rows that pass the filter, sorted."""
        wanted = (ui.symbol_sort, ui.symbol_inverted, ui.symbol_filter)
        if self._chosen is None or self._chosen[0] != wanted:
            self._chosen = wanted, self._choose(ui)
        return self._chosen[1]

    def _choose(self, ui: UiState) -> list[SymbolRow]:
        words = ui.symbol_filter.lower().split()
        rows = [row for row in self.rows if all(self._passes(row, word) for word in words)]
        key = SORTS.get(ui.symbol_sort, SORTS["why"])
        rows.sort(key=lambda row: row.code)
        textual = bool(rows) and isinstance(key(rows[0]), str)
        rows.sort(key=key, reverse=ui.symbol_inverted if textual else not ui.symbol_inverted)
        return rows

    def _passes(self, row: SymbolRow, word: str) -> bool:
        if word[:1] == "!" and len(word) > 1:
            return not self._passes(row, word[1:])
        if is_initials(word):
            return word in self.initials[row.code]
        for sign, compare in _COMPARE.items():
            field, found, wanted = word.partition(sign)
            if found and field in _NUMBERS:
                try:
                    return compare(_NUMBERS[field](row), float(wanted))
                except ValueError:
                    return True  # half-typed: hide nothing yet
        return word in f"{row.code} {row.name} {row.shard} {marks_of(row)} {row.why.name}".lower()


def marks_of(row: SymbolRow) -> str:
    """Return the words for a row's flags, as the filter knows them."""
    return f"{'stream' if row.flags & STREAMED else ''} {'pin' if row.flags & PINNED else ''}"


def _places_of(listing: SymbolList) -> dict[str, int]:
    return {code: place for place, code in enumerate(listing.codes)}


def moved_code(rows: list[SymbolRow], selected: str, step: int) -> str:
    """Return the code that is selected after moving; the ends hold."""
    if not rows:
        return selected
    place = next((index for index, row in enumerate(rows) if row.code == selected), 0)
    return rows[max(0, min(len(rows) - 1, place + step))].code
