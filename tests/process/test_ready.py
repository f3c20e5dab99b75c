"""`/ready` tells the truth: false within 30 s of each of ten faults, and true again when they are over."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from observer_core.clock import NS_PER_S
from supervisor.demo import free_ports
from tests.chaos.system import ChaosSystem
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.small_volumes import Volume, mounted_all
from tests.fixtures.universe_files import config_text, save_by_rename

pytestmark = [pytest.mark.process, pytest.mark.chaos, pytest.mark.timeout(900)]

SYMBOLS = 240
FALSE_WITHIN_S = 30.0
TRUE_AGAIN_WITHIN_S = 180.0
"""A finding such as a clock that was set counts for two minutes."""
VOLUME_MIB = 512
"""The run itself must not fill them: it lasts ten minutes."""


class Watched(ChaosSystem):
    """The whole system with `/ready` on a port, a clock that can be set, and its disks small."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, symbols=SYMBOLS)
        (self.port,) = free_ports(1)
        self.clock_file = self.directory / "step_s"
        assert self._environment is not None
        self._environment = {**self._environment, "OBSERVER_HTTP_PORT": str(self.port)}
        self._arguments = [sys.executable, "-m", "tests.fixtures.stepped_tree", str(self.clock_file)]

    def readiness(self) -> tuple[bool, str]:
        """Return what `/ready` says, and why; no answer is as good as false."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/ready", timeout=3)
        except httpx.HTTPError as error:
            return False, f"no answer: {error}"
        return answer.status_code == 200, "; ".join(answer.json().get("failing", []))

    def until_ready(self, wanted: bool, patience_s: float, what: str = "", words: str = "") -> tuple[float, str]:
        """Wait for a verdict with such reasons; return how long that took and the reasons."""
        begun_ns = self.monotonic_ns()
        while (taken := self.readiness())[0] is not wanted or not re.search(words, taken[1]):
            took_s = (self.monotonic_ns() - begun_ns) / NS_PER_S
            assert took_s < patience_s, f"{what}: /ready is not {wanted} ({words}) within {patience_s} s: {taken}"
            self.sleep(0.25)
        return (self.monotonic_ns() - begun_ns) / NS_PER_S, taken[1]

    def kill_often(self, name: str) -> None:
        """Kill a process as soon as it runs, until the supervisor takes it for a crash loop."""
        for _ in range(5):
            row = self._row_within(name)
            if row is None:
                return
            os.kill(row, signal.SIGKILL)

    def _row_within(self, name: str) -> int | None:
        begun_ns = self.monotonic_ns()
        while (self.monotonic_ns() - begun_ns) / NS_PER_S < 15:
            row = self.row(name)
            if row is not None and row.pid is not None:
                try:
                    os.kill(row.pid, 0)
                except ProcessLookupError:
                    pass
                else:
                    return row.pid
            self.sleep(0.05)
        return None

    def order(self, *words: str) -> None:
        """Give an order as an operator would."""
        environment = {**os.environ, "OBSERVER_RUN_DIR": str(self.run_directory)}
        command = [sys.executable, "-m", "observer_core.cli.observerctl", *words]

        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=PATIENCE_S)


Faults = dict[str, tuple[Callable[[], object], Callable[[], object], str]]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[tuple[Watched, dict[str, Volume]]]:
    made = Watched(tmp_path / "tree")
    data = made.paths.data
    with mounted_all({"journal": data / "journal", "swing": data / "swing"}, VOLUME_MIB) as volumes, made:
        made.start()
        made.wait_collecting()
        yield made, volumes


def faults_of(system: Watched, volumes: dict[str, Volume]) -> Faults:
    """Return each fault: how it is made, how it is ended, and a pattern that is in the reasons."""

    def stop_writer() -> None:
        row = system.row("jsonl")
        assert row is not None
        assert row.pid is not None
        os.kill(row.pid, signal.SIGSTOP)

    universe = system.paths.config / "universe.toml"
    return {
        "shard dead": (
            lambda: system.kill_often("swing-1"),
            lambda: system.order("restart", "swing-1", "--reason", "repaired"),
            "swing-1",
        ),
        "stream cut": (system.stream_proxy.refuse, system.stream_proxy.restore, "scalp-0"),
        "silent stream": (
            lambda: system.knobs(silence_stream=True),
            lambda: system.knobs(silence_stream=False),
            "scalp-0",
        ),
        "token refused": (
            lambda: system.knobs(rest_error_code="EGW00123"),
            lambda: system.knobs(rest_error_code=""),
            "swing-",
        ),
        "Postgres away": (system.database_proxy.refuse, system.database_proxy.restore, "postgres cannot write"),
        "journal disk full": (volumes["journal"].fill, volumes["journal"].free, "full"),
        "JSONL disk full": (volumes["swing"].fill, volumes["swing"].free, "full|No space left"),
        "wrong clock": (lambda: system.clock_file.write_text("3600"), lambda: None, "clock step"),
        "universe collapsed": (
            lambda: save_by_rename(universe, config_text(top=7)),
            lambda: save_by_rename(universe, config_text(top=SYMBOLS)),
            "universe refused",
        ),
        "writer hung": (stop_writer, lambda: None, "jsonl"),
    }


def test_ready_is_false_within_half_a_minute_of_each_of_ten_faults(system: tuple[Watched, dict[str, Volume]]) -> None:
    watched, volumes = system
    watched.until_ready(True, TRUE_AGAIN_WITHIN_S)
    report = watched.directory / "ready.txt"
    with report.open("w") as lines:
        for name, (make, end, words) in faults_of(watched, volumes).items():
            make()
            took_s, why = watched.until_ready(False, FALSE_WITHIN_S, name, words)
            end()
            again_s, _ = watched.until_ready(True, TRUE_AGAIN_WITHIN_S, f"after {name}")
            lines.write(f"{name:<20} {took_s:5.1f} s  {why}\n{'':<20} {again_s:5.1f} s until true again\n")
            lines.flush()
    sys.stdout.write(report.read_text())
