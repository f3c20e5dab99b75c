"""Books are recorded less often under lasting pressure only, step by step, and more often after lasting calm."""

import pytest

from observer_core.clock import NS_PER_S
from observer_core.scalp.mitigation import BookSampler, Mitigation, MitigationRules, Pressure

CALM = Pressure(cpu_percent=20.0, memory_percent=50.0, disk_latency_ms=2.0, queue_percent=0.0)
PRESSED = CALM._replace(cpu_percent=97.0)


def _run(mitigation: Mitigation, pressure: Pressure, from_s: int, until_s: int) -> list[tuple[int, int]]:
    """Feed a measurement every 5 s; return (second, level) of every change."""
    seconds = range(from_s, until_s, 5)
    return [(second, mitigation.level) for second in seconds if mitigation.feed(pressure, second * NS_PER_S)]


def test_two_steps_down_two_steps_back() -> None:
    mitigation = Mitigation()
    assert mitigation.books_hz == 2.0
    assert _run(mitigation, PRESSED, 0, 1200) == [(300, 1), (600, 2)]
    assert mitigation.books_hz == 0.5
    assert "CPU 97 % of 90 allowed" in mitigation.reason
    assert _run(mitigation, CALM, 1200, 3000) == [(1800, 1), (2400, 0)]
    assert (mitigation.books_hz, mitigation.reason) == (2.0, "")


def test_short_pressure_changes_nothing() -> None:
    mitigation = Mitigation()
    for begin in range(0, 3000, 300):
        assert _run(mitigation, PRESSED, begin, begin + 295) == []
        assert _run(mitigation, CALM, begin + 295, begin + 300) == []


def test_between_the_limits_nothing_begins_anew() -> None:
    mitigation = Mitigation()
    between = CALM._replace(cpu_percent=85.0)
    assert _run(mitigation, PRESSED, 0, 150) == []
    assert _run(mitigation, between, 150, 305) == [(300, 1)]
    assert _run(mitigation, CALM, 305, 800) == []
    assert _run(mitigation, between, 800, 910) == [(905, 0)]
    assert _run(mitigation, between, 910, 3000) == []


@pytest.mark.parametrize(
    ("pressure", "word"),
    [
        (CALM._replace(memory_percent=91.0), "memory"),
        (CALM._replace(disk_latency_ms=900.0), "disk latency"),
        (CALM._replace(queue_percent=60.0), "queue"),
        (Pressure(cpu_percent=91.0), "CPU"),
    ],
)
def test_each_reading_counts_alone(pressure: Pressure, word: str) -> None:
    mitigation = Mitigation()
    assert _run(mitigation, pressure, 0, 305) == [(300, 1)]
    assert word in mitigation.reason


def test_what_is_not_known_presses_nobody() -> None:
    assert _run(Mitigation(), Pressure(), 0, 3000) == []


def test_fewer_levels_than_before() -> None:
    mitigation = Mitigation()
    _run(mitigation, PRESSED, 0, 605)
    mitigation.rules = MitigationRules(books_hz=(2.0, 1.0))
    assert mitigation.books_hz == 1.0


def test_the_first_book_of_a_symbol_and_one_after_every_interval() -> None:
    sampler = BookSampler()
    kept = [tenth for tenth in range(50) if sampler.keeps("A", tenth * NS_PER_S // 10, 2.0)]
    assert kept == list(range(0, 50, 5))
    assert sampler.left_out_total == 40
    assert sampler.keeps("B", 0, 2.0)


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    sampler = BookSampler()
    assert sampler.keeps("A", 100 * NS_PER_S, 0.5)
    assert sampler.keeps("A", 50 * NS_PER_S, 0.5)
    assert not sampler.keeps("A", 51 * NS_PER_S, 0.5)


def test_after_a_book_that_the_journal_did_not_take_the_next_one_is_kept() -> None:
    sampler = BookSampler()
    assert sampler.keeps("A", 0, 2.0)
    sampler.forget("A")
    sampler.forget("B")
    assert sampler.keeps("A", NS_PER_S // 10, 2.0)
    assert not sampler.keeps("A", 2 * NS_PER_S // 10, 2.0)
