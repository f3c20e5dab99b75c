"""Database commands as functions: bring the schema up or down, and list what is wrong with it.

The only module that imports Alembic and SQLAlchemy; run it in short-lived processes, never in a writer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from observer_core.clock import Clock, SystemClock
from observer_core.errors import ConfigError, FatalSinkError
from observer_core.settings import Secret
from observer_core.sinks import migrations
from observer_core.sinks.postgres_partitions import TABLE, days_ahead, partition_name
from observer_core.sinks.postgres_rows import day_index
from observer_core.sinks.postgres_session import connect
from observer_core.sinks.sql.statements import statement

MIGRATION_LOCK = 0x0B5E_0003
"""Key of the advisory lock that lets one upgrade run at a time."""
REMEDY = "check OBSERVER_POSTGRES_DSN and that the server runs"


def upgrade(dsn: Secret, revision: str = "head") -> str:
    """Bring the schema up to a revision and return the revision it is at; nothing happens when it is there already.

    Raises:
        ConfigError: the database cannot be reached or refuses.
    """
    with _configured(dsn) as config:
        command.upgrade(config, revision)
    return _current(dsn) or ""


def downgrade(dsn: Secret, revision: str = "base") -> str:
    """Take the schema down to a revision, dropping what later ones made; return the revision, "" for none.

    Raises:
        ConfigError: the database cannot be reached or refuses.
    """
    with _configured(dsn) as config:
        command.downgrade(config, revision)
    return _current(dsn) or ""


def check(dsn: Secret, clock: Clock | None = None) -> list[str]:
    """Return what is wrong with the database, each with its remedy; an empty list when all is well."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    try:
        current = _current(dsn)
        if current != head:
            return [f"schema is at {current or 'nothing'}, this version has {head}: run `observerctl db upgrade`"]
        with connect(dsn, "observer-db-check") as connection:
            return _partition_problems(connection, clock or SystemClock())
    except (ConfigError, FatalSinkError) as error:
        return [str(error)]
    except psycopg.Error as error:
        return [f"the database cannot be checked ({_first_line(error)}): {REMEDY}"]


def _partition_problems(connection: psycopg.Connection, clock: Clock) -> list[str]:
    existing = {name for (name,) in connection.execute(statement("select_partitions"), (TABLE,))}
    wanted = [partition_name(day) for day in days_ahead(day_index(clock.now_ns()))]
    missing = [name for name in wanted if name not in existing]
    if not missing:
        return []
    return [f"partitions are missing ({', '.join(missing)}): the Postgres writer makes them when it starts; start it"]


def _current(dsn: Secret) -> str | None:
    with _translated(), connect(dsn, "observer-db") as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            return None
        return row[0] if row else None


def alembic_config() -> Config:
    """Return the configuration that finds the packaged revisions; without a connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])).replace("%", "%%"))
    return config


@contextmanager
def _configured(dsn: Secret) -> Iterator[Config]:
    """Yield a configuration bound to one transaction that holds the migration lock."""
    with _translated():
        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: _plain_session(dsn), poolclass=NullPool, hide_parameters=True
        )
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            config = alembic_config()
            config.attributes["connection"] = connection
            yield config


def _plain_session(dsn: Secret) -> psycopg.Connection:
    connection = connect(dsn, "observer-db")
    connection.execute("SET statement_timeout = 0")
    connection.autocommit = False
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, DBAPIError) as error:
        raise ConfigError(f"the database refused ({_first_line(error)}): {REMEDY}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
