"""The writer loop with the real Postgres sink: the database dies under load, and every row is there once."""

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from observer_core.bus.subscriber import BatchSubscriber
from observer_core.clock import NS_PER_MS, SystemClock
from observer_core.exit_codes import ExitCode
from observer_core.pacing.backoff import Backoff
from observer_core.pacing.first_answer import START_PATIENCE_S
from observer_core.services.journal_followers import JournalFollowers
from observer_core.services.writer_loop import CommitPolicy, WriterLoop
from observer_core.settings import Secret
from observer_core.sinks.dead_letters import DeadLetterFile
from observer_core.sinks.postgres import POSTGRES, PostgresSink
from tests.fixtures.journals import SteppingClock, start_recorder, trade, wait_until
from tests.fixtures.postgres import EmbeddedServer, query

pytestmark = pytest.mark.integration
CLOCK = SystemClock()


@pytest.fixture
def mortal_server() -> Iterator[EmbeddedServer]:
    """Give a server of the test's own: it is killed."""
    server = EmbeddedServer()
    try:
        server.start()
        server.make_template()
        yield server
    finally:
        server.close()


def test_a_database_that_comes_up_beside_the_writer_is_no_fault_and_one_that_stays_away_is(
    tmp_path: Path, mortal_server: EmbeddedServer
) -> None:
    dsn: Secret = mortal_server.dsn(mortal_server.make_database())
    mortal_server.stop()
    clock = SteppingClock()
    subscriber = BatchSubscriber(f"ipc://{tmp_path}/sink.sock")

    def born() -> WriterLoop:
        return WriterLoop(
            subscriber=subscriber,
            followers=JournalFollowers(tmp_path / "journal"),
            sink=PostgresSink(dsn, DeadLetterFile(tmp_path / "letters", POSTGRES), CLOCK),
            clock=clock,
            policy=CommitPolicy(records=500, age_ns=20 * NS_PER_MS),
            backoff=Backoff(0.1, 5.0, Random(1)),
        )

    def state_after(loop: WriterLoop, seconds: float) -> str:
        clock.advance(seconds)
        loop.turn()
        return loop.figures.state

    try:
        early, late = born(), born()
        assert [state_after(early, seconds) for seconds in (0.0, 6.0)] == ["waiting"] * 2
        assert early.figures.errors_total == 0
        assert "accepts no connections" in early.figures.note
        assert [state_after(late, seconds) for seconds in (START_PATIENCE_S, 6.0)] == ["waiting"] * 2
        assert late.figures.errors_total == 2
        mortal_server.start()
        clock.advance(6.0)
        wait_until(lambda: state_after(early, 0.0) == "live", "the early one writes")
        assert (early.figures.note, early.figures.errors_total) == ("", 0)
        mortal_server.kill()
        recorder = start_recorder(tmp_path / "journal", "scalp-0", (f"ipc://{tmp_path}/sink.sock",))
        recorder.append([trade(1, CLOCK.now_ns())], CLOCK.now_ns())
        recorder.close()
        wait_until(lambda: state_after(early, 0.6) == "waiting", "it notices")
        assert early.figures.errors_total > 0
        early.sink.close()
    finally:
        subscriber.close()


def test_a_database_that_dies_under_load_holds_every_row_once(tmp_path: Path, mortal_server: EmbeddedServer) -> None:
    dsn: Secret = mortal_server.dsn(mortal_server.make_database())
    endpoint = f"ipc://{tmp_path}/sink.sock"
    subscriber = BatchSubscriber(endpoint)
    loop = WriterLoop(
        subscriber=subscriber,
        followers=JournalFollowers(tmp_path / "journal"),
        sink=PostgresSink(dsn, DeadLetterFile(tmp_path / "letters", POSTGRES), CLOCK),
        clock=CLOCK,
        policy=CommitPolicy(records=500, age_ns=20 * NS_PER_MS),
        backoff=Backoff(0.02, 0.2, Random(1)),
    )
    stop = threading.Event()
    result: list[ExitCode] = []
    thread = threading.Thread(target=lambda: result.append(loop.run(stop.is_set, lambda: None)))
    thread.start()
    appended: list[tuple[str, int, int]] = []
    recorder = start_recorder(tmp_path / "journal", "scalp-0", (endpoint,), segment_bytes=100_000)

    def append(batches: int) -> None:
        for _ in range(batches):
            first = recorder.next_seq
            recorder.append([trade(n, CLOCK.now_ns()) for n in range(30)], CLOCK.now_ns())
            appended.extend(("scalp-0", recorder.epoch, first + n) for n in range(30))

    try:
        append(50)
        wait_until(lambda: loop.figures.commits_total > 0, "a first commit")
        for _ in range(2):
            append(100)
            mortal_server.kill()
            append(100)
            wait_until(lambda: loop.figures.state == "waiting", "the writer notices")
            wait_until(lambda: loop.figures.lag.size_bytes > 0, "the lag shows")
            mortal_server.start()
        append(50)
        wait_until(lambda: loop.figures.lag.size_bytes == 0 and loop.figures.state == "live", "caught up")
    finally:
        recorder.close()
        stop.set()
        thread.join(30)
        subscriber.close()
    assert result == [ExitCode.OK]
    rows = query(dsn, "SELECT shard, epoch, seq FROM pattern_records ORDER BY 1, 2, 3")
    assert rows == appended
