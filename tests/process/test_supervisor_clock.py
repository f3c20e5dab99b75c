"""A wall clock that is set while everything runs: noticed, written down, and nobody dies of it."""

import os
import signal
from pathlib import Path

import msgspec
import pytest

from observer_core.messages import Event
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.supervised import SupervisedTree, until

pytestmark = pytest.mark.process

HOUR_S = 3600.0
CHILDREN = {"swing-0": ("swing", "worker"), "jsonl": ("writer", "worker"), "hub": ("hub", "hub")}


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
def test_a_step_is_an_event_and_no_death(tmp_path: Path, step_s: float) -> None:
    slow = slowness()
    with SupervisedTree(tmp_path, CHILDREN, hang_after_s=2.0 * slow, stable_after_s=0.5) as tree:
        pids = {name: tree.started(name)["pid"] for name in CHILDREN}
        until(lambda: bool(tree.heard("tree")), "the supervisor does not report", tree.log)
        assert not _steps(tree), "an event before any step"
        tree.step_clock(step_s)
        until(lambda: len(_steps(tree)) == 1, "the step is not noticed", tree.log)
        assert _steps(tree)[0].severity == "warning"
        assert f"moved by {step_s:+.0f}" in _steps(tree)[0].text.replace(".0 s", "")
        _outlive(tree, seconds=3 * slow)
        assert {name: tree.started(name)["pid"] for name in CHILDREN} == pids, "somebody was restarted"
        assert len(_steps(tree)) == 1
        # Supervision goes on with the new clock as with the old one: a death is met at once, a hang is found.
        os.kill(pids["swing-0"], signal.SIGKILL)
        tree.started("swing-0", 2)
        os.kill(pids["jsonl"], signal.SIGSTOP)
        tree.started("jsonl", 2)
        tree.step_clock(0)
        until(lambda: len(_steps(tree)) == 2, "the step back is not noticed", tree.log)
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == 0


def test_a_back_off_keeps_its_length_over_a_step(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(parents=True)
    (tmp_path / "data" / "crash").touch()
    children = {"swing-0": ("swing", "crash"), "hub": ("hub", "hub")}
    with SupervisedTree(tmp_path, children, backoff_base_s=1.0, backoff_cap_s=1.0, crash_deaths=100) as tree:
        tree.started("swing-0", 2)
        tree.step_clock(-HOUR_S)
        started = tree.started("swing-0", 4)["at_ns"]
        fourth, third = started, tree.entries("swing-0", "start")[2]["at_ns"]
        assert 0.9e9 <= fourth - third <= 3e9 * slowness()


def _steps(tree: SupervisedTree) -> list[Event]:
    events = [msgspec.convert(message["event"], Event) for message in tree.heard("notice")]
    return [event for event in events if event.name == "clock_step"]


def _outlive(tree: SupervisedTree, seconds: float) -> None:
    """Wait for so many seconds' worth of the supervisor's reports."""
    before = len(tree.heard("tree"))
    until(lambda: len(tree.heard("tree")) >= before + seconds, "no reports any more", tree.log)
