"""The bytes of the journal, without a disk."""

import pytest

from observer_core.errors import JournalError
from observer_core.ids import DayNumber, Epoch, ShardName
from observer_core.journal.format import (
    FRAME_HEADER_BYTES,
    Position,
    SegmentHeader,
    SegmentName,
    frame_header,
    pack_header,
    parse_segment_name,
    scan_frames,
    unpack_header,
    unpack_position,
)

HEADER = SegmentHeader(
    shard=ShardName("swing-0"), epoch=Epoch(7), ordinal=2, day=DayNumber(20260724), wall_ns=5, monotonic_ns=6
)


def frame(payload: bytes, seq: int) -> bytes:
    return frame_header(payload, seq) + payload


def test_segment_names_sort_as_they_were_written() -> None:
    names = [SegmentName(Epoch(e), o, DayNumber(20260724)) for e in (9, 10, 3_400_000) for o in (0, 9, 10)]
    files = [name.file_name for name in names]
    assert sorted(files) == files
    assert [parse_segment_name(file) for file in files] == names


@pytest.mark.parametrize("name", ["epoch", "00000001-000000-20260724.seg.torn", ".x", "1-2-3.seg"])
def test_other_files_are_no_segments(name: str) -> None:
    assert parse_segment_name(name) is None


def test_position_travels_in_sixteen_bytes() -> None:
    position = Position(Epoch(3_400_000), 12, 1 << 40)
    assert len(position.pack()) == 16
    assert unpack_position(position.pack()) == position
    with pytest.raises(JournalError):
        unpack_position(b"short")


def test_header_survives_the_round_trip_with_bytes_behind_it() -> None:
    raw = pack_header(HEADER)
    assert unpack_header(raw + b"frames") == (HEADER, len(raw))


def test_a_header_cut_anywhere_is_not_there_yet() -> None:
    raw = pack_header(HEADER)
    assert all(unpack_header(raw[:size]) is None for size in range(len(raw)))


def test_a_header_with_any_byte_flipped_is_refused_or_incomplete() -> None:
    raw = pack_header(HEADER)
    for at in range(len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 0x40
        try:
            assert unpack_header(bytes(damaged)) is None
        except JournalError:
            continue


def test_frames_are_read_back_with_their_ends() -> None:
    raw = frame(b"one", 1) + frame(b"second", 4)
    scan = scan_frames(raw, 100)
    assert [(found.seq, found.payload) for found in scan.frames] == [(1, b"one"), (4, b"second")]
    assert scan.frames[0].end_offset == 100 + FRAME_HEADER_BYTES + 3
    assert scan.end_offset == 100 + len(raw)
    assert not scan.damaged


def test_zeros_are_damage_and_not_an_empty_frame() -> None:
    scan = scan_frames(frame(b"one", 1) + bytes(64), 0)
    assert len(scan.frames) == 1
    assert scan.damaged


def test_a_changed_number_is_noticed() -> None:
    raw = bytearray(frame(b"one", 1))
    raw[15] ^= 1
    assert scan_frames(bytes(raw), 0).damaged


def test_a_frame_that_is_cut_off_says_how_much_it_needs() -> None:
    raw = frame(b"payload", 1)
    scan = scan_frames(raw[:-1], 0)
    assert (scan.frames, scan.damaged, scan.wanted_bytes) == ([], False, len(raw))
