"""F4 as a table over sixty simulated days, with anomalies, failed backups and a disk that fills."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.archive.day_retention import (
    ANOMALY_DAYS,
    CAP_DAYS,
    RAW_DAYS,
    REMOVES,
    Action,
    ArchivedDay,
    Decision,
    age_days,
    as_date,
    decide,
)
from observer_core.archive.disk_ladder import Level
from observer_core.ids import DayNumber

FIRST = 20260801
DAYS = 60
ANOMALIES = frozenset({5, 6, 20, 33, 34, 35, 50})
NO_BACKUP = frozenset({10, *range(22, 40)})
"""Evenings on which nobody pulled; the next successful pull makes up for all of them."""
PRESSED = {29: Level.SEAL, 30: Level.DROP, 43: Level.SEAL, 46: Level.DROP}


def number(index: int) -> DayNumber:
    return DayNumber(int(f"{as_date(FIRST) + timedelta(days=index):%Y%m%d}"))


def simulate(
    days: int, anomalies: frozenset[int], no_backup: frozenset[int], levels: dict[int, Level]
) -> list[tuple[int, Decision, ArchivedDay]]:
    """Run retention every night; return (night, decision, the day as it was) of all nights."""
    held: dict[DayNumber, bool] = {}
    found: list[tuple[int, Decision, ArchivedDay]] = []
    for night in range(days):
        held[number(night)] = False
        if night not in no_backup:
            held = dict.fromkeys(held, True)
        archived = {
            day: ArchivedDay(day=day, anomalous=any(day == number(i) for i in anomalies), secured=secured)
            for day, secured in held.items()
        }
        level = levels.get(night, Level.NORMAL)
        # A pressed disk is looked at again and again until there is room: three times, here.
        for _ in range(3 if level >= Level.SEAL else 1):
            decisions = decide([archived[day] for day in held], number(night), level)
            found += [(night, decision, archived[decision.day]) for decision in decisions]
            for decision in decisions:
                if decision.action in REMOVES:
                    del held[decision.day]
    return found


def check(found: list[tuple[int, Decision, ArchivedDay]], levels: dict[int, Level]) -> None:
    """F4, said another way than in the code."""
    for night, decision, one in found:
        age = age_days(one.day, number(night))
        level = levels.get(night, Level.NORMAL)
        removed = decision.action in REMOVES
        if removed and level < Level.SEAL:
            assert one.secured
            assert one.sealed
            assert age > (ANOMALY_DAYS if one.anomalous else RAW_DAYS)
        if removed and not one.secured:
            assert (level, decision.action) == (Level.DROP, Action.REMOVE_UNSECURED)
            assert "NO verified copy" in decision.reason
        if removed and not age:
            raise AssertionError("today was removed")
        if not removed and age > CAP_DAYS:
            assert decision.action is Action.OVERDUE
            assert "more than 10" in decision.reason
        if not removed and one.secured and one.sealed and age > (ANOMALY_DAYS if one.anomalous else RAW_DAYS):
            raise AssertionError("a day stays although nothing holds it")


def test_sixty_days_with_anomalies_failed_backups_and_a_full_disk() -> None:
    found = simulate(DAYS, ANOMALIES, NO_BACKUP, PRESSED)
    check(found, PRESSED)
    table = {
        (night, age_days(one.day, number(night))): decision.action
        for night, decision, one in found
        if decision.action is not Action.KEEP
    }
    # An ordinary day goes on the fourth night after it, an anomalous one on the eighth.
    assert table[4, 4] is Action.REMOVE
    assert (9, 4) not in table
    assert table[13, 8] is Action.REMOVE, "day 5 was anomalous"
    # Nobody pulls from night 22 to 39: day 25 stays, and past ten days this is said every night.
    assert [night for (night, age), action in table.items() if night - age == 25 and action is Action.OVERDUE] == [
        36, 37, 38, 39,
    ]  # fmt: skip
    assert table[40, 15] is Action.REMOVE
    # Pressed without any backup: the third step takes nothing, the last one takes what is oldest, and says so.
    assert [action for (night, _), action in table.items() if night == 29] == []
    assert {action for (night, _), action in table.items() if night == 30} == {Action.REMOVE_UNSECURED}
    # Pressed with backups: what is due goes first, then the oldest of what is secured.
    assert {action for (night, _), action in table.items() if night == 43} == {Action.REMOVE, Action.REMOVE_EARLY}
    assert {night for (night, _), action in table.items() if action is Action.REMOVE_UNSECURED} == {30}
    assert sum(action in REMOVES for action in table.values()) > 50


@pytest.mark.parametrize(
    ("level", "secured", "expected"),
    [
        (Level.TRIM, True, Action.KEEP),
        (Level.SEAL, True, Action.REMOVE_EARLY),
        (Level.SEAL, False, Action.KEEP),
        (Level.DROP, True, Action.REMOVE_EARLY),
        (Level.DROP, False, Action.REMOVE_UNSECURED),
    ],
)
def test_what_a_full_disk_takes_before_its_time(level: Level, secured: bool, expected: Action) -> None:
    days = [ArchivedDay(day=number(index), secured=secured) for index in range(3)]
    decisions = decide(days, number(2), level)
    assert [decision.action for decision in decisions] == [expected, Action.KEEP, Action.KEEP]


def test_a_full_disk_prefers_what_is_secured_to_what_is_older() -> None:
    days = [ArchivedDay(day=number(0)), ArchivedDay(day=number(1), secured=True)]
    actions = [decision.action for decision in decide(days, number(2), Level.DROP)]
    assert actions == [Action.KEEP, Action.REMOVE_EARLY]
    assert [decision.action for decision in decide(days[:1], number(0), Level.DROP)] == [Action.KEEP], "today stays"


def test_an_unsealed_day_stays_whatever_its_age() -> None:
    [decision] = decide([ArchivedDay(day=number(0), sealed=False, secured=True)], number(20))
    assert (decision.action, "not all of its files are sealed" in decision.reason) == (Action.OVERDUE, True)


@given(
    anomalies=st.frozensets(st.integers(0, 29)),
    no_backup=st.frozensets(st.integers(0, 29)),
    levels=st.dictionaries(st.integers(0, 29), st.sampled_from(list(Level))),
)
def test_any_thirty_days_keep_the_rules(
    anomalies: frozenset[int], no_backup: frozenset[int], levels: dict[int, Level]
) -> None:
    check(simulate(30, anomalies, no_backup, levels), levels)
