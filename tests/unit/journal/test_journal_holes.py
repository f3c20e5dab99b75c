"""Missing segments: normal before the low-water mark, a loss behind it, never a reason not to start."""

from pathlib import Path

import msgspec

from observer_core.clock import NS_PER_S
from observer_core.ids import Epoch, ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.holes import find_holes
from observer_core.journal.low_water import LOW_WATER_FILE, NO_MARK, read_low_water, remove_segments
from observer_core.journal.recovery import examine_tails
from observer_core.journal.writer import JournalWriter
from observer_core.messages import encode
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, quote, trade

SHARD = ShardName("scalp-0")
LATER = Epoch(1 << 30)


def record(directory: Path, segments: int, first_ns: int = NINE_OCLOCK_NS) -> int:
    """Write segments of one batch each, a second apart, in a new epoch."""
    journal = JournalWriter(directory, SHARD, SteppingClock())
    for number in range(1, segments + 1):
        received_ns = first_ns + number * NS_PER_S
        made = batch(number, [trade(number) if number % 2 else quote(number)], epoch=journal.epoch)
        made = msgspec.structs.replace(made, received_ns=received_ns)
        journal.append(encode(made), number, received_ns)
        journal.rotate()
    journal.close()
    return journal.epoch


def remove(directory: Path, *ordinals: int) -> None:
    for name in list_segments(directory):
        if name.ordinal in ordinals:
            (directory / name.file_name).unlink()


def test_a_whole_journal_has_no_hole(tmp_path: Path) -> None:
    record(tmp_path, 4)
    record(tmp_path, 2)
    assert find_holes(tmp_path, LATER) == []


def test_a_missing_segment_is_bounded_by_its_neighbours(tmp_path: Path) -> None:
    epoch = record(tmp_path, 5)
    remove(tmp_path, 2, 3)
    (hole,) = find_holes(tmp_path, LATER)
    assert (hole.before.epoch, hole.before.ordinal) == (epoch, 4)
    assert (hole.from_ns, hole.until_ns) == (NINE_OCLOCK_NS + 2 * NS_PER_S, NINE_OCLOCK_NS + 5 * NS_PER_S)
    assert hole.symbols == ("000660", "005930")


def test_a_missing_beginning_of_an_epoch_reaches_back_to_the_former_epoch(tmp_path: Path) -> None:
    record(tmp_path, 2)
    record(tmp_path, 3, NINE_OCLOCK_NS + 60 * NS_PER_S)
    second = list_segments(tmp_path)[2]
    (tmp_path / second.file_name).unlink()
    (hole,) = find_holes(tmp_path, LATER)
    assert (hole.from_ns, hole.until_ns) == (NINE_OCLOCK_NS + 2 * NS_PER_S, NINE_OCLOCK_NS + 62 * NS_PER_S)


def test_what_retention_removed_is_no_hole(tmp_path: Path) -> None:
    epoch = record(tmp_path, 5)
    freed_bytes = remove_segments(tmp_path, list_segments(tmp_path)[:3])
    assert freed_bytes > 0
    assert read_low_water(tmp_path) == (epoch, 3)
    assert find_holes(tmp_path, LATER) == []
    remove(tmp_path, 3)
    assert len(find_holes(tmp_path, LATER)) == 1, "behind the mark a missing segment is a loss"


def test_a_number_used_up_on_a_full_disk_is_no_hole(tmp_path: Path) -> None:
    record(tmp_path, 3)
    first, second, third = list_segments(tmp_path)
    (tmp_path / third.file_name).rename(tmp_path / third._replace(ordinal=7).file_name)
    assert find_holes(tmp_path, LATER) == []
    assert first < second


def test_an_examined_epoch_is_not_reported_again(tmp_path: Path) -> None:
    record(tmp_path, 3)
    remove(tmp_path, 1)
    own = JournalWriter(tmp_path, SHARD, SteppingClock()).epoch
    assert len(find_holes(tmp_path, own)) == 1
    examine_tails(tmp_path, own)
    assert find_holes(tmp_path, own) == []


def test_a_damaged_mark_is_no_mark(tmp_path: Path) -> None:
    assert read_low_water(tmp_path) == NO_MARK
    (tmp_path / LOW_WATER_FILE).write_text("garbage")
    assert read_low_water(tmp_path) == NO_MARK
