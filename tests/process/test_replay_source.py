"""A recorded day as the source of a second tree: the same observations, never into the recording itself."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from observer_core.archive.sealing import held_for_sealing, seal
from observer_core.bus.request import Requester, new_request_id
from observer_core.clock import SystemClock
from observer_core.errors import LinkError
from observer_core.exit_codes import ExitCode
from observer_core.paths import Paths
from observer_core.questions import GetView
from observer_core.view import SystemView
from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.supervised import REPOSITORY, until

pytestmark = pytest.mark.process

RECEIPT = {"received_ns", "requested_ns"}
NUMBERING = {"shard", "epoch", "seq", "day", "session_id", "source"}


class ReplayRun:
    """`observer-supervisor` with a replay."""

    def __init__(self, recording: Path, into: Path, day: str, speed: float) -> None:
        self.into = into
        self.run_directory = Path(tempfile.mkdtemp(prefix="observer-"))
        self._log = self.run_directory / "output"
        directories = {
            "OBSERVER_DATA_DIR": into,
            "OBSERVER_LOG_DIR": into / "logs",
            "OBSERVER_CONFIG_DIR": into / "config",
            "KIS_TOKEN_CACHE_DIR": into / "secrets",
            "OBSERVER_RUN_DIR": self.run_directory,
            "OBSERVER_REPLAY_DIR": recording,
        }
        self._environment = {
            **os.environ,
            **{name: str(path) for name, path in directories.items()},
            "OBSERVER_SOURCE": "replay",
            "OBSERVER_REPLAY_DAY": day,
            "OBSERVER_REPLAY_SPEED": str(speed),
            "OBSERVER_HTTP_PORT": "0",
        }
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> "ReplayRun":
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "supervisor"],
                cwd=REPOSITORY,
                env=self._environment,
                stdout=output,
                stderr=output,
            )
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        shutil.rmtree(self.run_directory, ignore_errors=True)

    def log(self) -> str:
        return self._log.read_text()

    def view(self) -> SystemView | None:
        paths = Paths(data=self.into, logs=self.into, config=self.into, run=self.run_directory, token_cache=self.into)
        try:
            with Requester(paths.viewer_endpoint, SystemClock()) as requester:
                return requester.ask(GetView(request_id=new_request_id())).view
        except LinkError:
            return None

    def over(self) -> bool:
        view = self.view()
        notes = [row.note for row in view.processes if row.kind in {"swing", "scalp"}] if view else []
        return bool(notes) and all(": over after " in note for note in notes)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record some seconds of the simulated exchange, with a killed shard in between; a file of it is sealed."""
    directory = tmp_path_factory.mktemp("recording") / "tree"
    with LoopbackTree(directory, swing_shards=1) as tree:
        tree.collecting(1)
        os.kill(tree.pids()["swing-0"], signal.SIGKILL)
        tree.collecting(1)

        def enough() -> bool:
            view = tree.view()
            rows = {row.name: row.records_total for row in view.processes} if view else {}
            return rows.get("swing-0", 0) > 500 and rows.get("scalp-0", 0) > 300

        until(enough, "too little is recorded", tree.log)
        assert tree.stop() == 0
    data = directory / "data"
    live = next((data / "swing").rglob("swing-0.jsonl"))
    with held_for_sealing(live) as held:
        assert held is not None
        assert seal(live, held, (1 << 40, 0)) is not None
    live.unlink()
    return data


def _lines(data: Path) -> Iterator[dict[str, object]]:
    for path in sorted(data.rglob("*.jsonl*")):
        if path.relative_to(data).parts[0] not in {"swing", "scalp", "system"}:
            continue
        content = path.read_bytes()
        if path.suffix == ".zst":
            content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        for line in content.splitlines():
            yield json.loads(line)


def _observed(data: Path) -> Counter[str]:
    """Return the observations by symbol and value, without what a second receipt changes."""
    found = (
        {key: value for key, value in line.items() if key not in RECEIPT | NUMBERING}
        for line in _lines(data)
        if line["kind"] in {"trade", "quote", "book", "rejection"}
    )
    return Counter(json.dumps(line, sort_keys=True) for line in found)


def _day_of(recording: Path) -> str:
    return "-".join(next((recording / "swing").glob("*/*/*")).parts[-3:])


def test_a_replay_brings_every_observation_again(recording: Path, tmp_path: Path) -> None:
    into = tmp_path / "replayed"
    with ReplayRun(recording, into, _day_of(recording), speed=5.0) as run:
        until(run.over, "the replay does not end", run.log)
        view = run.view()
        assert view is not None
        assert {row.name for row in view.processes if row.kind in {"swing", "scalp"}} == {"swing-0", "scalp-0"}
        assert run.stop() == 0
    original, replayed = _observed(recording), _observed(into)
    assert original.total() > 800
    assert replayed == original
    lines = list(_lines(into))
    assert {line["source"] for line in lines} == {"replay"}
    # What the recording missed is missing here as well, and says so.
    gaps = {line["gap_id"] for line in _lines(recording) if line["kind"] == "gap" and line["shard"] != "maintenance"}
    assert gaps
    assert {f"replay-{gap}" for gap in gaps} <= {line["gap_id"] for line in lines if line["kind"] == "gap"}
    assert list((into / "universe").glob("*.json"))


def test_a_killed_shard_of_a_replay_leaves_a_gap(recording: Path, tmp_path: Path) -> None:
    into = tmp_path / "replayed"
    with ReplayRun(recording, into, _day_of(recording), speed=1.0) as run:

        def collected() -> int:
            view = run.view()
            rows = [row for row in view.processes if row.name == "swing-0"] if view else []
            return rows[0].records_total if rows else 0

        until(lambda: collected() > 30, "nothing is replayed", run.log)
        view = run.view()
        assert view is not None
        (pid,) = [row.pid for row in view.processes if row.name == "swing-0" and row.pid is not None]
        os.kill(pid, signal.SIGKILL)
        until(run.over, "the replay does not end", run.log)
        assert run.stop() == 0
    assert _observed(into) <= _observed(recording)
    own = [line for line in _lines(into) if line["kind"] == "gap" and not str(line["gap_id"]).startswith("replay-")]
    assert any(line["reason"] == "restart" and line["until_ns"] for line in own)


@pytest.mark.parametrize("place", ["", "inside", ".."])
def test_a_replay_into_the_recording_is_refused(recording: Path, place: str) -> None:
    before = sorted(recording.rglob("*"))
    with ReplayRun(recording, recording / place, _day_of(recording), speed=1.0) as run:
        assert run.process.wait(PATIENCE_S) == ExitCode.CONFIG
        assert "a replay never writes into the recording" in run.log()
    assert sorted(recording.rglob("*")) == before


def test_a_day_that_was_not_recorded_is_refused_and_the_days_are_named(recording: Path, tmp_path: Path) -> None:
    with ReplayRun(recording, tmp_path / "replayed", "2020-01-02", speed=1.0) as run:
        assert run.process.wait(PATIENCE_S) == ExitCode.CONFIG
        assert _day_of(recording).replace("-", "") in run.log()


def test_a_directory_with_a_collection_is_refused(recording: Path, tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "other", swing_shards=1) as tree:
        tree.collecting(1)
        assert tree.stop() == 0
    with ReplayRun(recording, tmp_path / "other" / "data", _day_of(recording), speed=1.0) as run:
        assert run.process.wait(PATIENCE_S) == ExitCode.CONFIG
        assert "holds a collection" in run.log()
