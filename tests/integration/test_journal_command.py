"""`observerctl journal` as a program, on journals that are whole, damaged, torn and growing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from observer_core.ids import ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.writer import JournalWriter
from observer_core.messages import encode
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, trade, wait_until
from tests.fixtures.patience import PATIENCE_S

pytestmark = pytest.mark.integration

SHARD = ShardName("scalp-0")


def command(data: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "observer_core.cli.observerctl", "journal", *arguments]


def environment(data: Path) -> dict[str, str]:
    return {**os.environ, "OBSERVER_DATA_DIR": str(data)}


def run(data: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(data, *arguments),
        env=environment(data),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


class Recording:
    """A journal of one trade a batch, two batches a segment."""

    def __init__(self, data: Path) -> None:
        self.directory = data / "journal" / SHARD
        self.journal = JournalWriter(self.directory, SHARD, SteppingClock())
        self.seq = 0

    def add(self, count: int) -> None:
        for _ in range(count):
            self.seq += 1
            made = batch(self.seq, [trade(self.seq)], epoch=self.journal.epoch)
            self.journal.append(encode(made), self.seq, NINE_OCLOCK_NS)
            if self.seq % 2 == 0:
                self.journal.rotate()


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    made = Recording(tmp_path)
    made.add(5)
    return made


def test_whole_journals_are_listed_and_in_order(recording: Recording, tmp_path: Path) -> None:
    listed = run(tmp_path, "ls", "--json")
    assert listed.returncode == 0
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["batches"], row["first_seq"], row["last_seq"]) for row in rows] == [(2, 1, 2), (2, 3, 4), (1, 5, 5)]
    verified = run(tmp_path, "verify", "scalp-0")
    assert (verified.returncode, verified.stdout) == (0, "")
    assert "3 segments, 5 records, 0 with a problem" in verified.stderr
    assert "09:00:00" in run(tmp_path, "ls").stdout


def test_damage_and_missing_segments_are_named_and_the_exit_code_says_so(recording: Recording, tmp_path: Path) -> None:
    first, second, _ = list_segments(recording.directory)
    path = recording.directory / first.file_name
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    damaged = run(tmp_path, "verify")
    assert damaged.returncode == 1
    assert f"{first.file_name}: " in damaged.stdout
    assert "damaged" in damaged.stdout
    path.unlink()
    (recording.directory / second.file_name).unlink()
    missing = run(tmp_path, "verify")
    assert missing.returncode == 1
    assert "records 1 to 4 of epoch" in missing.stdout


def test_a_half_written_frame_at_the_end_is_no_damage(recording: Recording, tmp_path: Path) -> None:
    newest = recording.directory / list_segments(recording.directory)[-1].file_name
    with newest.open("ab") as file:
        file.write(b"\0\0\0\x20\x01\x02")
    assert run(tmp_path, "verify").returncode == 0


def test_the_newest_records_and_what_follows(recording: Recording, tmp_path: Path) -> None:
    newest = run(tmp_path, "tail", "scalp-0", "-n", "3")
    assert [json.loads(line)["seq"] for line in newest.stdout.splitlines()] == [3, 4, 5]
    assert json.loads(newest.stdout.splitlines()[0])["symbol"] == "005930"
    with (tmp_path / "followed").open("w+") as output:
        process = subprocess.Popen(
            command(tmp_path, "tail", "scalp-0", "-n", "1", "--follow"), env=environment(tmp_path), stdout=output
        )
        try:
            followed = tmp_path / "followed"
            wait_until(lambda: followed.read_text().count("\n") == 1, "the newest record")
            recording.add(4)
            wait_until(lambda: followed.read_text().count("\n") == 5, "four more, over two segments")
        finally:
            process.kill()
            process.wait()
    assert [json.loads(line)["seq"] for line in followed.read_text().splitlines()] == [5, 6, 7, 8, 9]


def test_an_unknown_shard_is_an_answer(recording: Recording, tmp_path: Path) -> None:
    answer = run(tmp_path, "tail", "swing-9")
    assert answer.returncode == 1
    assert answer.stderr == "there is no journal of swing-9; there are: scalp-0\n"
