"""Rows of days that are past their time leave the database: whole partitions, and the days of the smaller tables.

Separate from the sink: it runs in a short-lived process once a day, beside the writer, in short transactions.
"""

from datetime import date

import psycopg
from psycopg import sql

from observer_core.errors import TransientSinkError
from observer_core.settings import Secret
from observer_core.sinks.postgres_partitions import PARTITION_LOCK, TABLE
from observer_core.sinks.postgres_session import connect
from observer_core.sinks.sql.statements import statement

SIDE_TABLES = (
    "ingest_errors", "usage_metrics", "events", "gaps", "overflow_ledger", "bars_1m", "bars_10m", "backfill_1m",
)  # fmt: skip


def drop_before(dsn: Secret, first: date, *, dry_run: bool = False) -> tuple[list[str], int]:
    """Remove what is older than a day; return the partitions dropped and the rows deleted from other tables.

    Raises:
        TransientSinkError: the database failed; what was removed stays so, run it again.
    """
    oldest_kept = f"{TABLE}_{first:%Y%m%d}"
    try:
        with connect(dsn, "observer-retention") as connection:
            existing = [name for (name,) in connection.execute(statement("select_partitions"), (TABLE,))]
            old = sorted(name for name in existing if name < oldest_kept)
            if not dry_run:
                for name in old:
                    _drop(connection, name)
            return old, sum(_delete(connection, table, first, dry_run) for table in SIDE_TABLES)
    except psycopg.Error as error:
        raise TransientSinkError(f"the database failed: {str(error).strip().partition(chr(10))[0]}") from error


def _drop(connection: psycopg.Connection, name: str) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (PARTITION_LOCK,))
        names = {"table": sql.Identifier(TABLE), "partition": sql.Identifier(name)}
        connection.execute(sql.SQL("ALTER TABLE {table} DETACH PARTITION {partition}").format(**names))
        connection.execute(sql.SQL("DROP TABLE {partition}").format(**names))


def _delete(connection: psycopg.Connection, table: str, first: date, dry_run: bool) -> int:
    text = "SELECT count(*) FROM {table} WHERE day < %s" if dry_run else "DELETE FROM {table} WHERE day < %s"
    cursor = connection.execute(sql.SQL(text).format(table=sql.Identifier(table)), (first,))
    if not dry_run:
        return cursor.rowcount
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def reach(dsn: Secret) -> list[str]:
    """Return why the database cannot be used, nothing when it can."""
    try:
        with connect(dsn, "observer-checks") as connection:
            connection.execute("SELECT 1 FROM observer_offset LIMIT 1")
    except psycopg.Error as error:
        return [f"Postgres: {str(error).strip().partition(chr(10))[0]}: see `observerctl db check`"]
    return []
