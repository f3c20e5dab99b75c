"""The timetable: what is due when, what is made up, what is tried again."""

import pytest

from observer_core.clock import NS_PER_S, kst_midnight_ns
from observer_core.services.timetable import RETRY_NS, TASKS, Book, Run, due, last_due_ns, next_due_ns

DAY = 20261120
MIDNIGHT_NS = kst_midnight_ns(DAY)
DAY_NS = 86_400 * NS_PER_S
BY_NAME = {task.name: task for task in TASKS}


def at(hour: float, day: int = 0) -> int:
    return MIDNIGHT_NS + day * DAY_NS + int(hour * 3600 * NS_PER_S)


def ran(due_ns: int, begun_ns: int, outcome: str = "done") -> Run:
    return Run(due_ns=due_ns, begun_ns=begun_ns, duration_s=1.0, outcome=outcome)


def names(book: Book, now_ns: int) -> list[str]:
    return [task.name for task, _ in due(TASKS, book, now_ns)]


def run_all(book: Book, now_ns: int) -> Book:
    runs = {task.name: ran(due_ns, now_ns) for task, due_ns in due(TASKS, book, now_ns)}
    return Book(since_ns=book.since_ns, runs={**book.runs, **runs})


def test_nothing_was_due_before_the_first_start() -> None:
    book = Book(since_ns=at(9))
    assert names(book, at(9.1)) == []
    assert names(book, at(15.8)) == ["seal"]


def test_a_day_runs_every_task_at_its_time_once() -> None:
    book = Book(since_ns=at(0))
    seen: list[tuple[str, int]] = []
    for minute in range(24 * 60):
        now_ns = at(minute / 60)
        seen += [(name, minute) for name in names(book, now_ns)]
        book = run_all(book, now_ns)
    assert seen == [
        ("package", 20), ("datasets", 60), ("retention", 90), ("universe", 480), ("checks", 510), ("seal", 945),
        ("package", 1230),
    ]  # fmt: skip


@pytest.mark.parametrize("days", [1, 5])
def test_missed_runs_are_made_up_once_in_the_order_of_the_day(days: int) -> None:
    book = run_all(Book(since_ns=at(0)), at(23))
    back_ns = at(10, days)
    owed = ["package", "datasets", "retention", "universe", "checks"]
    assert names(book, back_ns) == (owed if days == 1 else ["seal", *owed])
    assert names(run_all(book, back_ns), back_ns + NS_PER_S) == []


def test_what_failed_is_tried_again_after_a_pause() -> None:
    due_ns = last_due_ns(BY_NAME["retention"], at(3))
    others = {task.name: ran(last_due_ns(task, at(3)), at(3)) for task in TASKS}
    book = Book(since_ns=at(0), runs={**others, "retention": ran(due_ns, at(3), "failed")})
    assert names(book, at(3) + RETRY_NS - 1) == []
    assert names(book, at(3) + RETRY_NS) == ["retention"]


def test_a_clock_that_went_back_owes_nothing() -> None:
    book = run_all(Book(since_ns=at(0)), at(23))
    assert names(book, at(12)) == []


def test_the_next_time_is_later_than_now() -> None:
    for task in TASKS:
        for hour in (0, 7.99, 8, 20.5, 23.99):
            assert last_due_ns(task, at(hour)) <= at(hour) < next_due_ns(task, at(hour))
    assert BY_NAME["package"].at == "00:20, 20:30"
