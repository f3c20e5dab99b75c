"""The symbols as the operator wants them: rows of the newest columns, filtered and sorted, and their age classes. Pure.

Sorting two thousand rows costs milliseconds, so the result is kept until columns, filter or order change.
"""

import operator
from collections.abc import Callable
from typing import NamedTuple

from observer_core.details import PINNED, STREAMED, SymbolColumns, SymbolList, SymbolRow, Why, symbol_rows
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


def age_class(seen_s: float | None, limits_s: tuple[float, ...]) -> int | None:
    """Return the class of an age, 0 = fresh; None = never seen."""
    if seen_s is None:
        return None
    return sum(1 for limit in limits_s if seen_s > limit)


class SymbolTable:
    """The newest columns with their list, and the rows in the chosen order."""

    def __init__(
        self,
        columns: SymbolColumns,
        listing: SymbolList,
        names: dict[str, str] | None = None,
        initials_of: dict[str, str] | None = None,
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
        self._chosen: tuple[tuple[str, bool, str], list[SymbolRow]] | None = None

    def renewed(self, columns: SymbolColumns) -> "SymbolTable | None":
        """Return the table with newer columns; None when they belong to another list."""
        if columns.listing is not None:
            return SymbolTable(columns, columns.listing)
        if columns.version != self.columns.version:
            return None
        return SymbolTable(columns, self.listing, self.names, self.initials)

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


class Tally(NamedTuple):
    """How many symbols are in which class."""

    by_class: tuple[int, ...]
    never: int
    by_why: dict[Why, int]


def tally(rows: list[SymbolRow], limits_s: tuple[float, ...]) -> Tally:
    """Count the rows by age class and by reason."""
    by_class, never = [0] * CLASSES, 0
    by_why: dict[Why, int] = {}
    for row in rows:
        place = age_class(row.seen_s, limits_s)
        if place is None:
            never += 1
        else:
            by_class[place] += 1
        by_why[row.why] = by_why.get(row.why, 0) + 1
    return Tally(tuple(by_class), never, by_why)


def moved_code(rows: list[SymbolRow], selected: str, step: int) -> str:
    """Return the code that is selected after moving; the ends hold."""
    if not rows:
        return selected
    place = next((index for index, row in enumerate(rows) if row.code == selected), 0)
    return rows[max(0, min(len(rows) - 1, place + step))].code
