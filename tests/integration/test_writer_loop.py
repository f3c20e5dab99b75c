"""The writer loop with real sockets, journals and files; and with a writer process that is killed under load."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from observer_core.bus.subscriber import BatchSubscriber
from observer_core.clock import NS_PER_MS, SystemClock
from observer_core.errors import TransientSinkError
from observer_core.exit_codes import ExitCode
from observer_core.ids import ProcessName, Seq, ShardName
from observer_core.pacing.backoff import Backoff
from observer_core.services.journal_followers import JournalFollowers
from observer_core.services.recorder import Recorder
from observer_core.services.writer_loop import CommitPolicy, WriterLoop
from observer_core.sinks.jsonl import JsonlSink
from observer_core.sinks.port import Offset, StoredBatch
from tests.fixtures.journals import event, start_recorder, trade, wait_until
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.writer_main import settings_in

pytestmark = pytest.mark.integration

Key = tuple[str, int, int]
CLOCK = SystemClock()


class Appended:
    """Recorders that remember what their append returned for: the side log of the oracle."""

    def __init__(self, journals: Path, endpoints: tuple[str, ...]) -> None:
        self.keys: list[Key] = []
        self._journals = journals
        self._endpoints = endpoints
        self._number = 0

    def start(self, shard: str, segment_bytes: int = 40_000) -> Recorder:
        return start_recorder(self._journals, shard, self._endpoints, segment_bytes=segment_bytes)

    def append(self, shard: str, recorder: Recorder, records: int) -> None:
        first = recorder.next_seq
        made = [trade(n) if n % 7 else event(n) for n in range(self._number, self._number + records)]
        recorder.append(made, CLOCK.now_ns())
        self._number += records
        self.keys += [(shard, recorder.epoch, first + n) for n in range(records)]


class FailingSink(JsonlSink):
    """The JSONL sink on a store that can be away; everything else is the real thing."""

    away = False

    def open(self) -> dict[ShardName, Offset]:
        """Open, unless the store is away."""
        self._check()
        return dict(super().open())

    def commit(self) -> dict[ShardName, Offset]:
        """Commit, unless the store is away."""
        self._check()
        return dict(super().commit())

    def _check(self) -> None:
        if self.away:
            raise TransientSinkError("away")


class Running:
    """A writer loop in a thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.endpoint = f"ipc://{root}/sink.sock"
        self.journals = root / "journal"
        self.sink = FailingSink(root, root / "state" / "jsonl.json", CLOCK)
        self.subscriber = BatchSubscriber(self.endpoint)
        self.loop = WriterLoop(
            subscriber=self.subscriber,
            followers=JournalFollowers(self.journals),
            sink=self.sink,
            clock=CLOCK,
            policy=CommitPolicy(records=500, age_ns=10 * NS_PER_MS),
            backoff=Backoff(0.01, 0.05, Random(1)),
        )
        self.ready = threading.Event()
        self.result: list[ExitCode] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.ready.wait(PATIENCE_S)

    def _run(self) -> None:
        self.result.append(self.loop.run(self._stop.is_set, self.ready.set))

    def stop(self) -> ExitCode:
        self._stop.set()
        self._thread.join(20)
        self.subscriber.close()
        return self.result[0]


@contextmanager
def running(root: Path) -> Iterator[Running]:
    made = Running(root)
    try:
        yield made
    finally:
        if not made.result:
            made.stop()


def archived(root: Path) -> list[Key]:
    """Return the key of every complete line, file by file."""
    found: list[Key] = []
    for path in sorted(root.glob("s*/????/??/??/??/*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                fields = json.loads(line)
                found.append((fields["shard"], fields["epoch"], fields["seq"]))
    return found


def test_live_records_are_archived_and_nothing_lags(tmp_path: Path) -> None:
    with running(tmp_path) as writer:
        side = Appended(writer.journals, (writer.endpoint,))
        recorder = side.start("scalp-0", segment_bytes=10**7)
        side.append("scalp-0", recorder, 5)
        wait_until(lambda: len(archived(tmp_path)) == 5, "the first batch")
        side.append("scalp-0", recorder, 5)
        wait_until(lambda: len(archived(tmp_path)) == 10, "the second batch")
        wait_until(lambda: writer.loop.figures.lag.size_bytes == 0, "no lag")
        assert writer.loop.figures.state == "live"
        recorder.close()
        assert writer.stop() is ExitCode.OK
    assert sorted(archived(tmp_path)) == sorted(side.keys)


def test_the_journal_alone_delivers_when_nothing_is_published(tmp_path: Path) -> None:
    with running(tmp_path) as writer:
        side = Appended(writer.journals, ())
        recorders = {name: side.start(name) for name in ("scalp-0", "swing-0", "hub")}
        for _ in range(100):
            for name, recorder in recorders.items():
                side.append(name, recorder, 30)
        wait_until(lambda: len(archived(tmp_path)) == len(side.keys), "everything out of the journal")
        assert writer.stop() is ExitCode.OK
        for recorder in recorders.values():
            recorder.close()
    assert sorted(archived(tmp_path)) == sorted(side.keys)


def test_a_stop_drains_what_the_journals_hold(tmp_path: Path) -> None:
    with running(tmp_path) as writer:
        side = Appended(writer.journals, ())
        recorder = side.start("scalp-0")
        for _ in range(300):
            side.append("scalp-0", recorder, 30)
        recorder.close()
        assert writer.stop() is ExitCode.OK
    assert sorted(archived(tmp_path)) == sorted(side.keys)
    sink = JsonlSink(tmp_path, tmp_path / "state" / "jsonl.json", CLOCK)
    assert sink.open() == {"scalp-0": Offset(recorder.epoch, Seq(recorder.next_seq - 1))}


def test_shards_that_restart_go_on_in_new_epochs(tmp_path: Path) -> None:
    with running(tmp_path) as writer:
        side = Appended(writer.journals, (writer.endpoint,))
        for _ in range(5):
            recorder = side.start("scalp-0")
            for _ in range(40):
                side.append("scalp-0", recorder, 10)
            # Closed without a last word: the next epoch begins while the former one may still be unread.
            recorder.close()
        wait_until(lambda: len(archived(tmp_path)) == len(side.keys), "every epoch")
        assert writer.stop() is ExitCode.OK
    assert sorted(archived(tmp_path)) == sorted(side.keys)


def test_a_store_that_is_away_costs_memory_nothing_and_records_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as writer:
        side = Appended(writer.journals, (writer.endpoint,))
        recorder = side.start("scalp-0")
        for round_ in range(6):
            writer.sink.away = round_ % 2 == 1
            for _ in range(60):
                side.append("scalp-0", recorder, 10)
            if writer.sink.away:
                wait_until(lambda: writer.loop.figures.state == "waiting", "the writer notices")
                wait_until(lambda: writer.loop.figures.lag.size_bytes > 0, "the lag shows")
        writer.sink.away = False
        wait_until(lambda: len(archived(tmp_path)) == len(side.keys), "everything")
        wait_until(lambda: writer.loop.figures.lag.size_bytes == 0, "no lag")
        assert writer.loop.figures.errors_total >= 3
        recorder.close()
        assert writer.stop() is ExitCode.OK
    assert sorted(archived(tmp_path)) == sorted(side.keys)


def test_a_stop_while_the_store_is_away_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as writer:
        writer.sink.away = True
        recorder = start_recorder(writer.journals, "scalp-0")
        recorder.append([trade(1)], CLOCK.now_ns())
        recorder.close()
        assert writer.stop() is ExitCode.UNCLEAN


def test_status_tells_of_a_writer_held_up_by_its_sink(tmp_path: Path) -> None:
    with running(tmp_path) as writer:
        wait_until(lambda: writer.loop.figures.measured_monotonic_ns, "a measurement")
        writer.stop()
    figures = writer.loop.figures
    measured_ns = figures.measured_monotonic_ns
    fresh = figures.status(ProcessName("jsonl"), 1, CLOCK)
    assert fresh.lag_s == figures.lag_s
    figures.measured_monotonic_ns = measured_ns - 30_000 * NS_PER_MS
    assert figures.status(ProcessName("jsonl"), 1, CLOCK).lag_s >= 30


def test_the_oracle_sees_a_record_removed_from_the_journal(tmp_path: Path) -> None:
    """The control of every comparison in this file."""
    with running(tmp_path) as writer:
        side = Appended(tmp_path / "elsewhere", ())
        recorder = side.start("scalp-0", segment_bytes=1)
        for _ in range(3):
            side.append("scalp-0", recorder, 1)
        recorder.close()
        segments = sorted((tmp_path / "elsewhere" / "scalp-0").glob("*.seg"))
        segments[1].unlink()
        (tmp_path / "elsewhere").rename(writer.journals)
        wait_until(lambda: len(archived(tmp_path)) == 2, "what is left")
        wait_until(lambda: "1 records are missing" in writer.loop.figures.note, "the writer says so")
        writer.stop()
    assert sorted(archived(tmp_path)) != sorted(side.keys)
    assert writer.loop.followers.missing_total == 1


def test_a_writer_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    endpoint = settings.paths.sink_endpoint(JsonlSink(tmp_path, tmp_path, CLOCK).name)
    side = Appended(settings.paths.journals, (endpoint,))
    recorders = {name: side.start(name) for name in ("scalp-0", "swing-0")}
    random = Random(os.environ.get("OBSERVER_TEST_SEED", "20260724"))
    for _ in range(12):
        writer = _start_writer(tmp_path)
        assert writer.stdout is not None
        assert os.read(writer.stdout.fileno(), 1), "the writer reports ready"
        for _ in range(random.randrange(20, 200)):
            name = random.choice(sorted(recorders))
            side.append(name, recorders[name], random.randrange(1, 40))
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(PATIENCE_S)
        writer.stdout.close()
        if random.random() < 0.5:
            recorders["scalp-0"].close()
            recorders["scalp-0"] = side.start("scalp-0")
    for recorder in recorders.values():
        recorder.close()
    writer = _start_writer(tmp_path)
    assert writer.stdout is not None
    assert os.read(writer.stdout.fileno(), 1)
    os.kill(writer.pid, signal.SIGTERM)
    assert writer.wait(PATIENCE_S) == ExitCode.OK
    writer.stdout.close()
    assert sorted(archived(settings.data_dir)) == sorted(side.keys)


def _start_writer(root: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fixtures.writer_main", str(root)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def test_stored_batches_carry_their_size(tmp_path: Path) -> None:
    recorder = start_recorder(tmp_path, "scalp-0")
    before = recorder.journal_bytes_total
    recorder.append([trade(1), trade(2)], CLOCK.now_ns())
    followers = JournalFollowers(tmp_path)
    followers.rewind({})
    [stored] = followers.catch_up()
    assert isinstance(stored, StoredBatch)
    assert before < stored.size_bytes < recorder.journal_bytes_total
    recorder.close()
    followers.close()
