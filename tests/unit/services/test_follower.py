"""Single decisions of the follower that the interleavings cannot tell from mere slowness."""

from pathlib import Path

import pytest

from observer_core.errors import JournalError
from observer_core.ids import Epoch, Seq, ShardName
from observer_core.journal.format import Position, SegmentName
from observer_core.journal.reader import JournalReader
from observer_core.journal.writer import JournalWriter
from observer_core.messages import encode
from observer_core.services.follower import ShardFollower
from observer_core.sinks.port import NOTHING, Offset
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, trade

SHARD = ShardName("scalp-0")


class Journalled:
    """A journal with batches of two trades, and a follower of it."""

    def __init__(self, directory: Path) -> None:
        self.journal = JournalWriter(directory, SHARD, SteppingClock())
        self.follower = ShardFollower(SHARD, JournalReader(directory))
        self.next_seq = 1

    def append(self) -> tuple[Position, bytes]:
        payload = encode(batch(self.next_seq, [trade(1), trade(2)], epoch=self.journal.epoch))
        position = self.journal.append(payload, self.next_seq, NINE_OCLOCK_NS)
        self.next_seq += 2
        return position, payload

    def offset(self, seq: int) -> Offset:
        return Offset(self.journal.epoch, Seq(seq))

    def caught_up(self) -> list[int]:
        found: list[int] = []
        while self.follower.behind:
            found += [stored.batch.first_seq for stored in self.follower.catch_up()]
        return found


def test_a_hole_is_answered_from_the_journal_at_once(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    shard.append()
    shard.follower.rewind(NOTHING)
    assert shard.caught_up() == [1]
    shard.append()
    assert shard.follower.offer(*shard.append()) is None
    assert shard.follower.behind
    assert shard.caught_up() == [3, 5]


def test_live_batches_do_not_touch_the_journal_again(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    shard.append()
    shard.follower.rewind(NOTHING)
    shard.caught_up()
    live = [shard.follower.offer(*shard.append()) for _ in range(3)]
    assert [stored.batch.first_seq for stored in live if stored is not None] == [3, 5, 7]
    shard.follower.look()
    shard.follower.look()
    assert not shard.follower.behind


def test_a_duplicate_is_dropped_without_reading(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    message = shard.append()
    shard.follower.rewind(NOTHING)
    shard.caught_up()
    assert shard.follower.offer(*message) is None
    assert not shard.follower.behind


def test_an_offset_within_a_batch_yields_the_rest_of_it(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    shard.append()
    shard.append()
    shard.follower.rewind(shard.offset(3))
    [stored] = shard.follower.catch_up()
    assert (stored.batch.first_seq, stored.batch.records) == (4, (trade(2),))


def test_an_offset_whose_epoch_is_gone_goes_on_with_the_next(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    shard.append()
    shard.follower.rewind(Offset(Epoch(shard.journal.epoch - 1), Seq(99)))
    assert shard.caught_up() == [1]
    assert shard.follower.counters.missing_total == 0


def test_lag_is_what_is_not_confirmed(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    first, second = shard.append()[0], shard.append()[0]
    shard.follower.rewind(shard.offset(2))
    shard.caught_up()
    assert shard.follower.lag_bytes() > 0
    assert shard.follower.oldest_pending_ns() == NINE_OCLOCK_NS
    shard.follower.confirm(shard.offset(4))
    assert shard.follower.lag_bytes() == 0
    assert shard.follower.oldest_pending_ns() is None
    third = shard.append()
    assert shard.follower.offer(*third) is not None
    assert shard.follower.lag_bytes() == third[0].end_offset - second.end_offset == second.end_offset - first.end_offset


def test_a_restart_with_nothing_to_do_has_no_lag(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    shard.append()
    shard.append()
    shard.follower.rewind(shard.offset(4))
    assert shard.caught_up() == []
    assert shard.follower.lag_bytes() == 0


def test_a_batch_of_a_later_version_is_counted_and_passed(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    shard.append()
    shard.journal.append(b"\xc1 no msgpack", 3, NINE_OCLOCK_NS)
    shard.next_seq = 4
    shard.append()
    shard.follower.rewind(NOTHING)
    assert shard.caught_up() == [1, 4]
    assert shard.follower.counters.malformed_total == 1
    assert shard.follower.counters.missing_total == 0


def test_the_bus_may_not_bring_another_shards_batch(tmp_path: Path) -> None:
    shard = Journalled(tmp_path)
    position, _ = shard.append()
    shard.follower.rewind(NOTHING)
    shard.caught_up()
    foreign = encode(batch(3, [trade(9)], epoch=shard.journal.epoch, shard="scalp-1"))
    assert shard.follower.offer(position._replace(end_offset=position.end_offset + 500), foreign) is None


def test_a_batch_is_not_passed_over_when_the_journal_cannot_be_listed_at_a_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = Journalled(tmp_path)
    shard.append()
    shard.follower.rewind(NOTHING)
    assert shard.caught_up() == [1]
    shard.journal.rotate()
    live = shard.append()

    def refuse() -> list[SegmentName]:
        raise JournalError("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(shard.follower.reader, "segments", refuse)
        with pytest.raises(JournalError):
            shard.follower.offer(*live)
    shard.follower.behind = True
    assert shard.caught_up() == [3]
