"""The rate budget: strict, shared, kept, repaired, fair to bursts. Time is made up; files are real."""

from itertools import pairwise
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_MS, NS_PER_S
from observer_core.pacing.rate import ASTRAY_S, DOUBT_S, LONGEST_S, Priority, RateBudget, Slot, effective_limit

START_NS = 100 * NS_PER_S


def _drain(budget: RateBudget, now_ns: int, calls: int, answer_ns: int = 5 * NS_PER_MS) -> list[int]:
    """Take slots one after the other as soon as allowed; return the times of taking."""
    taken: list[int] = []
    while len(taken) < calls:
        got = budget.take(now_ns)
        if isinstance(got, Slot):
            taken.append(now_ns)
            budget.complete(got, now_ns + answer_ns)
        else:
            now_ns += max(1, int(got * NS_PER_S))
    return taken


def test_never_more_than_the_limit_in_a_second_and_nearly_all_of_it_used(tmp_path: Path) -> None:
    taken = _drain(RateBudget(tmp_path / "rate-0.bin", 18), START_NS, 181)
    for first, nineteenth in zip(taken, taken[18:], strict=False):
        assert nineteenth - first > NS_PER_S
    assert 180 / ((taken[-1] - taken[0]) / NS_PER_S) > 18 * 0.97


def test_a_burst_is_spread(tmp_path: Path) -> None:
    taken = _drain(RateBudget(tmp_path / "rate-0.bin", 18), START_NS, 18)
    assert min(later - earlier for earlier, later in pairwise(taken)) >= 600 * NS_PER_MS // 18


def test_a_call_under_way_occupies_its_slot_for_as_long_as_its_holder_lives(tmp_path: Path) -> None:
    holder, other = (RateBudget(tmp_path / "rate-0.bin", 1) for _ in range(2))
    slot = holder.take(START_NS)
    assert isinstance(slot, Slot)
    for after_s in (1.1, 5.0, LONGEST_S - 0.1):
        assert not isinstance(other.take(START_NS + int(after_s * NS_PER_S)), Slot)
        assert not isinstance(holder.take(START_NS + int(after_s * NS_PER_S)), Slot)
    holder.complete(slot, START_NS + 30 * NS_PER_S)
    assert not isinstance(other.take(START_NS + 31 * NS_PER_S), Slot)
    assert isinstance(other.take(START_NS + int(31.0041 * NS_PER_S)), Slot)


def test_a_call_without_an_answer_may_be_on_its_way_for_a_while(tmp_path: Path) -> None:
    budget = RateBudget(tmp_path / "rate-0.bin", 1)
    slot = budget.take(START_NS)
    assert isinstance(slot, Slot)
    budget.complete(slot, START_NS + NS_PER_S, answered=False)
    assert budget.take(START_NS + 2 * NS_PER_S) == pytest.approx(ASTRAY_S + 0.004)
    assert isinstance(budget.take(START_NS + int((2.0041 + ASTRAY_S) * NS_PER_S)), Slot)


def test_the_slot_of_a_dead_holder_ends_when_it_is_found_dead(tmp_path: Path) -> None:
    holder, other = (RateBudget(tmp_path / "rate-0.bin", 1) for _ in range(2))
    assert isinstance(holder.take(START_NS), Slot)
    holder.close()
    found_ns = START_NS + int(DOUBT_S * NS_PER_S)
    assert other.take(found_ns) == pytest.approx(ASTRAY_S + 1.004)
    assert isinstance(other.take(found_ns + int((ASTRAY_S + 1.0041) * NS_PER_S)), Slot)


def test_a_dead_waiter_holds_up_nobody(tmp_path: Path) -> None:
    holder, waiter, other = (RateBudget(tmp_path / "rate-0.bin", 1) for _ in range(3))
    slot = holder.take(START_NS)
    assert isinstance(slot, Slot)
    holder.complete(slot, START_NS)
    assert not isinstance(waiter.take(START_NS + 990 * NS_PER_MS), Slot)
    free_ns = START_NS + 1005 * NS_PER_MS
    assert not isinstance(other.take(free_ns), Slot)
    waiter.close()
    assert isinstance(other.take(free_ns), Slot)


def test_one_slow_call_costs_its_own_slot_only(tmp_path: Path) -> None:
    budget, slow = (RateBudget(tmp_path / "rate-0.bin", 18) for _ in range(2))
    assert isinstance(slow.take(START_NS), Slot)
    taken = _drain(budget, START_NS + 100 * NS_PER_MS, 171)
    assert 170 / ((taken[-1] - taken[0]) / NS_PER_S) > 17 * 0.97


def test_a_holder_that_was_stopped_for_long_is_told_that_its_slot_is_gone(tmp_path: Path) -> None:
    holder, other = (RateBudget(tmp_path / "rate-0.bin", 1) for _ in range(2))
    slot = holder.take(START_NS)
    assert isinstance(slot, Slot)
    assert holder.holds(slot)
    after_ns = START_NS + int((LONGEST_S + 0.1) * NS_PER_S)
    assert isinstance(other.take(after_ns), Slot)
    assert not holder.holds(slot)
    holder.complete(slot, after_ns)
    assert not isinstance(other.take(after_ns + NS_PER_S), Slot)


def test_two_openers_share_one_budget_and_a_reopened_file_remembers(tmp_path: Path) -> None:
    path = tmp_path / "budgets" / "rate-0.bin"
    first, second = RateBudget(path, 2), RateBudget(path, 2)
    assert isinstance(first.take(START_NS), Slot)
    assert isinstance(second.take(START_NS + 400 * NS_PER_MS), Slot)
    assert not isinstance(first.take(START_NS + 900 * NS_PER_MS), Slot)
    first.close()
    assert not isinstance(RateBudget(path, 2).take(START_NS + 900 * NS_PER_MS), Slot)
    assert second.used_last_second(START_NS + 900 * NS_PER_MS) == 2
    assert second.used_last_second(START_NS + 1200 * NS_PER_MS) == 1


def test_the_virtual_host_gets_one_call_per_1_1_seconds(tmp_path: Path) -> None:
    assert effective_limit(18, False) == 18
    budget = RateBudget(tmp_path / "rate-0.bin", effective_limit(18, True))
    taken = _drain(budget, START_NS, 5)
    assert all(later - earlier >= 1.1 * NS_PER_S for earlier, later in pairwise(taken))


def test_a_changed_limit_holds_for_the_other_processes_too(tmp_path: Path) -> None:
    first, second = (RateBudget(tmp_path / "rate-0.bin", 18) for _ in range(2))
    _drain(first, START_NS, 1)
    _drain(second, START_NS + NS_PER_S, 1)
    first.set_limit(5)
    _drain(first, START_NS + 10 * NS_PER_S, 1)
    taken = _drain(second, START_NS + 20 * NS_PER_S, 11)
    assert second.limit_per_s(taken[-1]) == 5
    assert taken[-1] - taken[0] > 2 * NS_PER_S


def test_refusals_lower_the_limit_for_all_and_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "rate-0.bin"
    first = RateBudget(path, 18)
    taken = _drain(first, START_NS, 45)
    for number in range(15):
        first.refused(START_NS + number)
    assert RateBudget(path, 18).limit_per_s(taken[-1]) == pytest.approx(18 * 0.6)


@pytest.mark.parametrize("damage", [b"", b"OBSRATE2", b"\xff" * 200, b"\xff" * 40_000])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "rate-0.bin"
    _drain(RateBudget(path, 18), START_NS, 20)
    path.write_bytes(damage)
    taken = _drain(RateBudget(path, 18), START_NS, 19)
    assert taken[18] - taken[0] > NS_PER_S


def test_another_boot_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "rate-0.bin"
    _drain(RateBudget(path, 1), START_NS, 1)
    data = bytearray(path.read_bytes())
    data[8:24] = bytes(16)
    path.write_bytes(data)
    assert isinstance(RateBudget(path, 1).take(START_NS), Slot)


def test_a_deleted_file_does_not_split_the_budget(tmp_path: Path) -> None:
    path = tmp_path / "rate-0.bin"
    first = RateBudget(path, 1)
    _drain(first, START_NS, 1)
    path.unlink()
    assert isinstance(RateBudget(path, 1).take(START_NS + NS_PER_S), Slot)
    assert not isinstance(first.take(START_NS + NS_PER_S), Slot)


def test_a_waiting_burst_goes_before_a_sweep(tmp_path: Path) -> None:
    sweep, burst = (RateBudget(tmp_path / "rate-0.bin", 1) for _ in range(2))
    _drain(sweep, START_NS, 1)
    wait_s = burst.take(START_NS + NS_PER_MS, Priority.BURST)
    assert not isinstance(wait_s, Slot)
    free_ns = START_NS + NS_PER_MS + int(wait_s * NS_PER_S) + 1
    assert not isinstance(sweep.take(free_ns, Priority.SWEEP), Slot)
    assert isinstance(burst.take(free_ns + NS_PER_MS, Priority.BURST), Slot)


def test_a_burst_that_died_waiting_holds_nobody_up_for_long(tmp_path: Path) -> None:
    sweep, burst = (RateBudget(tmp_path / "rate-0.bin", 1) for _ in range(2))
    _drain(sweep, START_NS, 1)
    wait_s = burst.take(START_NS, Priority.BURST)
    assert not isinstance(wait_s, Slot)
    assert isinstance(sweep.take(START_NS + int((wait_s + 0.03) * NS_PER_S)), Slot)


@pytest.mark.parametrize("limit", [0, -1, 5000])
def test_a_senseless_limit_is_refused(tmp_path: Path, limit: float) -> None:
    with pytest.raises(ValueError, match="limit"):
        RateBudget(tmp_path / "rate-0.bin", limit)


def test_waiters_are_served_in_turn(tmp_path: Path) -> None:
    """Every process gets an equal share, whoever happens to wake first."""
    budgets = [RateBudget(tmp_path / "rate-0.bin", 10) for _ in range(4)]
    wakes_ns = [START_NS] * 4
    served: list[int] = []
    while len(served) < 80:
        # The one with the lowest number always looks first: without a queue it would take nearly everything.
        now_ns = min(wakes_ns)
        index = wakes_ns.index(now_ns)
        answer = budgets[index].take(now_ns)
        if isinstance(answer, Slot):
            served.append(index)
            budgets[index].complete(answer, now_ns + NS_PER_MS)
            wakes_ns[index] = now_ns + 2 * NS_PER_MS
        else:
            wakes_ns[index] = now_ns + int(answer * NS_PER_S) + 1
    assert [served.count(index) for index in range(4)] == [20] * 4


def test_a_low_class_is_served_in_the_end(tmp_path: Path) -> None:
    sweep, backfill = (RateBudget(tmp_path / "rate-0.bin", 10) for _ in range(2))
    wakes_ns = {Priority.SWEEP: START_NS, Priority.BACKFILL: START_NS}
    served: list[Priority] = []
    while len(served) < 60:
        priority, now_ns = min(wakes_ns.items(), key=lambda entry: entry[1])
        budget = sweep if priority is Priority.SWEEP else backfill
        answer = budget.take(now_ns, priority)
        if isinstance(answer, Slot):
            served.append(priority)
            budget.complete(answer, now_ns + NS_PER_MS)
            wakes_ns[priority] = now_ns + 2 * NS_PER_MS
        else:
            wakes_ns[priority] = now_ns + int(answer * NS_PER_S) + 1
    assert 2 <= served.count(Priority.BACKFILL) <= 4


@pytest.mark.parametrize("calls_per_min", [0, 6, 60])
def test_backfill_takes_no_more_of_a_busy_budget_than_its_calls(tmp_path: Path, calls_per_min: int) -> None:
    """Two sweeping shards never rest for a minute; beside them so many calls of the lowest class are made."""
    budgets = [RateBudget(tmp_path / "rate-0.bin", 18) for _ in range(3)]
    end_ns, pause_ns = START_NS + 60 * NS_PER_S, 60 * NS_PER_S // max(1, calls_per_min)
    wakes_ns = [START_NS, START_NS, START_NS + pause_ns if calls_per_min else end_ns]
    served = [0, 0, 0]
    while (now_ns := min(wakes_ns)) < end_ns:
        index = wakes_ns.index(now_ns)
        answer = budgets[index].take(now_ns, Priority.BACKFILL if index == 2 else Priority.SWEEP)
        if isinstance(answer, Slot):
            served[index] += 1
            budgets[index].complete(answer, now_ns + NS_PER_MS)
            wakes_ns[index] = now_ns + (pause_ns if index == 2 else 2 * NS_PER_MS)
        else:
            wakes_ns[index] = now_ns + int(answer * NS_PER_S) + 1
    swept, backfilled = sum(served[:2]), served[2]
    # Not one call of the minute is lost, and the sweeps have all but these.
    assert swept + backfilled == 1_080
    assert backfilled <= calls_per_min
    assert bool(backfilled) == bool(calls_per_min)
