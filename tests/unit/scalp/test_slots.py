"""What operators and the broker do to the slots, and what outlives the process."""

from copy import copy

from observer_core.clock import NS_PER_S
from observer_core.scalp.slots import Refusal, SlotRules, Slots
from observer_core.slot_messages import Candidate

NOW_NS = 10**18
ALL = "ABCDEFGH"


def _offer(slots: Slots, symbol: str, score: float, now_ns: int = NOW_NS) -> Refusal | None:
    return slots.offer(Candidate(symbol, "volume_surge", score, now_ns), now_ns).refusal


def _filled(base: str = "ABC", **rules: float) -> Slots:
    slots = Slots(len(base), SlotRules(**rules))
    slots.arrange(base, (), ALL, NOW_NS)
    return slots


def test_the_universe_fills_the_slots_in_its_order() -> None:
    slots = _filled()
    assert slots.symbols == ("A", "B", "C")
    assert slots.lowest_score(NOW_NS) == 0.0
    assert [holder.trigger for holder in slots.holders] == ["rank"] * 3


def test_the_last_of_the_universe_goes_first_after_the_dwell() -> None:
    slots = _filled()
    assert _offer(slots, "D", 2.0) is Refusal.DWELL
    later_ns = NOW_NS + 120 * NS_PER_S
    assert _offer(slots, "D", 2.0, later_ns) is None
    assert slots.symbols == ("A", "B", "D")
    assert _offer(slots, "E", 2.0, later_ns) is None
    assert slots.symbols == ("A", "E", "D")


def test_scores_fade_and_a_refreshed_one_does_not() -> None:
    slots = _filled("A", dwell_s=0, half_life_s=600)
    assert _offer(slots, "D", 8.0) is None
    assert _offer(slots, "E", 8.0, NOW_NS + NS_PER_S) is Refusal.LOWER_SCORE
    later_ns = NOW_NS + 1800 * NS_PER_S
    copied = slots.score_now(slots.holders[0], later_ns)
    assert abs(copied - 1.0) < 1e-9
    assert _offer(slots, "D", 8.0, later_ns) is None
    assert _offer(slots, "E", 9.0, later_ns) is Refusal.LOWER_SCORE
    assert _offer(slots, "E", 11.0, later_ns) is None


def test_a_weaker_trigger_does_not_lower_the_score() -> None:
    slots = _filled("A", dwell_s=0)
    _offer(slots, "D", 8.0)
    _offer(slots, "D", 2.0)
    assert slots.holders[0].score == 8.0


def test_a_symbol_the_broker_refused_is_barred_for_a_while() -> None:
    slots = _filled("AB", dwell_s=0)
    _offer(slots, "D", 5.0)
    assert slots.release("D", "refused").went == "D"
    slots.bar("D", NOW_NS)
    assert slots.fill("AB", NOW_NS)[0].came == "B"
    assert _offer(slots, "D", 9.0, NOW_NS + 599 * NS_PER_S) is Refusal.BARRED
    assert _offer(slots, "D", 9.0, NOW_NS + 600 * NS_PER_S) is None


def test_the_universe_takes_out_what_it_does_not_want_any_more() -> None:
    slots = _filled("ABC", dwell_s=0)
    _offer(slots, "D", 5.0)
    assert slots.symbols == ("A", "B", "D")
    changes = slots.arrange("AFG", (), "ABCFG", NOW_NS)
    assert sorted(change.went for change in changes if change.went) == ["B", "D"]
    assert sorted(slots.symbols) == ["A", "F", "G"]


def test_a_candidate_in_its_slot_survives_another_order_of_the_universe() -> None:
    slots = _filled("ABC", dwell_s=0)
    _offer(slots, "D", 5.0)
    slots.arrange("EFG", (), ALL, NOW_NS)
    assert slots.symbols == ("E", "F", "D")


def test_a_pin_does_not_wait_for_a_dwell() -> None:
    slots = _filled()
    (change,) = slots.arrange("DAB", ("D",), ALL, NOW_NS)[:1]
    assert (change.went, change.came, change.trigger) == ("C", "D", "pin") or change.went == "C"
    assert "D" in slots
    assert next(holder for holder in slots.holders if holder.symbol == "D").pinned


def test_more_pins_than_slots() -> None:
    slots = _filled("AB")
    slots.arrange("CDE", "CDE", ALL, NOW_NS)
    assert sorted(slots.symbols) == ["C", "D"]
    slots.arrange("EC", "CDE", ALL, NOW_NS)
    assert "C" in slots


def test_holders_outlive_the_process() -> None:
    slots = _filled("ABC", dwell_s=120)
    again = Slots(3)
    again.restore([copy(holder) for holder in slots.holders], NOW_NS)
    assert again.symbols == slots.symbols
    assert _offer(again, "D", 5.0, NOW_NS + 119 * NS_PER_S) is Refusal.DWELL
    assert _offer(again, "D", 5.0, NOW_NS + 120 * NS_PER_S) is None


def test_what_does_not_fit_is_not_restored() -> None:
    slots = _filled("ABC")
    again = Slots(2)
    again.restore([*map(copy, slots.holders), copy(slots.holders[0])], NOW_NS)
    assert again.symbols == ("A", "B")


def test_fewer_and_more_slots() -> None:
    slots = _filled("ABC")
    assert [change.went for change in slots.resize(2)] == ["C"]
    assert _offer(slots, "D", 5.0) is Refusal.DWELL
    assert slots.resize(3) == []
    assert _offer(slots, "D", 5.0) is None


def test_another_half_life_keeps_the_order_right() -> None:
    slots = _filled("AB", dwell_s=0)
    _offer(slots, "D", 8.0)
    _offer(slots, "E", 4.0, NOW_NS + NS_PER_S)
    slots.adopt(SlotRules(dwell_s=0, half_life_s=0.1))
    # With so short a half-life the older score is worth nothing any more.
    slots.offer(Candidate("F", "price_spike", 100.0, NOW_NS + NS_PER_S), NOW_NS + NS_PER_S)
    assert "D" not in slots
