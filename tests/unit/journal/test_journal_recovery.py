"""What a dead process left behind is put aside, and the last observation is found."""

from pathlib import Path

from observer_core.ids import Epoch, ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.reader import SegmentReader, payload_spans
from observer_core.journal.recovery import examine_tails, find_buried, find_last_observation
from observer_core.journal.writer import JournalWriter
from observer_core.messages import Record, encode
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, event, trade

SHARD = ShardName("scalp-0")


def left_behind(directory: Path, *batches: list[Record]) -> Path:
    """Write batches in an epoch of their own; return the path of the segment."""
    journal = JournalWriter(directory, SHARD, SteppingClock())
    seq = 1
    for records in batches:
        journal.append(encode(batch(seq, records, epoch=journal.epoch)), seq, NINE_OCLOCK_NS)
        seq += len(records)
    journal.close()
    return directory / list_segments(directory)[-1].file_name


def own_epoch(directory: Path) -> Epoch:
    return JournalWriter(directory, SHARD, SteppingClock()).epoch


def test_a_clean_tail_is_reported_with_its_last_batch(tmp_path: Path) -> None:
    left_behind(tmp_path, [trade(1), trade(2)], [trade(3)])
    [report] = examine_tails(tmp_path, own_epoch(tmp_path))
    assert report.clean
    assert report.last_seq == 3
    assert report.last_batch is not None
    assert report.last_batch.records == (trade(3),)


def test_a_bad_tail_is_kept_aside_and_cut(tmp_path: Path) -> None:
    segment = left_behind(tmp_path, [trade(1)], [trade(2)])
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-3])
    [report] = examine_tails(tmp_path, own_epoch(tmp_path))
    assert report.last_seq == 1
    assert (tmp_path / report.torn_file).read_bytes() == whole[len(whole) - 3 - report.torn_bytes : -3]
    assert segment.stat().st_size == len(whole) - 3 - report.torn_bytes
    assert examine_tails(tmp_path, own_epoch(tmp_path)) == ()


def test_a_segment_without_a_header_is_all_tail(tmp_path: Path) -> None:
    segment = left_behind(tmp_path, [trade(1)])
    segment.write_bytes(b"not a journal at all")
    [report] = examine_tails(tmp_path, own_epoch(tmp_path))
    assert (report.last_seq, report.torn_bytes) == (0, 20)
    assert segment.stat().st_size == 0


def test_an_unreadable_segment_is_reported_and_tried_again_by_the_next_process(tmp_path: Path) -> None:
    segment = left_behind(tmp_path, [trade(1)])
    content = segment.read_bytes()
    segment.unlink()
    segment.mkdir()
    [report] = examine_tails(tmp_path, own_epoch(tmp_path))
    assert report.problem
    segment.rmdir()
    segment.write_bytes(content)
    assert [again.clean for again in examine_tails(tmp_path, own_epoch(tmp_path))] == [True]


def test_every_earlier_epoch_is_examined_once(tmp_path: Path) -> None:
    for _ in range(3):
        segment = left_behind(tmp_path, [trade(1)])
        segment.write_bytes(segment.read_bytes() + b"\0" * 50)
    assert [report.torn_bytes for report in examine_tails(tmp_path, own_epoch(tmp_path))] == [50, 50, 50]


def test_the_last_observation_lies_behind_events_and_empty_epochs(tmp_path: Path) -> None:
    left_behind(tmp_path, [trade(1)], [trade(2), event(1)], [event(2)])
    left_behind(tmp_path, [event(3)])
    left_behind(tmp_path).write_bytes(b"damaged")
    found = find_last_observation(tmp_path, own_epoch(tmp_path))
    assert found is not None
    assert found.records == (trade(2), event(1))


def test_no_observation_is_no_observation(tmp_path: Path) -> None:
    left_behind(tmp_path, [event(1)])
    assert find_last_observation(tmp_path, own_epoch(tmp_path)) is None
    assert find_last_observation(tmp_path / "none", Epoch(1)) is None


def damaged_in_the_middle(directory: Path) -> None:
    """Leave four batches behind, the third one unreadable, as a disk that loses a page would."""
    segment = left_behind(directory, [trade(1)], [trade(2)], [trade(3)], [trade(4), trade(5)])
    with SegmentReader(segment) as reader:
        begin, _ = payload_spans(reader)[0][2]
    content = bytearray(segment.read_bytes())
    content[begin + 3] ^= 0xFF
    segment.write_bytes(content)


def test_whole_batches_behind_damage_count_as_missing(tmp_path: Path) -> None:
    damaged_in_the_middle(tmp_path)
    own = own_epoch(tmp_path)
    [buried] = find_buried(tmp_path, own)
    assert buried.from_ns <= buried.until_ns
    assert buried.symbols == (trade(1).symbol,)
    # It stays to be found until it is cut off.
    assert find_buried(tmp_path, own) == [buried]
    [report] = examine_tails(tmp_path, own)
    assert find_buried(tmp_path, own) == []
    assert report.last_seq == 2
    assert (tmp_path / report.torn_file).stat().st_size == report.torn_bytes


def test_the_last_observation_is_found_behind_damage_too(tmp_path: Path) -> None:
    damaged_in_the_middle(tmp_path)
    found = find_last_observation(tmp_path, own_epoch(tmp_path))
    assert found is not None
    assert found.records == (trade(4), trade(5))


def test_an_unfinished_batch_buries_nothing(tmp_path: Path) -> None:
    segment = left_behind(tmp_path, [trade(1)], [trade(2)])
    segment.write_bytes(segment.read_bytes()[:-3])
    assert find_buried(tmp_path, own_epoch(tmp_path)) == []
    [report] = examine_tails(tmp_path, own_epoch(tmp_path))
    assert report.torn_bytes
