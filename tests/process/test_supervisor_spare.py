"""The process that is kept ready: a dying shard is replaced by it, and nothing depends on it."""

import os
import signal
from datetime import datetime
from pathlib import Path

import pytest

from observer_core.clock import KST, NS_PER_S, SystemClock
from observer_core.orders import Order, Verb
from tests.fixtures.supervised import SupervisedTree, alive, children_of, until

pytestmark = pytest.mark.process


def spare_of(tree: SupervisedTree) -> int | None:
    """Return the process that waits, None when there is none or it is not through its first steps yet."""
    for pid in children_of(tree.process.pid):
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "spare":
                return pid
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None


def spare(tree: SupervisedTree, other_than: int | None = None) -> int:
    """Wait for a process that waits and return it."""
    until(lambda: spare_of(tree) not in {None, other_than}, "no spare process", tree.log)
    found = spare_of(tree)
    assert found is not None
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_a_killed_shard_is_replaced_by_the_process_that_waits(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "worker"), "swing-1": ("swing", "worker"), "hub": ("hub", "hub")}
    with SupervisedTree(tmp_path, children, stable_after_s=0.02) as tree:
        waiting = spare(tree)
        first = tree.started("swing-1")
        kill(first["pid"])
        second = tree.started("swing-1", 2)
        assert second["pid"] == waiting
        assert second["descriptors"] == first["descriptors"]
        assert Path(f"/proc/{waiting}/comm").read_text().strip() == "swing-1"
        # It is a child like any other: orders reach it, and what was ordered of its predecessor holds.
        tree.order(Order(ticket="t1", verb=Verb.PAUSE, target="swing-1", who="lee", reason="test"))
        until(lambda: bool(tree.entries("swing-1", "pause")), "not paused", tree.log)
        waiting = spare(tree, other_than=waiting)
        kill(second["pid"])
        third = tree.started("swing-1", 3)
        assert third["pid"] == waiting
        assert third["paused"]


def test_nothing_depends_on_the_process_that_waits(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, {"swing-0": ("swing", "worker")}, stable_after_s=0.02) as tree:
        waiting = spare(tree)
        kill(waiting)
        until(lambda: "the process kept ready died" in tree.log(), "its death is not told", tree.log)
        life = tree.started("swing-0")
        kill(life["pid"])
        assert tree.started("swing-0", 2)["pid"] not in {waiting, life["pid"]}
        assert len(tree.entries("swing-0", "start")) == 2


def test_there_is_none_while_the_market_is_closed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    monday_ten = datetime(2026, 11, 23, 10, tzinfo=KST).timestamp() - SystemClock().now_ns() / NS_PER_S
    (tmp_path / "step_s").write_text(str(monday_ten))
    children = {"swing-0": ("swing", "worker")}
    with SupervisedTree(tmp_path, children, {"OBSERVER_FORCE_OPEN": "false"}) as tree:
        waiting = spare(tree)
        tree.step_clock(monday_ten + 13 * 3600)
        os.kill(tree.process.pid, signal.SIGHUP)
        until(lambda: not alive(waiting), "it stays although the market is closed", tree.log)
        assert spare_of(tree) is None
        tree.step_clock(monday_ten + 24 * 3600)
        os.kill(tree.process.pid, signal.SIGHUP)
        spare(tree, other_than=waiting)


def test_the_process_that_waits_ends_with_its_supervisor(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, {"swing-0": ("swing", "worker")}) as tree:
        waiting = spare(tree)
        tree.process.kill()
        until(lambda: not alive(waiting), "it outlives the supervisor", tree.log)
        tree.process.wait(10)
        tree.start()
        waiting = spare(tree)
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(10) == 0
        assert not alive(waiting)
