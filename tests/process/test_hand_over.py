"""Hand-over: a warm standby takes every process's role as its predecessor gives it up, and back again."""

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from observer_core.audit.archive import read_jsonl
from observer_core.audit.books import balance
from observer_core.clock import NS_PER_S
from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.supervised import until

pytestmark = pytest.mark.process

PAUSE_LIMIT_S = 3.0


def test_two_hand_overs_cost_seconds_and_lose_nothing_silently(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", swing_shards=2) as tree:
        _collecting(tree)
        slow = 1.0
        for _ in range(2):
            successor = tree.stand_by()
            assert _names_predecessor(tree), "the standby does not say whom it waits for"
            before = tree.pids()
            slow = max(slow, slowness())
            assert tree.succeed(successor) == 0
            _collecting(tree)
            assert set(tree.pids()) == set(before)
            assert not set(tree.pids().values()) & set(before.values())
        until(lambda: not _open_gaps(tree), "a gap stays open", tree.log)
        stats = tree.stats()
        assert set(stats["sessions_maximum"].values()) == {1}, "two sessions of one appkey at a time"
        assert tree.stop() == 0
        books = balance(tree.directory / "ledger.jsonl", tree.paths.data, None)
    assert books.balanced, books.table()
    longest_s = _longest_pause_s(tree.paths.data)
    assert longest_s <= PAUSE_LIMIT_S * slow, f"the longest pause of two hand-overs took {longest_s:.2f} s"


def test_a_standby_that_is_told_to_stop_leaves_the_other_alone(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree") as tree:
        _collecting(tree)
        before = tree.pids()
        successor = tree.stand_by()
        successor.terminate()
        assert successor.wait(PATIENCE_S) == 0
        assert tree.pids() == before
        assert tree.stop() == 0


def test_a_standby_takes_over_from_a_killed_predecessor(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree") as tree:
        _collecting(tree)
        successor = tree.stand_by()
        tree.process.kill()
        tree.succeed(successor)
        _collecting(tree)
        assert tree.stop() == 0


def _collecting(tree: LoopbackTree) -> None:
    def all_collect() -> bool:
        view = tree.view()
        rows = [row for row in view.processes if row.kind in {"swing", "scalp"}] if view else []
        return bool(rows) and all(row.records_total and row.state == "running" for row in rows)

    until(all_collect, "not everything collects", tree.log)


def _names_predecessor(tree: LoopbackTree) -> bool:
    return f"is held by process {tree.process.pid} (supervisor)" in tree.log()


def _open_gaps(tree: LoopbackTree) -> int:
    view = tree.view()
    return 1 if view is None else sum(row.open_gaps for row in view.processes)


def _longest_pause_s(data: Path) -> float:
    """Return the longest time without a received observation of any shard.

    The gap records reach further back than that: whatever may have been on its way lies in them as well.
    """
    received: dict[str, list[int]] = defaultdict(list)
    for observation in read_jsonl(data).observations:
        received[observation.key[0]].append(observation.received_ns)
    return max(after - before for times in received.values() for before, after in pairwise(sorted(times))) / NS_PER_S
