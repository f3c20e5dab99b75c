"""The readiness verdict over views."""

import msgspec
import pytest

from observer_core.http.readiness import readiness
from observer_core.messages import Event
from observer_core.view import DiskRow, MarketView, ProcessRow, SystemView, WriterRow
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
        (row("scalp-0", kind="scalp", last_record_ns=at(-40)), "expected within 20 s"),
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


WRITER = WriterRow(
    name="postgres", state="live", note="", records_total=0, errors_total=0, rejected_total=0, lag_records=0,
    lag_bytes=0, lag_s=0.2, commit_ms=None, last_commit_ns=None, catch_up_s=None, current_files=(), as_of_ns=NOW_NS,
)  # fmt: skip
DISK = DiskRow(
    mount="/app/data", purposes=("data",), total_bytes=100, free_bytes=50, ours_bytes=1, growth_bytes_per_s=None,
    time_to_full_s=None, as_of_ns=NOW_NS,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"writers": (msgspec.structs.replace(WRITER, state="waiting", note="refused"),)},
            "postgres cannot write: refu",
        ),
        ({"writers": (msgspec.structs.replace(WRITER, lag_s=30.0),)}, "not yet durable is 30 s old"),
        ({"disk": (msgspec.structs.replace(DISK, level="drop"),)}, "/app/data is full (data)"),
        ({"disk": (msgspec.structs.replace(DISK, free_bytes=0),)}, "/app/data is full (data)"),
        ({"processes": (row("jsonl", kind="writer", as_of_ns=at(-20)),)}, "jsonl has not reported for 21 s"),
        (
            {"events": (Event(NOW_NS, "clock_step", "warning", "machine", "set by 3600 s"),)},
            "clock step: set by 3600 s",
        ),
        (
            {"events": (Event(NOW_NS, "universe_refused", "error", "universe", "7 of 1562"),)},
            "universe refused: 7 of 1562",
        ),
    ],
)
@pytest.mark.parametrize("market", [OPEN, CLOSED])
def test_faults_beside_the_records_fail_it_whatever_the_session(
    change: dict[str, object], words: str, market: MarketView
) -> None:
    sound = blank_view(market=market, supervisor_pid=1, writers=(WRITER,), disk=(DISK,))
    assert readiness(sound, at(1)).ready
    (problem,) = readiness(msgspec.structs.replace(sound, **change), at(1)).failing
    assert words in problem


def test_a_sink_that_catches_up_and_an_old_finding_do_not_count() -> None:
    late = msgspec.structs.replace(WRITER, state="catching_up", lag_s=300.0)
    step = Event(at(-200), "clock_step", "warning", "machine", "set by 3600 s")
    assert readiness(blank_view(supervisor_pid=1, writers=(late,), events=(step,)), at(1)).ready
