"""The readiness verdict over views."""

import pytest

from observer_core.http.readiness import readiness
from observer_core.view import MarketView, ProcessRow, SystemView
from tests.fixtures.views import NOW_NS, at, blank_view, row

OPEN = MarketView(day=20261123, phase="continuous", until_ns=None, forced=False, as_of_ns=NOW_NS)
CLOSED = MarketView(day=20261123, phase="closed", until_ns=None, forced=False, as_of_ns=NOW_NS)


def view(market: MarketView, *rows: ProcessRow) -> SystemView:
    return blank_view(market=market, processes=rows, supervisor_pid=1)


def test_a_collecting_system_is_ready() -> None:
    found = view(OPEN, row("swing-0"), row("scalp-0", kind="scalp"), row("hub", kind="hub", last_record_ns=None))
    assert readiness(found, at(1)).ready


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row("swing-0", state="backoff"), "swing-0 is backoff"),
        (row("swing-0", state="paused"), "swing-0 is paused"),
        (row("jsonl", kind="writer", state="quarantined"), "jsonl is quarantined"),
        (row("swing-0", last_record_ns=None), "swing-0 has no record yet"),
        (row("swing-0", last_record_ns=at(-10)), "newest record is 11 s old, expected within 5 s"),
        (row("scalp-0", kind="scalp", last_record_ns=at(-40)), "expected within 30 s"),
    ],
)
def test_what_fails_is_named(bad: ProcessRow, words: str) -> None:
    verdict = readiness(view(OPEN, row("swing-9"), bad), at(1))
    assert not verdict.ready
    (problem,) = verdict.failing
    assert words in problem


def test_a_closed_market_owes_no_records_but_processes_must_run() -> None:
    quiet = row("swing-0", last_record_ns=None)
    assert readiness(view(CLOSED, quiet), at(1)).ready
    assert not readiness(view(CLOSED, row("swing-0", state="backoff")), at(1)).ready


def test_a_slow_sweep_is_measured_by_itself() -> None:
    slow = row("swing-0", last_record_ns=at(-60), sweep_s=30.0)
    assert readiness(view(OPEN, slow), at(1)).ready


def test_an_old_view_proves_nothing() -> None:
    assert readiness(view(OPEN, row("swing-0")), at(10)).failing[0] == "the view is 10 s old"


def test_a_hub_that_has_not_heard_the_supervisor_is_not_ready() -> None:
    assert not readiness(blank_view(), at(0)).ready
