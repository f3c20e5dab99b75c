"""The system under chaos: the real supervisor tree, with exchange, database and proxies outside of it.

Separate from the demo, whose exchange and database are children of the supervisor: here they have to survive it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from observer_core.audit.books import Books, balance
from observer_core.clock import NS_PER_S
from observer_core.settings import Secret
from observer_core.sinks.embedded import STOP_SIGNAL, deadline_in, embedded_dsn, wait_ready
from observer_core.view import ProcessRow
from supervisor.demo import Demo, DemoOptions, compose_demo, database_socket_directory, free_ports
from supervisor.demo_run import START_PATIENCE_S, DemoRun
from supervisor.specs import Program
from tests.chaos import processes
from tests.fixtures.fault_proxy import FaultProxy

SOCKET_NAME = ".s.PGSQL.5432"
CONTROL_TIMEOUT_S = 60.0
EXCHANGE_PATIENCE_S = 60.0
SHARDS = frozenset({"swing", "scalp"})


class ChaosSystem(DemoRun):
    """One installation with everything it depends on; use as a context manager, then `start`."""

    def __init__(self, directory: Path, *, symbols: int = 2000, seed: int = 1) -> None:
        """Empty the directory, start exchange and database, and put a proxy before each of their addresses."""
        super().__init__(directory, symbols=symbols, seed=seed)
        self.symbols = symbols
        (self.directory / "logs").mkdir()
        demo = compose_demo(
            DemoOptions(directory=self.directory, run_directory=self.run_directory, symbols=symbols, seed=seed)
        )
        self.dsn = embedded_dsn(database_socket_directory(self.run_directory))
        self._control_url = demo.control_url
        self._programs = {child.kind: child.run for child in demo.children if isinstance(child.run, Program)}
        self.database = self._run_program("database")
        wait_ready(self.dsn, deadline_in(START_PATIENCE_S))
        self.exchange = self._run_program("exchange")
        self._wait_exchange()
        self._proxies(demo)

    def _proxies(self, demo: Demo) -> None:
        rest_port, stream_port = free_ports(2)
        exchange_rest, exchange_stream = (
            int(demo.environment[name].rsplit(":", 1)[1]) for name in ("KIS_REST_URL", "KIS_WS_URL")
        )
        proxy_directory = self.run_directory / "proxy"
        proxy_directory.mkdir()
        server_socket = database_socket_directory(self.run_directory) / SOCKET_NAME
        self.database_proxy = FaultProxy(proxy_directory / SOCKET_NAME, server_socket)
        self.rest_proxy = FaultProxy(("127.0.0.1", rest_port), ("127.0.0.1", exchange_rest))
        self.stream_proxy = FaultProxy(("127.0.0.1", stream_port), ("127.0.0.1", exchange_stream))
        environment = {
            **demo.environment,
            "KIS_REST_URL": f"http://127.0.0.1:{rest_port}",
            "KIS_MASTER_URL": f"http://127.0.0.1:{rest_port}/common/master",
            "KIS_WS_URL": f"ws://127.0.0.1:{stream_port}",
            "OBSERVER_POSTGRES_DSN": embedded_dsn(proxy_directory).reveal(),
        }
        self._arguments = [sys.executable, "-m", "supervisor"]
        self._environment = {**os.environ, **environment}

    @property
    def token_cache(self) -> Path:
        """Return the directory of the simulated account's tokens."""
        return self.directory / "secrets"

    @property
    def rest_url(self) -> str:
        """Return the address of the exchange's REST port as the system knows it."""
        return self._environment["KIS_REST_URL"] if self._environment else ""

    def __exit__(self, *exc: object) -> None:
        """End everything: the tree, the proxies, the exchange, the database."""
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.stop()
        for proxy in (self.database_proxy, self.rest_proxy, self.stream_proxy):
            proxy.close()
        self.end_exchange()
        self.end_database()
        super().__exit__(*exc)

    def end_exchange(self) -> None:
        """Stop the exchange; its ledger is complete afterwards."""
        if self.exchange.poll() is None:
            self.exchange.send_signal(signal.SIGTERM)
            self.exchange.wait(START_PATIENCE_S)

    def end_database(self) -> None:
        """Stop the database orderly."""
        if self.database.poll() is None:
            processes.resume_tree(self.database.pid)
            self.database.send_signal(STOP_SIGNAL)
            self.database.wait(START_PATIENCE_S)

    def revive_database(self) -> None:
        """Start the database again after its death: what its own service manager would do.

        The sessions of the dead server hold its shared memory for a moment; until then a new one refuses.
        """
        self.database.wait(START_PATIENCE_S)
        deadline_ns = deadline_in(START_PATIENCE_S)
        while deadline_in(0) < deadline_ns:
            self.database = self._run_program("database")
            try:
                self.database.wait(1.0)
            except subprocess.TimeoutExpired:
                return
        raise TimeoutError("the database does not start again")

    def kill_supervisor(self) -> list[int]:
        """Send SIGKILL to the supervisor and reap it; return the pids of the children it had."""
        if self.supervisor is None:
            return []
        children = processes.children_of(self.supervisor.pid)
        self.supervisor.kill()
        self.supervisor.wait(START_PATIENCE_S)
        return children

    def run_second_supervisor(self) -> int:
        """Start another supervisor on the same directory and return its exit code."""
        done = subprocess.run(
            self._arguments, env=self._environment, capture_output=True, timeout=START_PATIENCE_S, check=False
        )
        return done.returncode

    def rows(self) -> list[ProcessRow]:
        """Return the rows of all processes; empty while the hub is away."""
        view = self.view()
        return list(view.processes) if view else []

    def row(self, name: str) -> ProcessRow | None:
        """Return the row of one process as it runs now; None when it does not, or the hub is away."""
        return next((row for row in self.rows() if row.name == name and row.pid), None)

    def unwell(self, since_ns: int) -> str:
        """Return what keeps the system from being healthy, "" when it is.

        Healthy: every process runs, every shard recorded something after `since_ns` (wall clock), writers are live.
        """
        view = self.view()
        if view is None:
            return "the hub does not answer"
        for row in view.processes:
            if row.state != "running":
                return f"{row.name} is {row.state}: {row.note or row.last_exit}"
            if row.kind in SHARDS and (row.last_record_ns or 0) <= since_ns:
                return f"{row.name} records nothing: {row.note}"
        for writer in view.writers:
            if writer.as_of_ns <= since_ns or writer.state != "live" or writer.lag_s > 2.0:
                return f"{writer.name} is {writer.state} with a lag of {writer.lag_s:.1f} s: {writer.note}"
        return "" if view.writers else "no writer has reported"

    def knobs(self, **changes: object) -> None:
        """Change the exchange's behaviour through its control port."""
        httpx.post(f"{self._control_url}/faults", json=changes, timeout=CONTROL_TIMEOUT_S).raise_for_status()

    def exchange_stats(self) -> dict[str, Any]:
        """Return what the exchange counted."""
        return dict(httpx.get(f"{self._control_url}/stats", timeout=CONTROL_TIMEOUT_S).raise_for_status().json())

    def balance(self) -> Books:
        """Compare ledger, archive, journal and rows; the tree must have been stopped."""
        self.end_exchange()
        if self.database.poll() is not None:
            self.revive_database()
        wait_ready(self.dsn, deadline_in(START_PATIENCE_S))
        return balance(self.directory / "ledger.jsonl", self.paths.data, self.dsn.reveal())

    def _run_program(self, kind: str) -> "subprocess.Popen[bytes]":
        program = self._programs[kind]
        with program.output.open("ab") as output:
            return subprocess.Popen(
                program.arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def _wait_exchange(self) -> None:
        ready_file = self.directory / "exchange.json"
        deadline_ns = deadline_in(EXCHANGE_PATIENCE_S)
        while not ready_file.exists():
            if self.exchange.poll() is not None or self._clock.monotonic_ns() > deadline_ns:
                raise TimeoutError(f"the exchange does not start: see {self.directory}/logs/exchange.out")
            self.sleep(0.05)

    def sleep(self, seconds: float) -> None:
        """Wait, whatever becomes of the tree meanwhile."""
        processes.pause(seconds)

    def now_ns(self) -> int:
        """Return the wall clock, which records carry."""
        return self._clock.now_ns()

    def seconds_since(self, begun_ns: int) -> float:
        """Return the seconds since a monotonic instant."""
        return (self._clock.monotonic_ns() - begun_ns) / NS_PER_S

    def monotonic_ns(self) -> int:
        """Return the monotonic clock."""
        return self._clock.monotonic_ns()


def administration_dsn(system: ChaosSystem) -> Secret:
    """Return the address of the server's maintenance database, past the proxy."""
    return embedded_dsn(database_socket_directory(system.run_directory), "postgres")
