"""Daily partitions of `pattern_records`: made ahead by the writer itself, under a lock all writers share.

Separate from the sink because replay needs them too. There is no default partition on purpose: rows in one would
block the making of the partition they belong to.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

import psycopg
from psycopg import sql

from observer_core.sinks.postgres_rows import day_date
from observer_core.sinks.sql.statements import statement

TABLE = "pattern_records"
DAYS_AHEAD = 7
PARTITION_LOCK = 0x0B5E_0001
"""Key of the advisory lock under which partitions are made; any constant no other program uses."""

logger = logging.getLogger(__name__)


def partition_name(index: int) -> str:
    """Return the partition of a Korean day counted from 1970-01-01.

    Raises:
        OverflowError: beyond what dates can say.
    """
    return f"{TABLE}_{day_date(index):%Y%m%d}"


def days_ahead(today: int) -> range:
    """Return the days that must have a partition on a day: it and the seven after it."""
    return range(today, today + DAYS_AHEAD + 1)


def ensure_partitions(connection: psycopg.Connection, days: Iterable[int]) -> list[str]:
    """Make the missing partitions of these days and return their names.

    Runs in a transaction of its own, or in a savepoint of the caller's. The new table is filled and indexed alone and
    then attached, because attaching, unlike creating in place, does not lock out readers of the whole table.

    Raises:
        psycopg.Error: unreachable, read-only or busy; nothing was made.
    """
    wanted = {partition_name(day): day for day in days}
    if not wanted.keys() - _existing(connection):
        return []
    made = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (PARTITION_LOCK,))
        for name in sorted(wanted.keys() - _existing(connection)):
            _make(connection, name, wanted[name])
            made.append(name)
    logger.info("partitions made", extra={"partitions": made})
    return made


def _existing(connection: psycopg.Connection) -> set[str]:
    with connection.transaction():
        return {name for (name,) in connection.execute(statement("select_partitions"), (TABLE,))}


def _make(connection: psycopg.Connection, name: str, day: int) -> None:
    first = day_date(day)
    names = {"partition": sql.Identifier(name), "table": sql.Identifier(TABLE)}
    bounds = {"first": sql.Literal(first), "after": sql.Literal(first + timedelta(days=1))}
    connection.execute(sql.SQL("CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)").format(**names))
    connection.execute(
        sql.SQL("ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({first}) TO ({after})").format(
            **names, **bounds
        )
    )
