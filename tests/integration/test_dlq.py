"""`observerctl dlq`: what was refused is shown; a retry brings in what is good now, once, through the usual way."""
# ruff: noqa: F811 - a fixture is imported and then named by the parameters that ask for it

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from observer_core.cli.observerctl import app
from observer_core.clock import SystemClock, kst_day
from observer_core.ids import ShardName, SinkName
from observer_core.journal.files import list_segments
from observer_core.journal.writer import JournalWriter
from observer_core.messages import Batch, Rejection, Track, encode
from observer_core.services.journal_followers import JournalFollowers
from observer_core.settings import Secret, load_client_settings
from observer_core.sinks.dead_letters import DeadLetterFile, letter_for
from observer_core.sinks.jsonl import JsonlSink
from observer_core.sinks.postgres import PostgresSink
from tests.fixtures.kis_records import RECEIVED_NS, trade_fields
from tests.fixtures.postgres import postgres_dsn, postgres_server, query  # noqa: F401 - fixtures
from tests.fixtures.postgres_records import SCALP, batch_of, trade
from tests.fixtures.postgres_sink import SettableClock

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
DAY = f"{kst_day(RECEIVED_NS)}"


def refused(number: int, raw: str, *reasons: str) -> Rejection:
    return Rejection("005930", RECEIVED_NS + number, Track.SCALP, "decode", reasons, raw)


GOOD_NOW = refused(1, "^".join(trade_fields()), "a_rule_of_yesterday")
STILL_BAD = refused(2, "^".join(trade_fields(STCK_PRPR="abc")), "not_a_whole_number:STCK_PRPR")
OF_ITS_MOMENT = refused(3, "^".join(trade_fields()), "tick_jump_over_10")


class Place:
    """A data directory, its archive fed from its journals as the JSONL writer does it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        for name in ("DATA", "RUN", "LOG", "CONFIG"):
            monkeypatch.setenv(f"OBSERVER_{name}_DIR", str(directory))
        monkeypatch.delenv("OBSERVER_POSTGRES_DSN", raising=False)

    def journal(self, shard: ShardName, *batches: Batch) -> None:
        writer = JournalWriter(self.directory / "journal" / shard, shard, CLOCK)
        for batch in batches:
            writer.append(encode(batch), batch.first_seq, batch.received_ns)
        writer.close()

    def write(self, sink: JsonlSink | PostgresSink) -> None:
        """Bring whatever is journalled into a sink."""
        followers = JournalFollowers(self.directory / "journal")
        followers.rewind(sink.open())
        while followers.behind:
            sink.write(followers.catch_up())
        sink.commit()
        sink.close()

    def archive(self) -> None:
        self.write(JsonlSink(self.directory, self.directory / "state" / "jsonl.json", SettableClock(RECEIVED_NS)))

    def lines(self, track: str, kind: str) -> list[dict[str, object]]:
        files = sorted((self.directory / track).rglob("*.jsonl"))
        found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [line for line in found if line["kind"] == kind]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def dlq(*arguments: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, ["dlq", *arguments])
    assert done.exit_code == exit_code, done.output
    return done.stdout


def retried(*arguments: str) -> dict[str, object]:
    figures = json.loads(dlq("retry", "--day", DAY, "--json", *arguments))
    return {name: value for name, value in figures.items() if value and name != "dry_run"}


def a_batch_of_refusals() -> Batch:
    batch = batch_of([GOOD_NOW, STILL_BAD, OF_ITS_MOMENT])
    return Batch(**{name: getattr(batch, name) for name in batch.__struct_fields__} | {"received_ns": RECEIVED_NS})


def test_refusals_are_shown_by_filter_and_with_their_payload(place: Place) -> None:
    place.journal(SCALP, a_batch_of_refusals())
    place.archive()
    text = dlq("show", "--day", DAY)
    assert "scalp-0/1/1" in text
    assert "a_rule_of_yesterday" in text
    assert "3 refused, 3 by decode" in text
    assert GOOD_NOW.raw not in text
    assert GOOD_NOW.raw in dlq("show", "--day", DAY, "--raw", "--reason", "yesterday")
    (entry,) = [json.loads(line) for line in dlq("show", "--day", DAY, "--reason", "not_a", "--json").splitlines()]
    assert (entry["number"], entry["raw"], entry["repaired"]) == ("scalp-0/1/2", STILL_BAD.raw, False)
    for nothing in (["--shard", "scalp-9"], ["--symbol", "000660"], ["--stage", "guard"], ["--number", "x/1/1"]):
        assert "0 refused" in dlq("show", "--day", DAY, *nothing)
    dlq("show", "--day", "yesterday", exit_code=2)


def test_a_retry_records_what_is_good_once_in_every_store(place: Place, postgres_dsn: Secret, tmp_path: Path) -> None:
    place.journal(SCALP, a_batch_of_refusals())
    place.archive()
    good = {"refusals": 3, "repaired": 1, "records": 1}
    left = {"still_refused": {"not_a_whole_number:STCK_PRPR": 1, "tick_jump_over_10": 1}}
    assert retried("--dry-run") == {**good, **left}
    assert not (place.directory / "journal" / "scalp-retry").exists()
    assert retried() == {**good, **left}
    # Before any writer saw it, and after, and after the journal is gone: never again.
    again = {"refusals": 3, "repaired_before": 1, **left}
    assert retried() == again
    for _ in range(2):
        place.archive()
        place.write(PostgresSink(postgres_dsn, DeadLetterFile(tmp_path / "l", SinkName("postgres")), SettableClock()))
        assert retried() == again
    (line,) = place.lines("scalp", "trade")
    assert (line["shard"], line["source"], line["received_ns"]) == ("scalp-retry", "retry", GOOD_NOW.received_ns)
    (event,) = place.lines("system", "event")
    assert (event["name"], event["subject"]) == ("rejection_repaired", "scalp-0/1/1")
    rows = query(postgres_dsn, "SELECT shard, symbol, price, track FROM pattern_records")
    assert rows == [("scalp-retry", "005930", 259_250, "scalp")]
    assert query(postgres_dsn, "SELECT count(*) FROM ingest_errors") == [(3,)]
    retry_journal = place.directory / "journal" / "scalp-retry"
    for name in list_segments(retry_journal):
        (retry_journal / name.file_name).unlink()
    assert retried() == again
    assert "repaired" in dlq("show", "--day", DAY, "--number", "scalp-0/1/1")


def test_only_what_is_named_is_tried(place: Place) -> None:
    place.journal(SCALP, a_batch_of_refusals())
    place.archive()
    assert retried("--number", "scalp-0/1/2") == {
        "refusals": 1,
        "still_refused": {"not_a_whole_number:STCK_PRPR": 1},
    }
    assert retried("--number", "scalp-0/1/1") == {"refusals": 1, "repaired": 1, "records": 1}


def test_letters_are_offered_to_the_tables_again(
    place: Place, postgres_dsn: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = DeadLetterFile(load_client_settings(os.environ).paths.dead_letters, SinkName("postgres"))
    letters = [
        letter_for(
            batch_of([trade(seq, **changes)], seq),
            sink=SinkName("postgres"),
            at_ns=RECEIVED_NS,
            code="22021",
            reason="x",
        )
        for seq, changes in ((1, {}), (2, {"symbol": "00\0"}))
    ]
    file.append([*letters, letters[0]], RECEIVED_NS)
    assert "2 refused, 2 by postgres" in dlq("show", "--day", DAY)
    assert retried()["letters_left"] == "OBSERVER_POSTGRES_DSN is empty, so they were not tried"
    monkeypatch.setenv("OBSERVER_POSTGRES_DSN", postgres_dsn.reveal())
    assert retried("--dry-run") == {"letters": 2, "inserted": 1, "still_rejected": 1}
    assert query(postgres_dsn, "SELECT count(*) FROM pattern_records") == [(0,)]
    assert retried() == {"letters": 2, "inserted": 1, "still_rejected": 1}
    assert retried() == {"letters": 2, "there_already": 1, "still_rejected": 1}
    assert query(postgres_dsn, "SELECT shard, epoch, seq FROM pattern_records") == [("scalp-0", 1, 1)]
    with file.path(RECEIVED_NS).open("ab") as damaged:
        damaged.write(b"{}\n")
    dlq("show", "--day", DAY, exit_code=1)
