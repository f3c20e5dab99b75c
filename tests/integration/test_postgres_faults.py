"""The Postgres sink in bad weather: killed clients and servers, unknown commits, read-only stores, poison rows."""
# ruff: noqa: F811 - a fixture is imported and then named by the parameters that ask for it

import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from observer_core.errors import TransientSinkError, UnreachableSinkError
from observer_core.ids import ShardName
from observer_core.messages import Event, Record
from observer_core.settings import Secret
from observer_core.sinks.port import NOTHING
from tests.fixtures.postgres import (  # noqa: F401 - fixtures
    ROOT,
    EmbeddedServer,
    eventually,
    postgres_dsn,
    postgres_server,
    query,
)
from tests.fixtures.postgres_proxy import CommitCuttingProxy
from tests.fixtures.postgres_records import OPEN_NS, SCALP, batch_of, book, stored, trade, trades
from tests.fixtures.postgres_sink import deliver, faults, letters_in, offset, sink_for

pytestmark = pytest.mark.integration

CLIENT = """
import sys
from pathlib import Path
from observer_core.settings import Secret
from tests.fixtures.postgres_records import SCALP, trades
from tests.fixtures.postgres_sink import deliver, sink_for
batches = [trades(first, 3000) for first in range(1, 60_000, 3000)]
with sink_for(Secret(sys.argv[1]), Path(sys.argv[2])) as sink:
    deliver(sink, batches)
"""


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    """Give a server that a test may kill, with a migrated database `observer_template`."""
    server = EmbeddedServer()
    try:
        server.start()
        server.make_template()
        yield server
    finally:
        server.close()


def test_a_client_killed_in_the_middle_of_a_copy_leaves_whole_batches_only(
    postgres_dsn: Secret,
    tmp_path: Path,
) -> None:
    copying = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query ~ '^COPY'"
    )
    killed_at = []
    for _ in range(3):
        client = subprocess.Popen([sys.executable, "-c", CLIENT, postgres_dsn.reveal(), str(tmp_path)], cwd=ROOT)
        try:
            eventually(lambda: query(postgres_dsn, copying))
        finally:
            client.kill()
            client.wait()
        eventually(lambda: not query(postgres_dsn, copying))
        killed_at.append(query(postgres_dsn, "SELECT coalesce(max(seq), 0), count(*) FROM pattern_records")[0])
        assert killed_at[-1][0] == killed_at[-1][1]
        durable = query(postgres_dsn, "SELECT coalesce(max(seq), 0) FROM observer_offset")[0][0]
        assert durable == killed_at[-1][0]
    assert killed_at[0][0] < 60_000
    batches = [trades(first, 3000) for first in range(1, 60_000, 3000)]
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, batches)
    assert faults(postgres_dsn, batches) == []


def test_a_restarted_server_costs_one_failed_attempt(own_server: EmbeddedServer, tmp_path: Path) -> None:
    dsn = own_server.dsn("observer_template")
    with sink_for(dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 50)])
        sink.write([trades(51, 50)])
        own_server.restart()
        with pytest.raises(TransientSinkError):
            sink.commit()
        assert sink.note
        assert sink.open() == {SCALP: offset(1, 50)}
        assert sink.note == ""
        deliver(sink, [trades(51, 50)])
    assert faults(dsn, [trades(1, 50), trades(51, 50)]) == []


def test_a_server_that_is_away_is_a_passing_fault(own_server: EmbeddedServer, tmp_path: Path) -> None:
    own_server.stop()
    with sink_for(own_server.dsn("observer_template"), tmp_path) as sink:
        for _ in range(3):
            with pytest.raises(TransientSinkError):
                sink.open()
        own_server.start()
        assert deliver(sink, [trades(1, 50)]) == 0


def test_nobody_there_and_a_server_that_refuses_are_told_apart(own_server: EmbeddedServer, tmp_path: Path) -> None:
    with sink_for(own_server.dsn("no_such_database"), tmp_path) as sink:
        with pytest.raises(TransientSinkError, match="no_such_database") as refused:
            sink.open()
        assert not isinstance(refused.value, UnreachableSinkError)
        own_server.stop()
        with pytest.raises(UnreachableSinkError, match="accepts no connections"):
            sink.open()
        assert "accepts no connections" in sink.note


def test_a_server_killed_again_and_again_during_commits_loses_and_doubles_nothing(
    own_server: EmbeddedServer, tmp_path: Path
) -> None:
    dsn = own_server.dsn("observer_template")
    batches = [trades(first, 500) for first in range(1, 100_001, 500)]
    pauses = random.Random(20260716)
    with sink_for(dsn, tmp_path) as sink, ThreadPoolExecutor(1) as writer:
        delivering = writer.submit(deliver, sink, batches)
        for _ in range(3):
            enough = _rows(own_server) + pauses.randrange(8_000)
            eventually(partial(_has_rows, own_server, enough))
            own_server.kill()
            own_server.start()
        failures = delivering.result(30)
    assert failures >= 3, "the kills did not meet a working sink"
    assert faults(dsn, batches) == []


def _has_rows(server: EmbeddedServer, enough: int) -> bool:
    return _rows(server) > enough


def _rows(server: EmbeddedServer) -> int:
    rows = query(server.dsn("observer_template"), "SELECT coalesce(max(seq), 0)::int4 FROM observer_offset")
    number = rows[0][0]
    assert isinstance(number, int)
    return number


def test_an_unknown_commit_is_settled_by_the_table(
    postgres_server: EmbeddedServer,
    postgres_dsn: Secret,
    tmp_path: Path,
) -> None:
    database = str(query(postgres_dsn, "SELECT current_database()")[0][0])
    proxy_directory = postgres_server.directory / "proxy"
    proxy_directory.mkdir(exist_ok=True)
    proxy = CommitCuttingProxy(postgres_server.socket_directory, proxy_directory)
    try:
        with sink_for(proxy.dsn(database), tmp_path) as sink:
            deliver(sink, [trades(1, 10)])
            proxy.armed = True
            sink.write([trades(11, 10)])
            with pytest.raises(TransientSinkError):
                sink.commit()
            assert proxy.cuts == 1
            assert query(postgres_dsn, "SELECT count(*) FROM pattern_records") == [(20,)]
            deliver(sink, [trades(1, 10), trades(11, 10), trades(21, 10)])
    finally:
        proxy.close()
        (proxy_directory / ".s.PGSQL.5432").unlink()
    assert faults(postgres_dsn, [trades(1, 30)]) == []


def test_a_read_only_store_is_waited_for(
    postgres_server: EmbeddedServer,
    postgres_dsn: Secret,
    tmp_path: Path,
) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 10)])
        postgres_server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            postgres_server.execute("SELECT pg_reload_conf()")
            eventually(lambda: query(postgres_dsn, "SHOW default_transaction_read_only") == [("on",)])
            for _ in range(2):
                sink.open()
                sink.write([trades(11, 10)])
                with pytest.raises(TransientSinkError, match="25006"):
                    sink.commit()
        finally:
            postgres_server.execute("ALTER SYSTEM RESET default_transaction_read_only")
            postgres_server.execute("SELECT pg_reload_conf()")
        eventually(lambda: query(postgres_dsn, "SHOW default_transaction_read_only") == [("off",)])
        deliver(sink, [trades(11, 10)])
        assert sink.rejected_total == 0
    assert faults(postgres_dsn, [trades(1, 20)]) == []


@pytest.mark.parametrize(
    ("poison", "code"),
    [
        (trade(500, symbol="00\x0001"), "22021"),
        (trade(500, raw="a^\x00^b"), "22P05"),
        (trade(500, price=2**63), None),
        (trade(500, reasons=("a\0",)), "ValueError"),
        (trade(500, received_ns=OPEN_NS + 400 * 86_400 * 10**9), "ValueError"),
        (book(500, asks=(1, 2**64 - 1)), "error"),
        (Event(at_ns=OPEN_NS, name="n", severity="info", subject="s", text="\0"), "DataError"),
    ],
    ids=["NUL in text", "NUL in raw", "overflow", "NUL in array", "far day", "overflow in array", "NUL in event"],
)
def test_one_poison_row_becomes_one_dead_letter_and_the_others_arrive(
    poison: Record,
    code: str | None,
    postgres_dsn: Secret,
    tmp_path: Path,
) -> None:
    good_before = [trade(seq) for seq in range(1, 500)]
    good_after = [trade(seq) for seq in range(501, 1001)]
    with sink_for(postgres_dsn, tmp_path) as sink:
        assert deliver(sink, [stored(batch_of([*good_before, poison, *good_after]))]) == 0
        assert sink.rejected_total == 1
        assert sink.open() == {SCALP: offset(1, 1000)}
    (letter,) = letters_in(tmp_path)
    assert (letter.shard, letter.epoch, letter.seq) == ("scalp-0", 1, 500)
    assert letter.reason
    assert code in (None, letter.code)
    assert letter.decode().records == (poison,)
    assert faults(postgres_dsn, [stored(batch_of(good_before)), stored(batch_of(good_after, 501))]) == []


def test_a_batch_of_nothing_but_poison_ends(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [stored(batch_of([trade(seq, symbol="\0") for seq in range(1, 201)]))])
        assert sink.rejected_total == 200
        deliver(sink, [trades(201, 10)])
    assert [letter.seq for letter in letters_in(tmp_path)] == list(range(1, 201))
    assert faults(postgres_dsn, [trades(201, 10)]) == []


def test_dead_letters_that_cannot_be_written_hold_the_batch_back(postgres_dsn: Secret, tmp_path: Path) -> None:
    blocked = tmp_path / "letters"
    blocked.write_text("a file where the directory should be")
    batch = stored(batch_of([trade(1), trade(2, symbol="\0")]))
    with sink_for(postgres_dsn, blocked) as sink:
        sink.open()
        sink.write([batch])
        with pytest.raises(TransientSinkError, match="dead letters"):
            sink.commit()
        assert sink.open() == {}
        assert sink.rejected_total == 0
        blocked.unlink()
        deliver(sink, [batch])
        assert sink.rejected_total == 1
    assert faults(postgres_dsn, [trades(1, 1)]) == []


def test_a_changed_table_keeps_the_batch_and_says_so(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 10)])
        query(postgres_dsn, "ALTER TABLE pattern_records RENAME COLUMN price TO paid")
        sink.write([trades(11, 10)])
        with pytest.raises(TransientSinkError, match="42703"):
            sink.commit()
        query(postgres_dsn, "ALTER TABLE pattern_records RENAME COLUMN paid TO price")
        deliver(sink, [trades(11, 10)])
    assert letters_in(tmp_path) == []
    assert faults(postgres_dsn, [trades(1, 20)]) == []


def test_offsets_moved_by_a_stranger_are_noticed(postgres_dsn: Secret, tmp_path: Path) -> None:
    with sink_for(postgres_dsn, tmp_path) as sink:
        deliver(sink, [trades(1, 10)])
        query(postgres_dsn, "UPDATE observer_offset SET seq = 100")
        sink.write([trades(11, 10)])
        with pytest.raises(TransientSinkError, match="another writer"):
            sink.commit()
        assert sink.open().get(ShardName("scalp-0"), NOTHING) == offset(1, 100)
    assert faults(postgres_dsn, [trades(1, 10)]) == []
