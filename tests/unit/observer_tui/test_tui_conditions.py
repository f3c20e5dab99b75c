"""Conditions, problems and the verdict in one word."""

import msgspec
import pytest

from observer_core.view import SystemView
from observer_tui.conditions import Condition, Verdict, condition_of, is_stale, tally, verdict_of
from observer_tui.feed import LinkFacts, LinkState
from observer_tui.words import Words
from tests.fixtures.console_feed import GB, OPENING_NS, processes, shard, view_at

LIVE = LinkFacts(LinkState.LIVE, "", OPENING_NS, 0.3)
ENGLISH = Words("en")


def judged(view: SystemView | None, link: LinkFacts = LIVE, now_ns: int = OPENING_NS) -> Verdict:
    return verdict_of(view, link, now_ns, ENGLISH)


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({}, Condition.OK),
        ({"state": "paused"}, Condition.PAUSED),
        ({"state": "starting"}, Condition.PASSING),
        ({"state": "stopping"}, Condition.PASSING),
        ({"state": "backoff", "pid": None}, Condition.DOWN),
        ({"state": "quarantined", "pid": None}, Condition.DOWN),
        ({"state": "stopped", "pid": None}, Condition.DOWN),
        ({"as_of_ns": OPENING_NS - 3_100_000_000}, Condition.SILENT),
        ({"as_of_ns": 0}, Condition.OK),
        ({"open_gaps": 1}, Condition.DEGRADED),
        ({"lag": 10.0}, Condition.OK),
        ({"lag": 10.3}, Condition.DEGRADED),
        ({"lag": 60.0, "symbols": 0}, Condition.OK),
        ({"kind": "writer", "lag": 6.0}, Condition.DEGRADED),
        ({"kind": "hub", "lag": 60.0}, Condition.OK),
    ],
)
def test_the_condition_of_a_row(changes: dict[str, object], condition: Condition) -> None:
    assert condition_of(shard(0, 0, **changes), view_at(0).market, OPENING_NS) is condition


def test_old_records_are_no_fault_when_the_market_is_closed() -> None:
    closed = msgspec.structs.replace(view_at(0).market, phase="closed")
    assert condition_of(shard(0, 0, lag=4_000.0), closed, OPENING_NS) is Condition.OK
    assert judged(view_at(0, market=closed)).word == "CLOSED"


def test_a_healthy_view_is_live() -> None:
    assert judged(view_at(0)) == Verdict("LIVE", "bar_strong", "", ())


def test_the_worst_reason_comes_first() -> None:
    rows = (shard(1, 0, open_gaps=2), shard(2, 0, state="backoff", last_exit="killed by signal 9"), *processes(0)[4:])
    verdict = judged(view_at(0, processes=rows))
    assert verdict.word == "DEGRADED"
    assert verdict.role == "bar_bad"
    assert verdict.reason == "swing-2 backoff: killed by signal 9"
    assert [problem.subject for problem in verdict.problems] == ["swing-2", "swing-1"]


def test_a_waiting_writer_a_full_disk_and_errors_degrade() -> None:
    view = view_at(0)
    waiting = msgspec.structs.replace(view.writers[1], state="waiting", note="connection refused")
    assert judged(view_at(0, writers=(waiting,))).reason == "postgres waiting: connection refused"
    full = msgspec.structs.replace(view.disk[0], free_bytes=90 * GB, time_to_full_s=3_600.0)
    assert judged(view_at(0, disk=(full,))).reason == "/app/data 8% free, full in 1h00m"
    assert judged(view_at(0, gaps=msgspec.structs.replace(view.gaps, open=3))).reason == "gaps 3 open gaps"
    failing = view_at(0, processes=(shard(0, 0, errors_minute=3), shard(1, 0, errors_minute=1)))
    assert judged(view_at(0, gaps=msgspec.structs.replace(view.gaps, open=1))).reason == "gaps 1 open gap"
    assert judged(failing).reason == "errors 4 errors in the last minute"


def test_the_same_trouble_is_told_once() -> None:
    view = view_at(0)
    late = msgspec.structs.replace(view.writers[1], lag_s=9.0)
    rows = tuple(msgspec.structs.replace(row, lag=9.0) if row.name == "postgres" else row for row in view.processes)
    assert [problem.subject for problem in judged(view_at(0, writers=(late,), processes=rows)).problems] == ["postgres"]


@pytest.mark.parametrize(
    ("link", "word"),
    [
        (LinkFacts(LinkState.LIVE, "", OPENING_NS, 1.4), "LIVE"),
        (LinkFacts(LinkState.LIVE, "", OPENING_NS, 1.6), "STALE"),
        (LinkFacts(LinkState.STALE, "silent", OPENING_NS, 0.1), "STALE"),
        (LinkFacts(LinkState.DOWN, "refused", OPENING_NS, 9.0), "DOWN"),
        (LinkFacts(LinkState.CONNECTING, "", OPENING_NS, None), "DOWN"),
    ],
)
def test_the_link_comes_before_the_figures(link: LinkFacts, word: str) -> None:
    assert judged(view_at(0), link).word == word
    assert is_stale(link) == (word != "LIVE")


def test_without_any_view_it_is_connecting_or_down() -> None:
    assert judged(None, LinkFacts(LinkState.CONNECTING)).word == "CONNECTING"
    assert judged(None, LinkFacts(LinkState.DOWN, "no socket")).reason == "no socket"


def test_the_tally_names_each_condition_by_its_sign() -> None:
    assert tally([Condition.OK] * 10 + [Condition.DOWN, Condition.PASSING], Words()) == "10 ok 1x 1~"
    assert tally([Condition.OK], Words("ko")) == "1 정상"
