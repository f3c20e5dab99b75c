"""Postgres away, slow, dying, unwilling, or silent about what became of a COMMIT."""

import signal
from random import Random

import psycopg
from psycopg import sql

from observer_core.sinks.embedded import DATABASE
from tests.chaos import processes
from tests.chaos.faults import SkippedError, fault
from tests.chaos.system import ChaosSystem, administration_dsn

AWAY_S = (3.0, 8.0)


def administer(system: ChaosSystem, *statements: sql.Composed) -> None:
    """Run statements past the proxy, in the maintenance database."""
    try:
        with psycopg.connect(administration_dsn(system).reveal(), autocommit=True, connect_timeout=5) as connection:
            for each in statements:
                connection.execute(each)
    except psycopg.OperationalError as error:
        raise SkippedError(f"the database cannot be administered now: {error}") from error


@fault("postgres: connection cut")
def cut(system: ChaosSystem, _random: Random) -> None:
    """Cut every connection."""
    system.database_proxy.cut()


@fault("postgres: refused for seconds")
def refused(system: ChaosSystem, random: Random) -> None:
    """Nobody listens for some seconds."""
    system.database_proxy.refuse()
    system.sleep(random.uniform(*AWAY_S))
    system.database_proxy.restore()


@fault("postgres: swallows everything")
def stalled(system: ChaosSystem, random: Random) -> None:
    """Every byte is swallowed for some seconds, then the connections are cut."""
    system.database_proxy.stall()
    system.sleep(random.uniform(*AWAY_S))
    system.database_proxy.restore()


@fault("postgres: slow")
def slow(system: ChaosSystem, random: Random) -> None:
    """Every piece of data takes 0.2 s more each way."""
    system.database_proxy.slow(0.2)
    system.sleep(random.uniform(*AWAY_S))
    system.database_proxy.restore()


@fault("postgres: answer to COMMIT lost")
def commit_unknown(system: ChaosSystem, _random: Random) -> None:
    """Let a COMMIT through and lose its answer."""
    before = system.database_proxy.dropped_answers
    system.database_proxy.drop_answer_to(b"COMMIT")
    begun_ns = system.monotonic_ns()
    while system.database_proxy.dropped_answers == before:
        if system.seconds_since(begun_ns) > 30:
            system.database_proxy.restore()
            raise SkippedError("no COMMIT came by")
        system.sleep(0.02)


@fault("postgres: kill -9 of the server", alone=True)
def killed(system: ChaosSystem, random: Random) -> None:
    """Kill the postmaster; it is started again after a while, as its own service manager would."""
    processes.send(system.database.pid, signal.SIGKILL)
    system.sleep(random.uniform(0.5, 4.0))
    system.revive_database()


@fault("postgres: immediate shutdown", alone=True)
def immediate(system: ChaosSystem, random: Random) -> None:
    """End the server without a checkpoint; it is started again after a while."""
    processes.send(system.database.pid, signal.SIGQUIT)
    system.sleep(random.uniform(0.5, 2.0))
    system.revive_database()


@fault("postgres: server stands still", alone=True)
def still(system: ChaosSystem, random: Random) -> None:
    """Stop every process of the server: on a unix socket no timeout of TCP helps."""
    processes.stop_tree(system.database.pid)
    system.sleep(random.uniform(*AWAY_S))
    processes.resume_tree(system.database.pid)


@fault("postgres: backend terminated")
def terminated(system: ChaosSystem, _random: Random) -> None:
    """Terminate the writer's session from the server's side."""
    administer(
        system,
        sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(
            sql.Literal(DATABASE)
        ),
    )


@fault("postgres: read-only for seconds")
def read_only(system: ChaosSystem, random: Random) -> None:
    """Make the database read-only, as after a failover to a standby, and writable again."""
    name = sql.Identifier(DATABASE)
    administer(system, sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    system.database_proxy.cut()
    system.sleep(random.uniform(*AWAY_S))
    administer(system, sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))


@fault("postgres: takes no connections for seconds")
def closed(system: ChaosSystem, random: Random) -> None:
    """Refuse new sessions by name and end the present ones."""
    name = sql.Identifier(DATABASE)
    administer(system, sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
    system.database_proxy.cut()
    system.sleep(random.uniform(*AWAY_S))
    administer(system, sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
