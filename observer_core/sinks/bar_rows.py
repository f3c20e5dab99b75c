"""Bars in the database: their rows, and the statements that read and write them.

Separate from the on-line keeper because rebuilding uses the same ones.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from observer_core.clock import NS_PER_S
from observer_core.market.bars import Bar, Frame
from observer_core.sinks.postgres_rows import FIRST_INSTANT, Row, day_date, instant
from observer_core.sinks.sql.statements import statement

TABLES: Final[Mapping[str, str]] = {"1m": "bars_1m", "10m": "bars_10m"}
_TIMES: Final[Mapping[str, str]] = {"1m": "source_time", "10m": "received_at"}
_COLUMNS: Final = (
    "day", "symbol", "start_at", "open", "high", "low", "close", "volume", "value", "records", "coverage",
    "from_volume", "until_volume", "from_value", "until_value", "first_ns", "last_ns", "final",
)  # fmt: skip


class BarKey(NamedTuple):
    """Which bar: Korean day of receipt counted from 1970-01-01, symbol, beginning of the window."""

    day: int
    symbol: str
    start_ns: int


class StoredBar(NamedTuple):
    """A bar as the table has it."""

    bar: Bar
    final: bool


class StoredTrade(NamedTuple):
    """What a bar needs of a row."""

    symbol: str
    source_time_ns: int
    received_ns: int
    price: int
    volume: int
    cumulative_volume: int
    session_code: str


class StoredQuote(NamedTuple):
    """What a bar needs of a row."""

    symbol: str
    received_ns: int
    price: int
    cumulative_volume: int
    cumulative_value: int | None


def write_bars(
    connection: psycopg.Connection, frame: Frame, bars: Iterable[tuple[int, Bar]], *, final: bool = True
) -> None:
    """Insert bars, each with its day, or replace those that are there."""
    with connection.cursor() as cursor:
        cursor.executemany(_query("upsert_bar", frame), [_bar_row(day, bar, final) for day, bar in bars])


def known_bars(connection: psycopg.Connection, frame: Frame, keys: Sequence[BarKey]) -> set[BarKey]:
    """Return those of some bars that are in the table."""
    rows = connection.execute(_query("select_known_bars", frame), _arrays(keys))
    return {_key(*row) for row in rows}


def open_bars(connection: psycopg.Connection, frame: Frame) -> list[BarKey]:
    """Return the bars whose windows were not over when they were written last."""
    return [_key(*row) for row in connection.execute(_query("select_open_bars", frame))]


def bars_around(connection: psycopg.Connection, frame: Frame, keys: Sequence[BarKey]) -> list[dict[int, StoredBar]]:
    """Return, for each of some bars, the two before and the two after it, by beginning."""
    found: list[dict[int, StoredBar]] = [{} for _ in keys]
    for number, *row in connection.execute(_query("select_bars_around", frame), _arrays(keys)):
        stored = _stored(row)
        found[number - 1][stored.bar.start_ns] = stored
    return found


def window_records(
    connection: psycopg.Connection, frame: Frame, keys: Sequence[BarKey]
) -> Iterator[tuple[BarKey, StoredTrade | StoredQuote]]:
    """Yield all records of some windows that the database holds, in no order."""
    parameters = (*_arrays(keys), frame.kind, f"{frame.length_ns // NS_PER_S} seconds")
    for number, *row in connection.execute(_query("select_window_records", frame), parameters):
        yield keys[number - 1], _record(frame.kind, row)


def day_records(connection: psycopg.Connection, day: date) -> Iterator[tuple[str, StoredTrade | StoredQuote]]:
    """Yield the kind and record of all trades and quotes of a day; streams, inside a transaction of the caller's."""
    with connection.cursor(name="day_records") as cursor:
        cursor.itersize = 20_000
        for kind, *row in cursor.execute(statement("select_day_records"), (day,)):
            yield kind, _record(kind, row)


def day_bars(connection: psycopg.Connection, frame: Frame, day: date) -> dict[tuple[str, int], StoredBar]:
    """Return the bars of a day by symbol and beginning."""
    stored = [_stored(row) for row in connection.execute(_query("select_day_bars", frame), (day,))]
    return {(entry.bar.symbol, entry.bar.start_ns): entry for entry in stored}


def _query(name: str, frame: Frame) -> sql.Composed:
    return sql.SQL(statement(name)).format(
        table=sql.Identifier(TABLES[frame.name]),
        columns=sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
        time=sql.Identifier("record", _TIMES[frame.name]),
    )


def _arrays(keys: Sequence[BarKey]) -> tuple[list[date], list[str], list[datetime]]:
    return [day_date(key.day) for key in keys], [key.symbol for key in keys], [instant(key.start_ns) for key in keys]


def _key(day: date, symbol: str, start_at: datetime) -> BarKey:
    return BarKey((day - date(1970, 1, 1)).days, symbol, _ns(start_at))


def _ns(at: datetime) -> int:
    """Return an instant exactly; floating seconds would not be."""
    since = at - FIRST_INSTANT
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _bar_row(day: int, bar: Bar, final: bool) -> Row:
    return (
        day_date(day), bar.symbol, instant(bar.start_ns), bar.open, bar.high, bar.low, bar.close, bar.volume, bar.value,
        bar.records, bar.coverage, bar.from_volume, bar.until_volume, bar.from_value, bar.until_value, bar.first_ns,
        bar.last_ns, final,
    )  # fmt: skip


def _stored(row: Sequence[Any]) -> StoredBar:
    named = dict(zip(_COLUMNS, row, strict=True))
    final = named.pop("final")
    named.pop("day")
    start_ns = _ns(named.pop("start_at"))
    for name in ("from_volume", "until_volume", "first_ns", "last_ns"):
        # NULL in bars of before these columns: such a bar is rebuilt, never equal.
        named[name] = named[name] or 0
    return StoredBar(Bar(start_ns=start_ns, **named), final)


def _record(kind: str, row: Sequence[Any]) -> StoredTrade | StoredQuote:
    symbol, received_ns, source_time, price, volume, cumulative_volume, cumulative_value, session_code = row
    if kind == "trade":
        return StoredTrade(symbol, _ns(source_time), received_ns, price, volume, cumulative_volume, session_code)
    return StoredQuote(symbol, received_ns, price, cumulative_volume, cumulative_value)
