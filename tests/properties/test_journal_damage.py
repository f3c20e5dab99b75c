"""Whatever happens to the end of a journal: what was written before survives, and the next start is not refused."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.ids import ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.format import Frame, frame_header, scan_frames
from observer_core.journal.reader import JournalReader
from observer_core.journal.recovery import examine_tails
from observer_core.journal.writer import JournalWriter
from observer_core.messages import encode
from observer_core.services.follower import ShardFollower
from observer_core.sinks.port import NOTHING
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, trade

SHARD = ShardName("scalp-0")


def record(directory: Path, batches: int) -> Path:
    """Write batches of one trade each in a new epoch; return the segment."""
    journal = JournalWriter(directory, SHARD, SteppingClock())
    for number in range(1, batches + 1):
        journal.append(encode(batch(number, [trade(number)], epoch=journal.epoch)), number, NINE_OCLOCK_NS)
    journal.close()
    return directory / list_segments(directory)[-1].file_name


def followed(directory: Path) -> list[tuple[int, int]]:
    """Return (epoch, number) of all that a follower hands out, from the beginning."""
    follower = ShardFollower(SHARD, JournalReader(directory))
    follower.rewind(NOTHING)
    found: list[tuple[int, int]] = []
    while follower.behind:
        found += [
            (stored.batch.epoch, stored.batch.first_seq + index)
            for stored in follower.catch_up(700)
            for index in range(len(stored.batch.records))
        ]
    follower.close()
    return found


def check_next_start(directory: Path, survivors: list[tuple[int, int]]) -> None:
    """Start again, examine, record one more: the survivors and the new one are handed out, before and after."""
    journal = JournalWriter(directory, SHARD, SteppingClock())
    journal.append(encode(batch(1, [trade(1)], epoch=journal.epoch)), 1, NINE_OCLOCK_NS)
    journal.close()
    expected = [*survivors, (journal.epoch, 1)]
    assert followed(directory) == expected
    examine_tails(directory, journal.epoch)
    assert followed(directory) == expected
    assert all(report.clean for report in examine_tails(directory, journal.epoch))


def last_frame_begin(content: bytes, batches: int) -> int:
    """Return where the last of several equally long frames begins."""
    payload_bytes = len(encode(batch(batches, [trade(batches)], epoch=3_449_760)))
    return len(content) - payload_bytes - len(frame_header(b"x", 1))


@pytest.mark.parametrize("way", ["cut", "flip", "zero"])
def test_any_damage_within_the_last_frame(tmp_path: Path, way: str) -> None:
    segment = record(tmp_path / "original", 3)
    content = segment.read_bytes()
    epoch = list_segments(segment.parent)[0].epoch
    begin = last_frame_begin(content, 3)
    for at in range(begin, len(content)):
        damaged = bytearray(content)
        if way == "cut":
            del damaged[at:]
        elif way == "flip":
            damaged[at] ^= 0x01
        else:
            damaged[at:] = bytes(len(content) - at)
            if damaged == content:
                continue
        directory = tmp_path / f"{way}{at}"
        directory.mkdir()
        (directory / segment.name).write_bytes(damaged)
        assert followed(directory) == [(epoch, 1), (epoch, 2)], at
        if at % 29 == 0:
            check_next_start(directory, [(epoch, 1), (epoch, 2)])


def test_undamaged_nothing_is_missing(tmp_path: Path) -> None:
    """The control: the comparison above would see a record that is not there."""
    segment = record(tmp_path, 3)
    epoch = list_segments(segment.parent)[0].epoch
    assert followed(tmp_path) == [(epoch, 1), (epoch, 2), (epoch, 3)]


@pytest.mark.parametrize("loss", ["empty", "missing", "unreadable", "beheaded"])
def test_a_lost_segment_costs_its_own_records_only(tmp_path: Path, loss: str) -> None:
    record(tmp_path, 2)
    middle = record(tmp_path, 2)
    record(tmp_path, 2)
    first, _, last = (name.epoch for name in list_segments(tmp_path))
    if loss == "empty":
        middle.write_bytes(b"")
    elif loss == "missing":
        middle.unlink()
    elif loss == "unreadable":
        middle.unlink()
        middle.mkdir()
    else:
        middle.write_bytes(b"\xff" * 200)
    survivors = [(first, 1), (first, 2), (last, 1), (last, 2)]
    assert followed(tmp_path) == survivors
    journal = JournalWriter(tmp_path, SHARD, SteppingClock())
    reports = examine_tails(tmp_path, journal.epoch)
    assert any(not report.clean for report in reports) == (loss in {"unreadable", "beheaded"})
    assert followed(tmp_path) == survivors


@given(payloads=st.lists(st.binary(min_size=1, max_size=60), max_size=6), data=st.data())
def test_scanning_in_any_pieces_finds_the_same_frames(payloads: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(frame_header(payload, seq) + payload for seq, payload in enumerate(payloads, start=1))
    found: list[Frame] = []
    at = 0
    while at < len(raw):
        size = data.draw(st.integers(1, 200))
        scan = scan_frames(raw[at : at + size], at)
        if not scan.frames:
            scan = scan_frames(raw[at : at + scan.wanted_bytes], at)
            if not scan.frames:
                scan = scan_frames(raw[at : at + scan.wanted_bytes], at)
        found += scan.frames
        at = scan.end_offset
    assert [(frame.seq, frame.payload) for frame in found] == list(enumerate(payloads, start=1))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), batches=st.integers(1, 6))
def test_any_bytes_after_the_last_frame_are_put_aside(data: st.DataObject, batches: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        segment = record(directory, batches)
        epoch = list_segments(directory)[0].epoch
        segment.write_bytes(segment.read_bytes() + data.draw(st.binary(min_size=1, max_size=300)))
        check_next_start(directory, [(epoch, number) for number in range(1, batches + 1)])
