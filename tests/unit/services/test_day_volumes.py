"""What symbols executed while they were wanted: over restarts, over lost and regained slots, and on one day only."""

from pathlib import Path

from observer_core.clock import NS_PER_S, kst_day
from observer_core.quality.continuity import Reach
from observer_core.services.day_volumes import DayVolumes, read_day_volumes

NOW_NS = 1_795_273_200 * NS_PER_S
TODAY = int(kst_day(NOW_NS))
A, B = "005930", "000660"


def reach(low: int, high: int, day: int = TODAY) -> Reach:
    return Reach(day, low, high)


def executed(path: Path) -> dict[str, int]:
    return {symbol: stretch.executed for symbol, stretch in read_day_volumes(path, TODAY).items()}


def test_a_restart_goes_on_where_the_line_began(tmp_path: Path) -> None:
    path = tmp_path / "completeness" / "scalp-0.json"
    first = DayVolumes(path, NOW_NS)
    first.look({A: reach(100, 150), B: reach(0, 30)}, NOW_NS)
    # A late record reaches further back than the first one.
    first.look({A: reach(90, 180), B: reach(0, 30)}, NOW_NS, write_now=True)
    assert executed(path) == {A: 90, B: 30}
    # A recalled line begins at zero; what it began with in the former life still counts.
    DayVolumes(path, NOW_NS).look({A: reach(0, 200)}, NOW_NS, write_now=True)
    assert executed(path) == {A: 110, B: 30}


def test_what_is_executed_between_two_slots_is_not_wanted(tmp_path: Path) -> None:
    path = tmp_path / "scalp-0.json"
    volumes = DayVolumes(path, NOW_NS)
    volumes.look({A: reach(0, 50)}, NOW_NS)
    volumes.end({A: reach(0, 60)}, NOW_NS)
    assert executed(path) == {A: 60}
    volumes.look({A: reach(500, 510)}, NOW_NS, write_now=True)
    assert executed(path) == {A: 70}


def test_another_day_begins_with_nothing_and_damage_costs_the_memory_only(tmp_path: Path) -> None:
    path = tmp_path / "scalp-0.json"
    volumes = DayVolumes(path, NOW_NS)
    volumes.look({A: reach(0, 50)}, NOW_NS, write_now=True)
    later_ns = NOW_NS + 86_400 * NS_PER_S
    tomorrow = int(kst_day(later_ns))
    volumes.look({A: reach(0, 50), B: reach(0, 5, tomorrow)}, later_ns, write_now=True)
    assert read_day_volumes(path, tomorrow).keys() == {B}
    assert read_day_volumes(path, TODAY) == {}
    path.write_bytes(b"{")
    assert read_day_volumes(path, tomorrow) == {}
    assert executed(path) == {}
