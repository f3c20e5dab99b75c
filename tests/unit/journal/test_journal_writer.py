"""The journal writer on a real directory: epochs, rotation, syncing, a disk that is full."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S, kst_day
from observer_core.errors import JournalError
from observer_core.ids import ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.reader import JournalReader, SegmentReader
from observer_core.journal.writer import EPOCH_FILE, JournalWriter, SegmentLimits, last_epoch, next_epoch
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock

SHARD = ShardName("swing-0")


def writer(directory: Path, clock: SteppingClock | None = None, **limits: float) -> JournalWriter:
    chosen = SegmentLimits(**limits) if limits else None  # type: ignore[arg-type]
    return JournalWriter(directory, SHARD, clock or SteppingClock(), limits=chosen)


def payloads(directory: Path) -> list[bytes]:
    reader = JournalReader(directory)
    found = [frame.payload for name in reader.segments() for frame in reader.read(name, 0).frames]
    reader.close()
    return found


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let the kernel take files up to a size only: a write is cut off there, the next one refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_fixture_day_is_what_it_says() -> None:
    assert kst_day(NINE_OCLOCK_NS) == 20260724
    assert (NINE_OCLOCK_NS // NS_PER_S) % 86_400 == 0


def test_every_start_is_a_later_epoch(tmp_path: Path) -> None:
    first, second = writer(tmp_path / "j").epoch, writer(tmp_path / "j").epoch
    assert second == first + 1
    assert last_epoch(tmp_path / "j") == second


@pytest.mark.parametrize("damage", ["", "garbage", "-"])
def test_a_damaged_epoch_file_does_not_repeat_an_epoch(tmp_path: Path, damage: str) -> None:
    journal = writer(tmp_path)
    journal.append(b"x", 1, NINE_OCLOCK_NS)
    (tmp_path / EPOCH_FILE).write_text(damage)
    assert next_epoch(tmp_path, 0) == journal.epoch + 1


def test_a_lost_journal_does_not_repeat_an_epoch(tmp_path: Path) -> None:
    clock = SteppingClock()
    before = writer(tmp_path / "a", clock).epoch
    clock.advance(60)
    assert writer(tmp_path / "b", clock).epoch > before


def test_batches_are_read_back_and_the_position_is_the_end_of_the_file(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    for seq, payload in enumerate((b"a", b"bb", b"ccc"), start=1):
        position = journal.append(payload, seq, NINE_OCLOCK_NS)
        [name] = list_segments(tmp_path)
        assert position.end_offset == (tmp_path / name.file_name).stat().st_size
    assert payloads(tmp_path) == [b"a", b"bb", b"ccc"]
    assert journal.bytes_total == journal.position.end_offset


def test_segments_end_by_size_day_and_age(tmp_path: Path) -> None:
    clock = SteppingClock()
    journal = writer(tmp_path, clock, size_bytes=1000, age_s=100.0)
    journal.append(b"x" * 1000, 1, clock.now_ns())
    journal.append(b"by size", 2, clock.now_ns())
    clock.advance(101)
    journal.append(b"by age", 3, clock.now_ns())
    journal.append(b"by day", 4, clock.now_ns() + 86_400 * NS_PER_S)
    journal.append(b"the clock went back", 5, clock.now_ns())
    days = [name.day for name in list_segments(tmp_path)]
    assert days == [20260724, 20260724, 20260724, 20260725, 20260724]
    assert payloads(tmp_path) == [b"x" * 1000, b"by size", b"by age", b"by day", b"the clock went back"]


def test_durable_follows_sync_and_covers_rotated_segments(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(b"a", 1, NINE_OCLOCK_NS)
    assert journal.durable_position < journal.position
    journal.rotate()
    position = journal.append(b"b", 2, NINE_OCLOCK_NS)
    assert journal.sync() == position == journal.durable_position
    journal.close()


@pytest.mark.parametrize("room_bytes", [0, 1, 15, 16, 17, 100])
def test_a_full_disk_leaves_the_segment_whole_and_a_later_append_succeeds(tmp_path: Path, room_bytes: int) -> None:
    journal = writer(tmp_path)
    before = journal.append(b"before", 1, NINE_OCLOCK_NS)
    with file_size_limit(before.end_offset + room_bytes), pytest.raises(JournalError):
        journal.append(b"lost" * 100, 2, NINE_OCLOCK_NS)
    assert journal.position == before
    journal.append(b"after", 2, NINE_OCLOCK_NS)
    [name] = list_segments(tmp_path)
    with SegmentReader(tmp_path / name.file_name) as reader:
        piece = reader.read(0)
    assert [(frame.seq, frame.payload) for frame in piece.frames] == [(1, b"before"), (2, b"after")]
    assert not piece.damaged


@pytest.mark.parametrize("room_bytes", [0, 20])
def test_a_full_disk_at_the_beginning_of_a_segment_leaves_none_behind(tmp_path: Path, room_bytes: int) -> None:
    journal = writer(tmp_path)
    with file_size_limit(room_bytes), pytest.raises(JournalError):
        journal.append(b"lost", 1, NINE_OCLOCK_NS)
    assert list_segments(tmp_path) == []
    journal.append(b"after", 1, NINE_OCLOCK_NS)
    assert payloads(tmp_path) == [b"after"]


def test_a_batch_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.append(b"x" * 5000, 1, NINE_OCLOCK_NS)
    journal.append(b"y", 2, NINE_OCLOCK_NS)
    reader = JournalReader(tmp_path)
    [name] = reader.segments()
    first = reader.read(name, 0, 100)
    assert [frame.payload for frame in first.frames] == [b"x" * 5000]
    second = reader.read(name, first.end_offset, 100)
    assert [frame.payload for frame in second.frames] == [b"y"]
    assert reader.read(name, second.end_offset, 100).at_end
    reader.close()


def test_what_was_synced_survives_a_cut_at_the_durable_position(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    for seq in range(1, 6):
        journal.append(b"synced %d" % seq, seq, NINE_OCLOCK_NS)
    durable = journal.sync()
    journal.append(b"not synced", 6, NINE_OCLOCK_NS)
    [name] = list_segments(tmp_path)
    with (tmp_path / name.file_name).open("rb+") as segment:
        segment.truncate(durable.end_offset)
    assert payloads(tmp_path) == [b"synced %d" % seq for seq in range(1, 6)]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_after_a_failed_sync_the_next_batch_begins_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    journal = writer(tmp_path)
    journal.append(b"before", 1, NINE_OCLOCK_NS)
    durable = journal.durable_position

    def refused(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", refused)
        with pytest.raises(JournalError):
            journal.sync()
    assert journal.durable_position == durable
    journal.append(b"after", 2, NINE_OCLOCK_NS)
    assert [name.ordinal for name in list_segments(tmp_path)] == [0, 1]
    assert journal.sync() == journal.position
    assert payloads(tmp_path) == [b"before", b"after"]
    journal.close()


def test_an_unreadable_medium_refuses_the_batch_and_takes_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = writer(tmp_path)
    journal.append(b"before", 1, NINE_OCLOCK_NS)

    def refused(*_arguments: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", refused)
        patched.setattr(os, "ftruncate", refused)
        with pytest.raises(JournalError):
            journal.append(b"lost", 2, NINE_OCLOCK_NS)
    journal.append(b"after", 2, NINE_OCLOCK_NS)
    assert len(list_segments(tmp_path)) == 2, "its end is in doubt"
    assert payloads(tmp_path) == [b"before", b"after"]
