"""Operators' orders on their real way: hub, pipe, supervisor, child, and back."""

import os
import signal
from pathlib import Path

import pytest

from observer_core.orders import Order, Verb
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.supervised import SupervisedTree, alive, until

pytestmark = pytest.mark.process

CHILDREN = {"swing-0": ("swing", "worker"), "swing-1": ("swing", "worker"), "hub": ("hub", "hub")}


def _order(ticket: str, verb: Verb, target: str, generation: int | None = None) -> Order:
    return Order(ticket=ticket, verb=verb, target=target, who="kim", reason="a test", generation=generation)


def test_restart_of_one_touches_no_other(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, CHILDREN) as tree:
        before = {name: tree.started(name)["pid"] for name in CHILDREN}
        tree.order(_order("t-1", Verb.RESTART, "swing-0", generation=1))
        done = tree.ticket("t-1", "done")
        after = tree.started("swing-0", 2)["pid"]
        assert [one["state"] for one in tree.heard("ticket") if one["ticket"] == "t-1"] == [
            "accepted",
            "running",
            "done",
        ]
        assert str(after) in done["text"]
        assert done["who"] == "kim"
        assert tree.entries("swing-0", "stop")[0]["pid"] == before["swing-0"]
        assert alive(before["swing-1"])
        assert alive(before["hub"])
        assert len(tree.entries("swing-1", "start")) == 1


def test_restart_into_a_crash_is_told_as_failed(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, {"swing-0": ("swing", "crash"), "hub": ("hub", "hub")}) as tree:
        tree.started("swing-0")
        tree.started("hub")
        (tmp_path / "data" / "crash").touch()
        tree.order(_order("t-1", Verb.RESTART, "swing-0"))
        assert "exit code 1 FAILED" in tree.ticket("t-1", "failed")["text"]


def test_orders_that_cannot_be_carried_out_say_why(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, CHILDREN) as tree:
        for name in CHILDREN:
            tree.started(name)
        tree.order(_order("t-stale", Verb.RESTART, "swing-0", generation=7))
        tree.order(_order("t-unknown", Verb.RESTART, "swing-9"))
        tree.order(_order("t-hub", Verb.PAUSE, "hub"))
        assert "started again since" in tree.ticket("t-stale", "refused")["text"]
        assert "there are swing-0, swing-1, hub" in tree.ticket("t-unknown", "refused")["text"]
        assert "does not collect" in tree.ticket("t-hub", "refused")["text"]
        assert all(len(tree.entries(name, "start")) == 1 for name in CHILDREN)


def test_restart_of_the_hub_is_answered_by_the_next_hub(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, CHILDREN) as tree:
        for name in CHILDREN:
            tree.started(name)
        tree.order(_order("t-hub", Verb.RESTART, "hub"))
        second = tree.started("hub", 2)["pid"]
        tree.ticket("t-hub", "done")
        heard = [entry for entry in tree.entries("hub", "heard") if entry["message"].get("ticket") == "t-hub"]
        assert heard[-1]["pid"] == second
        assert len(tree.entries("swing-0", "start")) == 1


def test_pause_outlives_the_child_and_the_supervisor(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, CHILDREN) as tree:
        for name in CHILDREN:
            tree.started(name)
        tree.order(_order("t-1", Verb.PAUSE, "swing-0"))
        tree.ticket("t-1", "done")
        until(lambda: bool(tree.entries("swing-0", "pause")), "the child is not told", tree.log)
        os.kill(tree.started("swing-0")["pid"], signal.SIGKILL)
        assert tree.started("swing-0", 2)["paused"] is True
        until(lambda: '"paused":true' in _memory(tmp_path), "not remembered", lambda: _memory(tmp_path))
        tree.process.kill()
        tree.process.wait(PATIENCE_S)
        tree.start()
        assert tree.started("swing-0", 3)["paused"] is True
        assert tree.started("swing-1", 2)["paused"] is False
        tree.started("hub", 2)
        tree.order(_order("t-2", Verb.RESUME, "swing-0"))
        until(lambda: bool(tree.entries("swing-0", "resume")), "the child is not told", tree.log)
        os.kill(tree.entries("swing-0", "start")[-1]["pid"], signal.SIGKILL)
        assert tree.started("swing-0", 4)["paused"] is False


def test_quarantine_outlives_the_supervisor_and_an_order_ends_it(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "crash"), "hub": ("hub", "hub")}
    (tmp_path / "data").mkdir()
    crash = tmp_path / "data" / "crash"
    crash.touch()
    with SupervisedTree(tmp_path, children, backoff_base_s=0.01, crash_deaths=3) as tree:
        until(lambda: "quarantined" in tree.log() and '"reason":"3 deaths' in _memory(tmp_path), "none", tree.log)
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == 0
        tree.start()
        tree.started("hub", 2)
        until(lambda: "event_name=process_held child=swing-0" in tree.log(), "not held", tree.log)
        assert len(tree.entries("swing-0", "start")) == 3
        crash.unlink()
        tree.order(_order("t-1", Verb.RESTART, "swing-0"))
        tree.ticket("t-1", "done")
        assert len(tree.entries("swing-0", "start")) >= 4


def test_hub_that_reads_nothing_or_dies_does_not_matter(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "nothing"), "hub": ("hub", "deaf_hub")}
    with SupervisedTree(tmp_path, children, stable_after_s=0.0) as tree:
        # Each death makes several notices; so many fill the pipe and the queue behind it.
        for life in range(1, 200):
            os.kill(tree.started("swing-0", life)["pid"], signal.SIGKILL)
        os.kill(tree.started("hub")["pid"], signal.SIGKILL)
        tree.started("hub", 2)
        os.kill(tree.started("swing-0", 200)["pid"], signal.SIGKILL)
        tree.started("swing-0", 201)
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == 0


def _memory(directory: Path) -> str:
    try:
        return (directory / "data" / "state" / "supervisor.json").read_text()
    except FileNotFoundError:
        return ""
