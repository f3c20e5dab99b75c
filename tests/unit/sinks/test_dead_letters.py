"""The dead-letter file: round trip, torn tail, damage."""

import errno
import os
from pathlib import Path

import pytest

from observer_core.errors import MalformedMessage
from observer_core.ids import SinkName
from observer_core.sinks.dead_letters import DeadLetter, DeadLetterFile, letter_for, read_letters
from tests.fixtures.postgres_records import OPEN_NS, batch_of, trade

SINK = SinkName("postgres")


def _letter(seq: int) -> DeadLetter:
    single = batch_of([trade(seq, symbol="00\0")], seq)
    return letter_for(single, sink=SINK, at_ns=OPEN_NS, code="22021", reason="NUL")


def test_letters_come_back_with_the_very_record(tmp_path: Path) -> None:
    file = DeadLetterFile(tmp_path / "dead_letters", SINK)
    file.append([_letter(1)], OPEN_NS)
    file.append([_letter(2), _letter(3)], OPEN_NS)
    path = tmp_path / "dead_letters" / "postgres-20260716.jsonl"
    letters = list(read_letters(path))
    assert [letter.seq for letter in letters] == [1, 2, 3]
    assert letters[1].decode() == batch_of([trade(2, symbol="00\0")], 2)
    assert letters[1].symbol == "00\0"


def test_a_torn_last_line_is_passed_over_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    file = DeadLetterFile(tmp_path, SINK)
    file.append([_letter(1), _letter(2)], OPEN_NS)
    path = file.path(OPEN_NS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert [letter.seq for letter in read_letters(path)] == [1]
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(MalformedMessage):
        list(read_letters(path))


def test_nothing_is_written_for_no_letters(tmp_path: Path) -> None:
    DeadLetterFile(tmp_path / "none", SINK).append([], OPEN_NS)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("lost", [1, 5, 100, 10_000])
def test_a_letter_after_a_torn_one_is_whole(tmp_path: Path, lost: int) -> None:
    file = DeadLetterFile(tmp_path, SINK)
    file.append([_letter(1)], OPEN_NS)
    path = file.path(OPEN_NS)
    kept = path.read_bytes()
    file.append([_letter(2)], OPEN_NS)
    path.write_bytes(path.read_bytes()[: max(len(kept), path.stat().st_size - lost)])
    # The crash that tore it had not let the offset pass its row: it comes again.
    file.append([_letter(2), _letter(3)], OPEN_NS)
    assert [letter.seq for letter in read_letters(path)] == [1, 2, 3]


def test_letters_that_a_full_disk_cut_off_leave_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DeadLetterFile(tmp_path, SINK)
    file.append([_letter(1)], OPEN_NS)
    write = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "no space left")
        return write(descriptor, data[:-10])

    with monkeypatch.context() as patch:
        patch.setattr("observer_core.sinks.dead_letters.os.write", half)
        with pytest.raises(OSError, match="no space"):
            file.append([_letter(2)], OPEN_NS)
    assert file.path(OPEN_NS).read_bytes().endswith(b"\n")
    file.append([_letter(2)], OPEN_NS)
    assert [letter.seq for letter in read_letters(file.path(OPEN_NS))] == [1, 2]
