"""The triggers over sweeps and ticks: what fires, how strongly, how often."""

from itertools import pairwise

import pytest
from msgspec.structs import replace

from observer_core.clock import NS_PER_S
from observer_core.messages import Quote, Record, Trade
from observer_core.scalp.triggers import SurgeRule, TriggerRule, TriggerRules, TriggerWatch
from observer_core.slot_messages import Candidate
from tests.fixtures.journals import quote, trade

NOW_NS = 10**18


def _quote(second: float, price: int, volume: int) -> Quote:
    return replace(quote(1), price=price, cumulative_volume=volume, received_ns=NOW_NS + int(second * NS_PER_S))


def _trade(second: float, price: int, volume: int) -> Trade:
    return replace(trade(1), price=price, cumulative_volume=volume, received_ns=NOW_NS + int(second * NS_PER_S))


def _feed(watch: TriggerWatch, records: list[Record]) -> list[Candidate]:
    return [candidate for record in records for candidate in watch.feed([record])]


def test_a_calm_symbol_is_no_candidate() -> None:
    calm = [_quote(5 * n, 10_000 + n % 2 * 10, 1_000_000 + 5_000 * n) for n in range(100)]
    assert _feed(TriggerWatch(), list(calm)) == []


def test_a_volume_surge_is_measured_against_the_symbols_own_usual() -> None:
    watch = TriggerWatch()
    records: list[Record] = [_quote(5 * n, 10_000, 5_000 * n) for n in range(60)]
    volume = 5_000 * 59
    for n in range(60, 72):
        volume += 50_000
        records.append(_quote(5 * n, 10_000, volume))
    found = _feed(watch, records)
    assert {candidate.trigger for candidate in found} == {"volume_surge"}
    assert found[0].score >= 1.0
    # Repeated no sooner than allowed.
    times = [candidate.at_ns for candidate in found]
    assert all(later - sooner >= 30 * NS_PER_S for sooner, later in pairwise(times))


@pytest.mark.parametrize("price", [10, 10_000])
def test_ten_times_nothing_is_no_surge(price: int) -> None:
    records: list[Record] = [_quote(5 * n, price, n) for n in range(60)]
    records += [_quote(5 * n, price, 59 + (n - 59) * 100) for n in range(60, 72)]
    assert _feed(TriggerWatch(), records) == []


def test_a_price_spike_and_the_range_it_makes() -> None:
    records: list[Record] = [_quote(5 * n, 10_000, 1_000 * n) for n in range(20)]
    records.append(_quote(100, 10_200, 21_000))
    found = {candidate.trigger: candidate.score for candidate in _feed(TriggerWatch(), records)}
    assert found.keys() == {"price_spike", "volatility_spike"}
    assert found["price_spike"] == pytest.approx(2.0)
    assert found["volatility_spike"] == pytest.approx(2.0 / 1.5)


def test_a_fall_is_a_spike_too_and_a_swing_back_is_volatile_only() -> None:
    watch = TriggerWatch(TriggerRules(volatility_spike=TriggerRule(threshold=1.5, window_s=60)))
    records: list[Record] = [_quote(30, 10_000, 1), _quote(60, 9_800, 2)]
    assert {candidate.trigger for candidate in _feed(watch, records)} == {"price_spike", "volatility_spike"}
    watch = TriggerWatch()
    swing: list[Record] = [_trade(30.1, 10_000, 1), _trade(30.2, 10_300, 2), _trade(55, 10_000, 3)]
    assert {candidate.trigger for candidate in _feed(watch, swing)} == {"volatility_spike"}


def test_executions_are_counted_on_ticks_only() -> None:
    ticks: list[Record] = [_trade(n / 20, 10_000, 10 * n) for n in range(400)]
    found = _feed(TriggerWatch(), ticks)
    assert {candidate.trigger for candidate in found} == {"trade_velocity"}
    assert found[0].score == pytest.approx(2.0, rel=0.2)
    sweeps: list[Record] = [_quote(n / 20, 10_000, 10 * n) for n in range(400)]
    assert _feed(TriggerWatch(), sweeps) == []


def test_a_disabled_trigger_and_a_weight() -> None:
    rules = TriggerRules(
        volume_surge=SurgeRule(threshold=4.0, enabled=False),
        volatility_spike=TriggerRule(threshold=1.5, enabled=False),
        price_spike=TriggerRule(threshold=1.0, weight=3.0),
    )
    records: list[Record] = [_quote(5 * n, 10_000, 1_000 * n) for n in range(20)]
    records.append(_quote(100, 10_200, 9_000_000))
    (found,) = _feed(TriggerWatch(rules), records)
    assert (found.trigger, found.symbol) == ("price_spike", records[0].symbol)  # type: ignore[union-attr]
    assert found.score == pytest.approx(6.0)


def test_a_new_day_begins_anew() -> None:
    records: list[Record] = [_quote(5 * n, 10_000, 1_000_000 + 5_000 * n) for n in range(60)]
    records += [_quote(400 + 5 * n, 20_000, 10 * n) for n in range(10)]
    assert _feed(TriggerWatch(), records) == []


def test_a_forgotten_symbol_begins_anew() -> None:
    watch = TriggerWatch()
    first = _quote(0, 10_000, 0)
    watch.feed([first])
    watch.forget([first.symbol])
    assert watch.feed([_quote(30, 12_000, 1)]) == []


def test_a_price_of_nothing_is_left_out() -> None:
    watch = TriggerWatch()
    assert _feed(watch, [_quote(0, 0, 0), _quote(30, 10_000, 1), _quote(61, 0, 2)]) == []
