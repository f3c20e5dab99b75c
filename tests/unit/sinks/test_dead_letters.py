"""The dead-letter file: round trip, torn tail, damage."""

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
