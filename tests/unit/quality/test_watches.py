"""Staleness, rates, completeness, severity and anomalous days."""

from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S
from observer_core.market.phases import Phase
from observer_core.messages import Gap, Track
from observer_core.quality.anomaly import DAY_RULES, DayFacts, findings
from observer_core.quality.completeness import by_answers, by_time, by_volume
from observer_core.quality.continuity import Tally
from observer_core.quality.rates import RateRule, RateWatch
from observer_core.quality.severity import Severity, severity_of
from observer_core.quality.staleness import INTERRUPTION_S, Staleness


def seconds(count: float) -> int:
    return int(count * NS_PER_S)


def liquid() -> Staleness:
    staleness = Staleness()
    staleness.want(["A", "B"], 0)
    for second in range(100):
        staleness.heard("A", seconds(second))
    for second in range(0, 101, 20):
        staleness.heard("B", seconds(second))
    return staleness


def test_each_symbol_is_measured_against_its_own_interval() -> None:
    staleness = liquid()
    assert staleness.stale(Phase.CONTINUOUS, seconds(99 + 60)) == []
    (silence,) = staleness.stale(Phase.CONTINUOUS, seconds(99 + 62))
    assert (silence.symbol, str(silence)) == ("A", "A: nothing for 62 s, usually every 1.0 s")
    assert [s.symbol for s in staleness.stale(Phase.CONTINUOUS, seconds(100 + 401))] == ["A", "B"]


@pytest.mark.parametrize("phase", [Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION, Phase.CLOSED, Phase.CLOSED_PRICE])
def test_an_auction_explains_silence(phase: Phase) -> None:
    assert liquid().stale(phase, seconds(9_000)) == []


def test_halts_and_interruptions_explain_silence() -> None:
    staleness = liquid()
    staleness.halted("A", True)
    staleness.interrupted("B", seconds(1_000))
    assert staleness.stale(Phase.CONTINUOUS, seconds(1_000 + INTERRUPTION_S - 1)) == []
    assert [s.symbol for s in staleness.stale(Phase.CONTINUOUS, seconds(1_000 + INTERRUPTION_S))] == ["B"]
    staleness.halted("A", False)
    assert len(staleness.stale(Phase.CONTINUOUS, seconds(1_000 + INTERRUPTION_S))) == 2


def test_a_symbol_never_heard_is_stale_after_its_patience() -> None:
    staleness = Staleness(unknown_s=300)
    staleness.want(["A"], 0)
    assert staleness.stale(Phase.CONTINUOUS, seconds(300)) == []
    assert "since it was asked for" in str(staleness.stale(Phase.CONTINUOUS, seconds(301))[0])
    staleness.want([], seconds(302))
    assert staleness.stale(Phase.CONTINUOUS, seconds(900)) == []


def run_rate(watch: RateWatch, per_s: float, from_s: int, until_s: int, total: float = 0.0) -> tuple[list[str], float]:
    said = []
    for second in range(from_s, until_s):
        total += per_s
        change = watch.feed("continuous", int(total), seconds(second))
        if change is not None:
            said.append(f"{second} {'low' if change.low else 'back'}")
    return said, total


def test_one_five_hundredth_is_an_alarm_within_two_minutes() -> None:
    watch = RateWatch(RateRule())
    said, total = run_rate(watch, 100, 0, 600)
    assert said == []
    said, total = run_rate(watch, 100 / 500, 600, 1_200, total)
    (alarm,) = said
    assert int(alarm.split()[0]) <= 600 + 120
    assert watch.expected["continuous"] == pytest.approx(100, rel=0.01)
    said, _ = run_rate(watch, 100, 1_200, 1_300, total)
    assert [word.split()[1] for word in said] == ["back"]


def test_a_rate_that_is_low_from_the_start_is_known_from_former_sessions() -> None:
    watch = RateWatch(RateRule(), {"continuous": 100.0})
    said, _ = run_rate(watch, 0.2, 0, 120)
    assert [word.split()[1] for word in said] == ["low"]


def test_without_any_memory_the_floor_decides() -> None:
    watch = RateWatch(RateRule(floor_per_s=1.0))
    said, _ = run_rate(watch, 0.2, 0, 120)
    assert [word.split()[1] for word in said] == ["low"]


def test_another_phase_begins_anew() -> None:
    watch = RateWatch(RateRule())
    run_rate(watch, 100, 0, 600)
    for second in range(600, 900):
        assert watch.feed("after_market", 60_000 + second // 10, seconds(second)) is None
        assert watch.feed("", 60_000, seconds(second)) is None


def test_ordinary_variation_is_no_alarm() -> None:
    watch = RateWatch(RateRule())
    total, said = 0.0, []
    for minute in range(60):
        words, total = run_rate(watch, (100, 30, 60)[minute % 3], minute * 60, minute * 60 + 60, total)
        said += words
    assert said == []


def gap(symbols: str, from_s: int, until_s: int | None) -> Gap:
    until_ns = None if until_s is None else seconds(until_s)
    return Gap("x", Track.SWING, "call_failed", tuple(symbols), seconds(from_s), until_ns, 0)


def test_completeness_by_time_counts_overlaps_once() -> None:
    gaps = [gap("AB", 0, 10), gap("A", 5, 20), gap("B", 95, None), gap("C", 0, 100)]
    measure = by_time(gaps, ["A", "B"], 0, seconds(100))
    assert measure.by_symbol == {"A": pytest.approx(80), "B": pytest.approx(85)}
    assert measure.together == pytest.approx(82.5)
    assert by_time(gaps, [], 0, 1).together is None


def test_completeness_by_volume_and_answers() -> None:
    measure = by_volume({"A": Tally(90, 10), "B": Tally(0, 0), "C": Tally(100, 0)})
    assert measure.together == pytest.approx(95)
    assert measure.by_symbol == {"A": pytest.approx(90), "C": pytest.approx(100)}
    assert (by_answers(0, 0), by_answers(4, 3)) == (None, 75.0)


def test_severity_is_the_databases() -> None:
    words = [severity_of(0, seconds(length)).value for length in (9, 10, 59, 60, 299, 300)]
    assert words == ["brief", "minor", "minor", "major", "major", "critical"]
    sql = (Path(__file__).parents[3] / "observer_core/sinks/sql/schema_0001_up.sql").read_text()
    for severity, length in ((Severity.MINOR, 10), (Severity.MAJOR, 60), (Severity.CRITICAL, 300)):
        assert f"until_ns - from_ns >= {seconds(length)} THEN '{severity.value}'" in sql


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        (DayFacts(), ()),
        (DayFacts(reconnects=19, disconnected_s=599, gaps_s=(60, 59.9), low_rate_s=299, disk_share=0.8), ()),
        (DayFacts(reconnects=20), ("reconnects",)),
        (DayFacts(disconnected_s=600), ("disconnected",)),
        (DayFacts(gaps_s=(60, 60)), ("long_gaps",)),
        (DayFacts(low_rate_s=300), ("low_rate",)),
        (DayFacts(high_cpu_s=300), ("cpu",)),
        (DayFacts(disk_share=0.81), ("disk",)),
        (DayFacts(failed_loads=1, failed_backups=1), ("failed_load", "failed_backup")),
        (DayFacts(declared="exchange was late"), ("declared",)),
    ],
)
def test_anomalous_days(facts: DayFacts, rules: tuple[str, ...]) -> None:
    assert tuple(findings(facts)) == rules
    assert all(findings(facts).values())


def test_day_rules_have_one_name_each() -> None:
    assert len({rule.id for rule in DAY_RULES}) == len(DAY_RULES)
