"""The real tree on an exchange that outlives it: lost supervisors, second ones, and shards that stand still."""

import os
import signal
from pathlib import Path

import pytest

from observer_core.exit_codes import ExitCode
from observer_core.journal.files import list_segments
from observer_core.journal.reader import SegmentReader, payload_spans
from observer_core.messages import Gap, GapReason, decode_batch
from observer_core.pacing.connect import CONNECTS
from tests.fixtures.loopback_tree import LoopbackTree, moment
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.supervised import alive, children_of, until

pytestmark = pytest.mark.process

CRASH_LOOP_S, KILLS = 6.0, 3
CHILDREN = {"hub", "jsonl", "maintenance", "scalp-0", "swing-0", "swing-1"}


def test_a_killed_supervisor_takes_its_children_along_and_a_second_start_takes_over(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", swing_shards=2) as tree:
        for _ in range(2):
            tree.collecting(2)
            until(lambda: _sessions(tree) == 1, "no stream session", tree.log)
            pids = tree.pids()
            assert set(pids) == CHILDREN
            limit_s = 2.0 * slowness()
            tree.process.kill()
            tree.process.wait()
            until(lambda gone=pids: not any(map(alive, gone.values())), "a child is left", deadline_s=limit_s)  # type: ignore[misc]
            tree.start()
        tree.collecting(2)
        until(lambda: _sessions(tree) == 1, "no stream session", tree.log)
        stats = tree.stats()
        assert set(stats["sessions_maximum"].values()) == {1}, "two sessions of one appkey at a time"
        assert stats["connects_by_appkey"]["0"] >= 3
        assert tree.stop() == 0


def test_a_second_instance_is_refused_and_disturbs_nobody(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree") as tree:
        tree.collecting(1)
        before = tree.pids()
        second = tree.another()
        assert second.wait(PATIENCE_S) == ExitCode.LOCKED
        [refusal] = [line for line in tree.log().splitlines() if "is in use" in line]
        assert str(tree.process.pid) in refusal
        assert tree.pids() == before
        tree.collecting(1)


def test_a_shard_that_stands_still_is_dumped_killed_and_replaced(tmp_path: Path) -> None:
    slow = slowness()
    hang_after_s = 3.0 * slow
    with LoopbackTree(tmp_path / "tree", swing_shards=2, limits={"hang_after_s": hang_after_s}) as tree:
        tree.collecting(2)
        before = tree.pids()
        stopped = moment()
        os.kill(before["swing-0"], signal.SIGSTOP)
        until(lambda: tree.pids().get("swing-0", before["swing-0"]) != before["swing-0"], "not replaced", tree.log)
        assert moment() - stopped < hang_after_s + 3.0 * max(slow, slowness())
        tree.collecting(2)
        after = tree.pids()
        assert {name: pid for name, pid in after.items() if name != "swing-0"} == {
            name: pid for name, pid in before.items() if name != "swing-0"
        }
        stacks = (tree.paths.logs / "swing-0.stacks").read_text()
        assert "Current thread" in stacks
        assert "asyncio" in stacks
        until(lambda: _causes(tree).get("hang") == 1, "the death is not in the view", tree.log)
        assert "Z" not in children_of(tree.process.pid).values()
        until(lambda: _restart_gaps(tree, "swing-0") == 1, "no gap record", tree.log)


def test_a_crash_loop_keeps_within_the_connect_budget(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", limits={"backoff_base_s": 0.05, "crash_deaths": 100}) as tree:
        begun, kills = moment(), 0
        while moment() - begun < CRASH_LOOP_S or kills < KILLS:
            until(lambda: _sessions(tree) == 1, "no stream session", tree.log)
            os.kill(tree.pids()["scalp-0"], signal.SIGKILL)
            kills += 1
            until(lambda: _sessions(tree) == 0, "the exchange keeps a dead session", tree.log)
        stats = tree.stats()
        assert kills <= stats["connects_by_appkey"]["0"] <= CONNECTS
        assert stats["connects_refused"] == 0
        assert set(stats["sessions_maximum"].values()) == {1}


def _sessions(tree: LoopbackTree) -> int:
    return sum(tree.stats()["sessions_now"].values())


def _causes(tree: LoopbackTree) -> dict[str, int]:
    view = tree.view()
    rows = [row for row in view.processes if row.name == "swing-0"] if view else []
    assert all(len(row.deaths) == sum(row.deaths_by_cause.values()) for row in rows)
    return rows[0].deaths_by_cause if rows else {}


def _restart_gaps(tree: LoopbackTree, shard: str) -> int:
    """Return how many restart gaps the shard has opened."""
    directory = tree.paths.journals / shard
    opened: set[str] = set()
    for name in list_segments(directory):
        with SegmentReader(directory / name.file_name) as reader:
            for begin, end in payload_spans(reader)[0]:
                for record in decode_batch(reader.read_span(begin, end)).records:
                    if isinstance(record, Gap) and record.reason == GapReason.RESTART:
                        opened.add(record.gap_id)
    return len(opened)
