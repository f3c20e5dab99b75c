"""The embedded PostgreSQL of the demo and the tests: the real server from a Python package, on a unix socket only.

Separate from the sink, which knows a database address and nothing of servers. The server becomes the calling process
(`run_embedded` ends in exec), so a supervisor's signals reach it directly:

    SIGINT   fast shutdown: sessions are cut, a checkpoint is written - the one to send
    SIGTERM  smart shutdown: waits until every client has gone by itself
    SIGQUIT  immediate shutdown: no checkpoint, recovery at the next start; what the kernel sends when the parent dies
"""

import logging
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import psycopg

from observer_core.clock import NS_PER_S, Clock, SystemClock
from observer_core.errors import ConfigError, LinkError, ProcessError
from observer_core.settings import Secret
from observer_core.sinks.embedded_programs import can_walk_to, programs_for

STOP_SIGNAL = signal.SIGINT
"""What a supervisor sends to end the server."""
DATABASE = "observer"
ACCOUNTS = ("postgres", "nobody")
"""Unprivileged accounts for a server that is started by root, in order of preference."""
SOCKET_PATH_LIMIT = 100
POLL_INTERVAL_S = 0.02

SMALL_MEMORY: Mapping[str, str] = {
    "shared_buffers": "32MB",
    "max_connections": "20",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "autovacuum_max_workers": "1",
    "autovacuum_worker_slots": "2",
    "max_parallel_workers": "0",
    "jit": "off",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "log_min_messages": "fatal",
    "log_checkpoints": "off",
    "timezone": "Asia/Seoul",
}
"""Server settings for a box of 512 MB; commits stay synchronous."""

logger = logging.getLogger(__name__)


def embedded_dsn(socket_directory: Path, database: str = DATABASE) -> Secret:
    """Return the address of the embedded server's database."""
    return Secret(f"host={socket_directory} user={DATABASE} dbname={database}")


def run_embedded(data_directory: Path, socket_directory: Path, settings: Mapping[str, str] | None = None) -> NoReturn:
    """Make the database cluster when there is none, then become the server, in the foreground.

    As root the server runs under an unprivileged account, which then owns both directories; PostgreSQL refuses root.

    Raises:
        ConfigError: the package is missing, or a path cannot serve.
        ProcessError: the cluster could not be made.
    """
    parent = os.getppid()
    account = _account()
    programs = programs_for(account)
    if len(str(socket_directory)) > SOCKET_PATH_LIMIT:
        raise ConfigError(f"{socket_directory} is too long for a socket: choose a path below {SOCKET_PATH_LIMIT} bytes")
    prefix = _privilege_prefix(account, data_directory, socket_directory)
    for directory in (data_directory, socket_directory):
        _own(directory, account)
    if not (data_directory / "cluster" / "PG_VERSION").exists():
        _make_cluster(programs, data_directory, prefix)
    arguments = [*prefix, str(programs / "postgres"), "-D", str(data_directory / "cluster")]
    for name, value in {**SMALL_MEMORY, "unix_socket_directories": str(socket_directory), **(settings or {})}.items():
        arguments += ["-c", f"{name}={value}"]
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() != parent:
        raise ProcessError("the parent ended while the database was being prepared")
    os.execv(arguments[0], arguments)  # noqa: S606 - the server must be this very process


def wait_ready(dsn: Secret, deadline_ns: int, clock: Clock | None = None) -> None:
    """Return when the server answers a query; `deadline_ns` is monotonic.

    Raises:
        LinkError: it did not answer in time; carries the last refusal.
    """
    clock = clock or SystemClock()
    while True:
        try:
            with psycopg.connect(dsn.reveal(), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            if clock.monotonic_ns() >= deadline_ns:
                raise LinkError(f"the database does not answer: {str(error).strip()}") from error
            time.sleep(POLL_INTERVAL_S)
        else:
            return


def deadline_in(seconds: float, clock: Clock | None = None) -> int:
    """Return the monotonic instant some seconds from now."""
    return (clock or SystemClock()).monotonic_ns() + int(seconds * NS_PER_S)


def _account() -> pwd.struct_passwd | None:
    """Return the account to run under; None = the present one will do."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigError(f"started by root, and no account {' or '.join(ACCOUNTS)} exists: start as an ordinary user")


def _own(directory: Path, account: pwd.struct_passwd | None) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None and directory.stat().st_uid != account.pw_uid:
        os.chown(directory, account.pw_uid, account.pw_gid)


def _privilege_prefix(account: pwd.struct_passwd | None, *directories: Path) -> list[str]:
    """Return the command that drops privileges and ties the server's life to its parent's.

    A change of user clears the parent-death signal, so it is set again afterwards. Where the account cannot walk to
    its data (a checkout below /root), it keeps the one capability that lets it, rather than have directories of
    others opened up.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if account is None:
            return []
        raise ConfigError("setpriv (package util-linux) is missing: install it or start as an ordinary user")
    death_signal = [setpriv, "--no-new-privs", "--pdeathsig", "QUIT"]
    if account is None:
        return [*death_signal, "--"]
    reachable = all(can_walk_to(path, account) for path in directories)
    kept = "" if reachable else ",+dac_override"
    identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    capabilities = [f"--inh-caps=-all{kept}", f"--bounding-set=-all{kept}"]
    ambient = [] if reachable else ["--ambient-caps=+dac_override"]
    return [*death_signal, *identity, *capabilities, *ambient, "--"]


def _make_cluster(programs: Path, data_directory: Path, prefix: list[str]) -> None:
    """Make cluster and database aside and move them into place, so that a half-made one is never started."""
    fresh = data_directory / "cluster.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    options = ["-U", DATABASE, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
    _run(prefix, [str(programs / "initdb"), "-D", str(fresh), *options])
    single = [str(programs / "postgres"), "--single", "-D", str(fresh), "postgres"]
    _run(prefix, single, f"CREATE DATABASE {DATABASE}")
    fresh.rename(data_directory / "cluster")
    logger.info("database cluster made", extra={"directory": str(data_directory)})


def _run(prefix: list[str], command: list[str], standard_input: str = "") -> None:
    done = subprocess.run(
        [*prefix, *command],
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        errors="replace",
    )
    if done.returncode != 0:
        last_lines = " ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise ProcessError(f"{command[0]} failed with status {done.returncode}: {last_lines}")


if __name__ == "__main__":
    run_embedded(Path(sys.argv[1]), Path(sys.argv[2]))
