"""The slots of all appkeys in one part of the view, and how often it is sent."""

from observer_core.clock import NS_PER_S
from observer_core.services.hub_slots import SlotBoard, slot_view
from observer_core.slot_messages import OverflowRow, SlotRow, SlotStatus


def _slot(appkey: int, slot: int, symbol: str) -> SlotRow:
    return SlotRow(
        appkey=appkey,
        slot=slot,
        symbol=symbol,
        trigger="rank",
        score=0.0,
        since_ns=1,
        dwell_until_ns=2,
        pinned=False,
        last_record_ns=None,
    )


def _status(appkey: int, seq: int, at_s: int, **changes: object) -> SlotStatus:
    fields: dict[str, object] = {
        "name": f"scalp-{appkey}",
        "pid": 10 + appkey,
        "status_seq": seq,
        "as_of_ns": at_s * NS_PER_S,
        "appkey": appkey,
        "capacity": 41,
        **changes,
    }
    return SlotStatus(**fields)  # type: ignore[arg-type]  # a test's shorthand


def test_shards_are_put_together() -> None:
    losers = tuple(OverflowRow(symbol="1", trigger="t", score=1.0, reason="no_slot", at_ns=n) for n in range(40, 0, -1))
    view = slot_view(
        (
            _status(1, 1, 9, slots=(_slot(1, 0, "C"),), overflow_total=40, newest_overflow=losers),
            _status(
                0,
                1,
                8,
                slots=(_slot(0, 0, "A"), _slot(0, 1, "B")),
                overflow_total=40,
                newest_overflow=losers,
                mitigation_level=1,
                mitigation_reason="cpu",
            ),
        )
    )
    assert view is not None
    assert [row.symbol for row in view.slots] == ["A", "B", "C"]
    assert (view.capacity, view.overflow_total, view.as_of_ns) == (82, 80, 8 * NS_PER_S)
    assert (view.mitigation_level, view.mitigation_reason) == (1, "cpu")
    assert len(view.newest_overflow) == 50
    assert [row.at_ns for row in view.newest_overflow[:3]] == [40, 40, 39]


def test_nobody_told_anything() -> None:
    assert SlotBoard().take_changed() is None


def test_the_part_is_sent_once_a_second_and_a_dead_shard_does_not_stop_it() -> None:
    board = SlotBoard()
    board.add(_status(0, 1, 1))
    board.add(_status(1, 1, 1))
    assert board.take_changed() is not None
    assert board.take_changed() is None
    board.add(_status(1, 2, 2))
    changed = board.take_changed()
    assert changed is not None
    assert changed.as_of_ns == NS_PER_S


def test_an_overtaken_word_is_dropped_and_a_gone_shard_forgotten() -> None:
    board = SlotBoard()
    board.add(_status(0, 5, 5, slots=(_slot(0, 0, "A"),)))
    board.add(_status(0, 4, 9))
    changed = board.take_changed()
    assert changed is not None
    assert [row.symbol for row in changed.slots] == ["A"]
    board.add(_status(0, 1, 9, pid=99))
    changed = board.take_changed()
    assert changed is not None
    assert changed.slots == ()
    board.forget("scalp-0")
    assert board.take_changed() is None
