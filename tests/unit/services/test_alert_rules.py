"""Incidents out of views: durations, one message each, resolve, quiet hours, limit."""

import msgspec
import pytest

from observer_core.clock import NS_PER_S
from observer_core.services.alert_rules import Alarms, AlertMemory, Message, QuietHours, conditions
from observer_core.view import BackupView, SystemView, TaskRow
from tests.fixtures.views import NOW_NS, at, blank_view, row


def view(seconds: float, state: str) -> SystemView:
    now_ns = at(seconds)
    processes = (row("swing-0", state=state, as_of_ns=now_ns),)
    return blank_view(as_of_ns=now_ns, supervisor_pid=1, processes=processes)


def told(alarms: Alarms, *states: tuple[float, str]) -> list[tuple[float, Message]]:
    return [
        (seconds, message) for seconds, state in states for message in alarms.look(view(seconds, state), at(seconds))
    ]


def every(step: int, until: int, state: str, begin: int = 0) -> list[tuple[float, str]]:
    return [(float(second), state) for second in range(begin, until, step)]


def test_an_incident_is_told_once_and_again_when_it_is_over() -> None:
    found = told(Alarms(), *every(5, 200, "backoff"), *every(5, 400, "running", begin=200))
    assert [seconds for seconds, _ in found] == [30.0, 255.0]
    assert found[0][1].title == "Observer: swing-0 is backoff"
    assert found[1][1].title == "Observer: over: swing-0 is backoff"


def test_a_later_life_tells_nothing_twice_and_still_says_when_it_is_over() -> None:
    first = Alarms()
    assert len(told(first, *every(5, 100, "backoff"))) == 1
    assert first.acknowledge("swing-0 is backoff", "kim", "known")
    stored = msgspec.json.encode(first.memory())
    later = Alarms()
    later.recall(msgspec.json.decode(stored, type=AlertMemory), at(400))
    (incident,) = later.rows()
    assert (incident.acknowledged_by, incident.told) == ("kim", True)
    found = told(later, (400.0, "running"), *every(5, 600, "backoff", begin=405), *every(5, 700, "running", begin=600))
    assert [message.title for _, message in found] == ["Observer: over: swing-0 is backoff"]


def test_what_waits_for_the_end_of_quiet_hours_waits_over_a_restart() -> None:
    minute = (NOW_NS // NS_PER_S // 60 + 9 * 60) % 1_440
    first = Alarms(QuietHours(minute, (minute + 5) % 1_440))
    assert told(first, *every(5, 100, "backoff")) == []
    later = Alarms()
    later.recall(first.memory(), at(110))
    assert [message.title for _, message in told(later, (110.0, "backoff"))] == ["Observer: swing-0 is backoff"]


def test_what_is_short_is_no_incident() -> None:
    assert told(Alarms(), *every(5, 25, "backoff"), *every(5, 100, "running", begin=25)) == []


def test_flickering_is_one_incident() -> None:
    flicker = [(float(s), "running" if s % 40 == 35 else "backoff") for s in range(0, 600, 5)]
    assert len(told(Alarms(), *flicker)) == 1


def test_quiet_hours_delay_and_gather_but_lose_nothing() -> None:
    minute = (NOW_NS // NS_PER_S // 60 + 9 * 60) % 1_440
    quiet = Alarms(QuietHours(minute, (minute + 10) % 1_440))
    found = told(quiet, *every(5, 300, "backoff"), *every(5, 900, "running", begin=300))
    ((seconds, message),) = found
    assert seconds >= 500
    assert message.title == "Observer: 2 messages"
    assert "swing-0 is backoff" in message.body
    assert "over: " in message.body


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (2, 2)])
def test_the_limit_holds_messages_back(limit: int, expected: int) -> None:
    found = told(Alarms(limit_per_h=limit), *every(5, 100, "backoff"), *every(5, 400, "running", begin=100))
    assert len(found) == expected


def test_backups_that_nobody_verified_and_failed_tasks_are_conditions() -> None:
    failed = TaskRow(name="package", at="00:20", next_ns=0, begun_ns=1, duration_s=1.0, outcome="failed", text="full")
    standing = BackupView(packages=2, unsecured_days=1, unsecured_since_ns=at(-37 * 3600))
    found = conditions(blank_view(supervisor_pid=1, tasks=(failed,), backup=standing), NOW_NS, 36 * 3600.0)
    assert [condition.key for condition in found] == ["task package", "backup age"]
    assert "no verified backup for 37 h" in found[1].text
    assert conditions(blank_view(supervisor_pid=1, backup=standing), NOW_NS, 38 * 3600.0) == []
    assert conditions(blank_view(supervisor_pid=1, backup=standing), NOW_NS, 0.0) == []
