"""The writer's database session: time limits, durability, and the lock that keeps a second writer out.

Separate from the sink because replay and the database commands open sessions of the same kind.
"""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import PGconn, Ping
from psycopg.types.string import BytesBinaryDumper

from observer_core.errors import FatalSinkError, TransientSinkError, UnreachableSinkError
from observer_core.ids import SinkName
from observer_core.settings import Secret
from observer_core.sinks.sql.statements import statement

CONNECT_TIMEOUT_S = 3
TCP_USER_TIMEOUT_MS = 10_000
STATEMENT_TIMEOUT = "30s"
LOCK_TIMEOUT = "5s"
IDLE_TRANSACTION_TIMEOUT = "60s"
WRITER_LOCK = 0x0B5E_0002
"""First key of the advisory lock of a writer; the second is the hash of its sink's name."""


def connect(dsn: Secret, application_name: str = "observer-postgres-writer") -> psycopg.Connection:
    """Open a session in autocommit mode whose commits are durable and whose statements cannot hang.

    Raises:
        psycopg.Error: unreachable or refused.
        FatalSinkError: the address cannot be parsed.
    """
    try:
        conninfo_to_dict(dsn.reveal())
    except psycopg.ProgrammingError:
        # The driver's text quotes the address, password and all.
        raise FatalSinkError("OBSERVER_POSTGRES_DSN is no database address: use postgresql://user@host/name") from None
    connection = psycopg.connect(
        dsn.reveal(),
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name=application_name,
        client_encoding="utf8",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=TCP_USER_TIMEOUT_MS,
    )
    # By itself the driver takes a slower way for bytes under a type that is not theirs, twice a row.
    connection.adapters.register_dumper(bytes, BytesBinaryDumper)
    try:
        connection.execute(statement("session_settings"), (STATEMENT_TIMEOUT, LOCK_TIMEOUT, IDLE_TRANSACTION_TIMEOUT))
    except BaseException:
        connection.close()
        raise
    return connection


def open_writer_session(dsn: Secret, sink: SinkName) -> psycopg.Connection:
    """Connect and take the lock of a sink's writer for the life of the session.

    Raises:
        psycopg.Error: refused, or no answer in time.
        UnreachableSinkError: nobody accepts connections there.
        TransientSinkError: another session has the lock, perhaps the one of a writer that has just been killed.
    """
    try:
        connection = connect(dsn)
    except psycopg.errors.ConnectionTimeout:
        raise
    except psycopg.OperationalError as error:
        # A failed connect carries no SQLSTATE: only asking tells a server that is not up from one that refuses us.
        if _accepts_connections(dsn):
            raise
        reason = str(error).strip().splitlines()[0]
        raise UnreachableSinkError(f"the database accepts no connections: {reason}") from error
    try:
        _take_writer_lock(connection, sink)
    except BaseException:
        connection.close()
        raise
    return connection


def _accepts_connections(dsn: Secret) -> bool:
    address = make_conninfo(dsn.reveal(), connect_timeout=CONNECT_TIMEOUT_S)
    return PGconn.ping(address.encode()) == Ping.OK


def _take_writer_lock(connection: psycopg.Connection, sink: SinkName) -> None:
    row = connection.execute(statement("take_writer_lock"), (WRITER_LOCK, sink)).fetchone()
    if row is not None and row[0]:
        return
    holders = connection.execute(statement("select_writer_lock_holder"), (WRITER_LOCK, sink)).fetchall()
    pids = ", ".join(str(pid) for (pid,) in holders) or "just gone"
    raise TransientSinkError(f"another writer of sink {sink} is at work in this database (backend {pids})")
