"""The journal's bytes as they were released: a change here needs a reader for the former form."""

from zlib import crc32

import msgspec

from observer_core.ids import DayNumber, Epoch, ShardName
from observer_core.journal.format import SegmentHeader, frame_header, pack_header, scan_frames, unpack_header

HEADER = SegmentHeader(
    shard=ShardName("swing-0"),
    epoch=Epoch(3_450_240),
    ordinal=2,
    day=DayNumber(20260724),
    wall_ns=1_784_851_200_000_000_000,
    monotonic_ns=1_000_000_000,
    build="1.0",
)
GOLDEN_HEADER = bytes.fromhex(
    "4f42534a524e4c01000000620bcea5d288a776657273696f6e01a57368617264a77377696e672d30a565706f6368ce0034a5"
    "80a76f7264696e616c02a3646179ce01352774a777616c6c5f6e73cf18c510b5b8ee0000ac6d6f6e6f746f6e69635f6e73ce"
    "3b9aca00a56275696c64a3312e30"
)
GOLDEN_FRAME = bytes.fromhex("000000071e88fd0c00000000000000297061796c6f6164")


def test_header_bytes() -> None:
    assert pack_header(HEADER) == GOLDEN_HEADER
    assert unpack_header(GOLDEN_HEADER) == (HEADER, len(GOLDEN_HEADER))


def test_frame_bytes() -> None:
    assert frame_header(b"payload", 41) + b"payload" == GOLDEN_FRAME
    [frame] = scan_frames(GOLDEN_FRAME, 0).frames
    assert (frame.seq, frame.payload, frame.end_offset) == (41, b"payload", len(GOLDEN_FRAME))


def test_a_header_with_a_field_of_a_later_version_is_read() -> None:
    body = msgspec.msgpack.encode({**msgspec.structs.asdict(HEADER), "later": [1, 2], "version": 2})
    raw = GOLDEN_HEADER[:8] + len(body).to_bytes(4, "big") + crc32(body).to_bytes(4, "big") + body
    found = unpack_header(raw)
    assert found is not None
    assert found[0].shard == "swing-0"
