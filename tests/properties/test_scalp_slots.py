"""The slots of one appkey, whatever comes: dwell, capacity, and that every candidate is accounted for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.scalp.slots import Refusal, SlotRules, Slots
from observer_core.slot_messages import Candidate

SYMBOLS = [f"{number:06d}" for number in range(30)]
DWELL_S = 120.0

steps = st.lists(
    st.tuples(
        st.sampled_from(SYMBOLS),
        st.floats(min_value=1.0, max_value=100.0),
        st.integers(min_value=0, max_value=90),
    ),
    max_size=120,
)


@given(
    capacity=st.integers(min_value=1, max_value=8),
    base=st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=8),
    steps=steps,
)
@settings(max_examples=300)
def test_no_slot_changes_within_its_dwell_and_nobody_is_lost(
    capacity: int, base: list[str], steps: list[tuple[str, float, int]]
) -> None:
    slots = Slots(capacity, SlotRules(dwell_s=DWELL_S))
    now_ns = 10**18
    taken_ns: dict[int, int] = {}
    for change in slots.arrange(base, (), SYMBOLS, now_ns):
        taken_ns[change.slot] = now_ns
    placed = kept = refused = 0
    for symbol, score, after_s in steps:
        now_ns += after_s * NS_PER_S
        before = slots.symbols
        decision = slots.offer(Candidate(symbol, "volume_surge", score, now_ns), now_ns)
        if decision.change is not None:
            placed += 1
            change = decision.change
            assert symbol not in before
            assert symbol in slots
            if change.went:
                assert now_ns - taken_ns[change.slot] >= DWELL_S * NS_PER_S
                assert change.went not in slots
                assert set(slots.symbols) == {*before, symbol} - {change.went}
            taken_ns[change.slot] = now_ns
        elif decision.refusal is not None:
            refused += 1
            assert symbol not in before
            assert slots.symbols == before
        else:
            kept += 1
            assert symbol in before
            assert slots.symbols == before
        assert len(slots) <= capacity
        assert len(set(slots.symbols)) == len(slots)
    assert placed + kept + refused == len(steps)


@given(steps=steps, pins=st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=6))
@settings(max_examples=200)
def test_pins_are_in_and_stay(steps: list[tuple[str, float, int]], pins: list[str]) -> None:
    slots = Slots(4)
    now_ns = 10**18
    slots.arrange(SYMBOLS[:4], (), SYMBOLS, now_ns)
    half = len(steps) // 2
    for symbol, score, after_s in steps[:half]:
        now_ns += after_s * NS_PER_S
        slots.offer(Candidate(symbol, "price_spike", score, now_ns), now_ns)
    base = list(dict.fromkeys((*pins, *SYMBOLS[:4])))[:4]
    slots.arrange(base, pins, SYMBOLS, now_ns)
    wanted = set(pins[:4])
    assert wanted <= set(slots.symbols)
    for symbol, score, after_s in steps[half:]:
        now_ns += after_s * NS_PER_S
        decision = slots.offer(Candidate(symbol, "price_spike", score, now_ns), now_ns)
        assert wanted <= set(slots.symbols)
        if len(wanted) == 4 and symbol not in wanted:
            assert decision.refusal is Refusal.PINNED
    slots.arrange(SYMBOLS[:4], (), SYMBOLS, now_ns)
    assert not any(holder.pinned for holder in slots.holders)
    assert len(slots) == 4


@given(steps=steps)
@settings(max_examples=200)
def test_a_holder_is_only_displaced_by_a_margin_and_the_weakest_goes(steps: list[tuple[str, float, int]]) -> None:
    rules = SlotRules(dwell_s=0.0)
    slots = Slots(3, rules)
    now_ns = 10**18
    for symbol, score, after_s in steps:
        now_ns += after_s * NS_PER_S
        before = {holder.symbol: slots.score_now(holder, now_ns) for holder in slots.holders}
        decision = slots.offer(Candidate(symbol, "price_spike", score, now_ns), now_ns)
        if decision.change is not None and decision.change.went:
            weakest = min(before.values())
            assert before[decision.change.went] <= weakest * (1 + 1e-9)
            assert score >= weakest * rules.margin * (1 - 1e-6)
        elif decision.refusal is not None:
            assert decision.refusal is Refusal.LOWER_SCORE
            assert score <= min(before.values()) * rules.margin * (1 + 1e-6)
