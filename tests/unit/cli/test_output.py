"""Views as text."""

import msgspec
import pytest

from observer_core.cli.output import backup_line, duration, size, status_lines, table, ticket_line
from observer_core.messages import Event
from observer_core.tree_messages import TicketUpdate
from observer_core.view import BackupView, BudgetRow, DiskRow, GapView, LeaseView, WriterRow
from tests.fixtures.views import NOW_NS, at, blank_view, row


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0.0, "0 ms"), (0.34, "340 ms"), (12.52, "12.5 s"), (250, "4m10s"), (10_920, "3h02m"),
        (187_200, "2d04h"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "-"), (512, "512 B"), (1_500_000, "1.5 MB"), (-2_000, "-2.0 kB"), (3 * 10**15, "3000.0 TB")],
)
def test_sizes(count: int | None, text: str) -> None:
    assert size(count) == text


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("NAME", "N"), [("a", "1"), ("longer", "200")], frozenset({"N"})) == [
        "NAME      N",
        "a         1",
        "longer  200",
    ]


def test_what_is_not_known_is_a_dash_and_never_a_zero() -> None:
    unknown = row("swing-0", pid=None, uptime_s=None, lag=None, as_of_ns=0, state="backoff", next_start_ns=at(4))
    line = next(line for line in status_lines(blank_view(processes=(unknown,)), at(1)) if line.startswith("swing-0"))
    assert line.split() == ["swing-0", "swing", "backoff", "-", "-", "0", *"--------", "starts", "in", "3.0", "s"]


def test_an_old_view_is_called_stale() -> None:
    assert status_lines(blank_view(), at(1))[0].startswith("DEGRADED, NOT READY")
    assert status_lines(blank_view(), at(5))[0].startswith("STALE")


def test_everything_of_the_view_is_there() -> None:
    view = blank_view(
        processes=(row("swing-0", memory_bytes=25_000_000, symbols=500),),
        writers=(
            WriterRow(
                name="jsonl", state="catching_up", note="n", records_total=12_345, errors_total=0, rejected_total=0,
                lag_records=None, lag_bytes=2_000, lag_s=0.5, commit_ms=1.25, last_commit_ns=None, catch_up_s=4.0,
                current_files=(), as_of_ns=NOW_NS,
            ),
        ),
        disk=(
            DiskRow(
                mount="/data", purposes=("data",), total_bytes=10**12, free_bytes=5 * 10**11, ours_bytes=10**9,
                growth_bytes_per_s=1_000_000.0, time_to_full_s=500_000.0, as_of_ns=NOW_NS,
                level="trim", measure="raw payloads are left out",
            ),
        ),
        budgets=(BudgetRow(appkey=0, limit_per_s=18.0, used_last_s=17, refused_total=0, as_of_ns=NOW_NS),),
        gaps=GapView(open=1, today=2, newest=("09:00:00 restart",), as_of_ns=NOW_NS),
        leases=(LeaseView(who="lee", reason="why", until_ns=NOW_NS),),
        events=(Event(at_ns=NOW_NS, name="vi", severity="warning", subject="005930", text="started"),),
    )  # fmt: skip
    text = "\n".join(status_lines(view, at(0)))
    for part in (
        "25.0 MB", "12,345", "catching_up", "1.2 ms", "4.0 s", "/data", "1.0 MB/s", "5d18h", "17 of 18 calls/s",
        "trim: raw payloads", "gaps: 1 open, 2 today", "09:00:00 restart", "lease: lee", "warning vi 005930: started",
    ):  # fmt: skip
        assert part in text, part


def test_backups_in_one_line_with_the_last_drill() -> None:
    now_ns = 10**18
    hour_ns = 3_600 * 10**9
    view = BackupView(
        packages=2, newest_day=20261119, newest_ns=now_ns - hour_ns, drilled_day=20261118,
        drilled_ns=now_ns - 2 * hour_ns, drilled_by="pc",
    )  # fmt: skip
    assert backup_line(None, now_ns) == "backup: no package yet"
    line = backup_line(view, now_ns)
    assert "1h00m old; no verified copy elsewhere; last drill green, of 20261118 on pc, 2h00m ago" in line
    red = msgspec.structs.replace(view, drill_problems=("damaged",))
    assert "last drill RED, of 20261118" in backup_line(red, now_ns)


def test_a_ticket_is_one_line() -> None:
    update = TicketUpdate(ticket="a1", state="done", text="runs", at_ns=0, verb="restart", target="swing-0")
    assert ticket_line(update) == "restart swing-0 done: runs (ticket a1)"
