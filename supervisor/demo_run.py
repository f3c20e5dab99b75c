"""`make demo`: run the demo tree, attach the console or wait, stop it, and balance the books.

A program of its own: it only starts `observer-supervisor --demo` and looks at it from outside, as an operator would.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TextIO

from observer_core.audit.books import Books, balance
from observer_core.bus.request import Requester, new_request_id
from observer_core.clock import NS_PER_S, SystemClock
from observer_core.errors import ConfigError, LinkError
from observer_core.paths import Paths
from observer_core.questions import GetView
from observer_core.settings import Secret
from observer_core.sinks.embedded import STOP_SIGNAL, deadline_in, embedded_dsn, wait_ready
from observer_core.view import SystemView
from supervisor.demo import LEDGER_FILE, database_command, database_socket_directory, own_directory

STOP_PATIENCE_S = 30.0
START_PATIENCE_S = 60.0
DATABASE_PATIENCE_S = 20.0
"""A database that takes longer is for the console to show."""
POLL_S = 0.2


class DemoRun:
    """One run of the demo tree in a directory of its own; use as a context manager."""

    def __init__(self, directory: Path, *, symbols: int = 2000, seed: int = 1, speed: float = 1.0) -> None:
        """Empty the directory and choose a place for the sockets.

        Raises:
            ConfigError: the directory is not a demo's.
        """
        self.directory = directory.resolve()
        own_directory(self.directory)
        for entry in self.directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != ".observer-demo":
                entry.unlink()
        # Socket paths are limited to about 100 characters, whatever the directory's own path is.
        self.run_directory = Path(tempfile.mkdtemp(prefix="observer-"))
        (self.directory / "run-directory").write_text(f"{self.run_directory}\n")
        self._arguments = [
            *(sys.executable, "-m", "supervisor", "--demo"),
            *("--demo-directory", str(self.directory), "--demo-run-directory", str(self.run_directory)),
            *("--demo-symbols", str(symbols), "--demo-seed", str(seed), "--demo-speed", str(speed)),
        ]
        self._environment: dict[str, str] | None = None
        """None = this process's own."""
        self._clock = SystemClock()
        self._output: TextIO | None = None
        self.supervisor: subprocess.Popen[bytes] | None = None

    @property
    def paths(self) -> Paths:
        """Return the layout of the demo's files."""
        base = self.directory
        return Paths(
            data=base / "data",
            logs=base / "logs",
            config=base / "config",
            run=self.run_directory,
            token_cache=base / "secrets",
        )

    def __enter__(self) -> Self:
        """Return the run itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """End whatever still runs and remove the sockets."""
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.stop()
        if self._output is not None:
            self._output.close()
        shutil.rmtree(self.run_directory, ignore_errors=True)

    def start(self) -> None:
        """Start the supervisor, for the first time or after its death; its lines go to `supervisor.out`."""
        if self._output is None:
            self._output = (self.directory / "supervisor.out").open("a")
        self.supervisor = subprocess.Popen(
            self._arguments,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=self._environment,
        )

    def view(self) -> SystemView | None:
        """Return the system's own view, None while the hub does not answer."""
        try:
            with Requester(self.paths.viewer_endpoint, self._clock) as requester:
                return requester.ask(GetView(request_id=new_request_id())).view
        except LinkError:
            return None

    def wait_collecting(self, patience_s: float = START_PATIENCE_S) -> float:
        """Wait until every swing and scalp shard has recorded something; return how many seconds that took.

        Raises:
            TimeoutError: it did not happen; the text names where to look.
        """
        begun_ns = self._clock.monotonic_ns()
        while (waited_s := (self._clock.monotonic_ns() - begun_ns) / NS_PER_S) < patience_s:
            view = self.view()
            shards = [row for row in view.processes if row.kind in {"swing", "scalp"}] if view else []
            if shards and all(row.records_total for row in shards):
                return waited_s
            if self.supervisor is None or self.supervisor.poll() is not None:
                break
            self.wait(POLL_S)
        raise TimeoutError(f"the demo does not collect: see {self.directory}/supervisor.out and {self.directory}/logs")

    def wait_storing(self, patience_s: float = DATABASE_PATIENCE_S) -> None:
        """Wait until every sink stores, so that nobody looks at a database that is still being made; not for ever."""
        deadline_ns = deadline_in(patience_s, self._clock)
        while self._clock.monotonic_ns() < deadline_ns and (self.supervisor is None or self.supervisor.poll() is None):
            view = self.view()
            if view is not None and view.writers and all(row.state == "live" for row in view.writers):
                return
            self.wait(POLL_S)

    def wait(self, seconds: float) -> None:
        """Wait, or until the supervisor ends by itself."""
        if self.supervisor is None:
            return
        try:
            self.supervisor.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def stop(self) -> int:
        """Stop gracefully and return the supervisor's exit code."""
        if self.supervisor is None:
            return 0
        self.supervisor.send_signal(signal.SIGTERM)
        try:
            return self.supervisor.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            return self.supervisor.wait()

    def balance(self) -> Books:
        """Start the database once more and compare ledger, archive, journal and rows."""
        with self.database_again() as dsn:
            return balance(self.directory / LEDGER_FILE, self.paths.data, dsn.reveal())

    @contextmanager
    def database_again(self) -> Iterator[Secret]:
        """Start the database once more, after the stop, and give its address."""
        dsn = embedded_dsn(database_socket_directory(self.run_directory))
        database = subprocess.Popen(database_command(self.directory, self.run_directory), stdin=subprocess.DEVNULL)
        try:
            wait_ready(dsn, deadline_in(START_PATIENCE_S))
            yield dsn
        finally:
            database.send_signal(STOP_SIGNAL)
            database.wait()


def main() -> int:
    """Run the demo; exit 0 only when it stopped cleanly and the books balance."""
    options = _parse()
    try:
        with DemoRun(options.directory, symbols=options.symbols, seed=options.seed, speed=options.speed) as run:
            return _run(run, options.duration)
    except (ConfigError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1


def _run(run: DemoRun, duration_s: float | None) -> int:
    run.start()
    print(f"demo in {run.directory}; collecting begins ...", flush=True)
    started_s = run.wait_collecting()
    print(f"collecting after {started_s:.1f} s", flush=True)
    if duration_s is None and sys.stdin.isatty() and sys.stdout.isatty():
        run.wait_storing()
        _console(run)
    else:
        run.wait(duration_s if duration_s is not None else 60.0)
    print("stopping, then balancing the books ...", flush=True)
    view = run.view()
    code = run.stop()
    books = run.balance()
    print(_summary(view))
    print(books.table())
    print(f"supervisor exit code {code}; everything is kept in {run.directory}")
    return 0 if books.balanced and code == 0 else 1


def _console(run: DemoRun) -> None:
    environment = {**os.environ, "OBSERVER_RUN_DIR": str(run.run_directory)}
    subprocess.run([sys.executable, "-m", "observer_tui", "--demo"], env=environment, check=False)


def _summary(view: SystemView | None) -> str:
    if view is None:
        return "the hub gave no view at the end"
    sweeps = [row for row in view.processes if row.kind == "swing"]
    slowest = max((row.sweep_s for row in sweeps if row.sweep_s is not None), default=None)
    symbols = sum(row.symbols for row in sweeps)
    took = "no sweep was completed" if slowest is None else f"full sweep {slowest:.2f} s"
    refused = sum(row.refused_total for row in view.processes)
    restarts = sum(row.restarts for row in view.processes)
    return f"{symbols:,} symbols, {took}, calls refused {refused}, restarts {restarts}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Observer on the simulated exchange, with embedded Postgres.")
    parser.add_argument("--directory", type=Path, default=Path(".demo"), help="where everything goes; emptied first")
    parser.add_argument("--duration", type=float, help="seconds to collect, headless; without it the console attaches")
    parser.add_argument("--symbols", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than real the market runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
