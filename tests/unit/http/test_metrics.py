"""The exposition of a view: names, units, labels, and what promtool says of it."""

import re
import shutil
import subprocess

import pytest

from observer_core.http.metrics import exposition
from observer_core.view import BackupView, BudgetRow, DiskRow, GapView, SystemView, TaskRow, WriterRow
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.views import NOW_NS, at, blank_view, row

WRITER = WriterRow(
    name="jsonl", state="live", note="", records_total=990, errors_total=0, rejected_total=1, lag_records=3,
    lag_bytes=512, lag_s=0.25, commit_ms=4.0, last_commit_ns=NOW_NS, catch_up_s=None, current_files=(), as_of_ns=NOW_NS,
)  # fmt: skip
DISK = DiskRow(
    mount="/data", purposes=("data",), total_bytes=1_000, free_bytes=400, ours_bytes=500, growth_bytes_per_s=None,
    time_to_full_s=None, as_of_ns=NOW_NS, level="trim", measure="",
)  # fmt: skip


def full_view() -> SystemView:
    return blank_view(
        supervisor_pid=1,
        started_ns=NOW_NS,
        processes=(
            row("swing-0", symbols=500, memory_bytes=30_000_000, cpu_ms_total=1_500, sweep_s=3.5, completeness=99.5),
            row(
                "scalp-0", reconnects_by_cause={"OPSP8996": 2, "cut": 1}, reauthenticated_total=3, width_changes_total=4
            ),
            row("hub", kind="hub", state="quarantined", last_record_ns=None),
        ),
        writers=(WRITER,),
        disk=(DISK,),
        budgets=(BudgetRow(appkey=0, limit_per_s=18.0, used_last_s=17, refused_total=2, as_of_ns=NOW_NS),),
        tasks=(TaskRow(name="seal", at="15:45", next_ns=0, begun_ns=NOW_NS, duration_s=0.5, outcome="done"),),
        backup=BackupView(
            packages=3, newest_ns=NOW_NS, verified_ns=NOW_NS, unsecured_days=1, unsecured_since_ns=NOW_NS
        ),
        gaps=GapView(
            open=1,
            today=4,
            newest=(),
            as_of_ns=NOW_NS,
            open_by_severity={"major": 1},
            completeness_today={"swing": 99.0},
        ),
    )


def samples(view: SystemView, seconds: float = 1) -> dict[str, float]:
    lines = exposition(view, at(seconds)).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def test_values_are_those_of_the_view_in_base_units() -> None:
    found = samples(full_view())
    assert found['observer_snapshots_total{shard="swing-0"}'] == 1_000
    assert found['observer_process_cpu_seconds_total{kind="swing",process="swing-0"}'] == 1.5
    assert found['observer_newest_record_age_seconds{shard="swing-0"}'] == 1.0
    assert found['observer_writer_commit_duration_seconds{writer="jsonl"}'] == 0.004
    assert found['observer_completeness_ratio{shard="swing-0"}'] == 0.995
    assert found['observer_process_quarantined{kind="hub",process="hub"}'] == 1
    assert found['observer_disk_ladder_level{mount="/data"}'] == 2
    assert found['observer_gaps_open_by_severity{severity="major"}'] == 1
    assert found['observer_ws_session_ends_total{cause="OPSP8996",shard="scalp-0"}'] == 2
    assert found['observer_ws_session_ends_total{cause="cut",shard="scalp-0"}'] == 1
    assert found['observer_kis_reauthentications_total{shard="scalp-0"}'] == 3
    assert found['observer_frame_width_changes_total{shard="scalp-0"}'] == 4
    assert found["observer_ready"] == 0


def test_what_is_not_known_has_no_sample() -> None:
    found = samples(full_view())
    assert not [name for name in found if name.startswith("observer_disk_time_to_full_seconds")]
    assert 'observer_process_resident_memory_bytes{kind="hub",process="hub"}' not in found


def test_cardinality_follows_processes_not_symbols() -> None:
    few = samples(full_view())
    rows = (
        row("swing-0", symbols=2_000, stale_symbols=900, stale_examples=("005930 silent",)),
        *full_view().processes[1:],
    )
    many = samples(blank_view(processes=rows))
    assert len(many) <= len(few)
    assert not re.search(r"005930", exposition(blank_view(processes=rows), at(1)).decode())


def test_promtool_finds_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=exposition(full_view(), at(1)),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_backups_and_tasks_have_an_age() -> None:
    found = samples(full_view(), 60)
    assert found["observer_backup_unsecured_age_seconds"] == 60
    assert found["observer_backup_verified_age_seconds"] == 60
    assert found['observer_task_failed{task="seal"}'] == 0
    assert found['observer_task_last_run_age_seconds{task="seal"}'] == 60
