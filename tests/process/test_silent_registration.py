"""A registration that is acknowledged and brings nothing is found by the volume that REST reports, and renewed."""

from pathlib import Path

import pytest

from observer_core.services.assignment import read_assignment
from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.supervised import until
from tests.soak.measures import fault

pytestmark = pytest.mark.process


def _silent(tree: LoopbackTree) -> list[str]:
    view = tree.view()
    return [event.text for event in view.events if event.name == "registration_silent"] if view else []


def test_a_symbol_that_is_acknowledged_and_silent_is_found(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", environment={"KIS_SYMBOL_SILENCE_S": "3"}) as tree:
        tree.collecting(1)
        assignment = read_assignment(tree.paths)
        assert assignment is not None
        (hottest, *_), *_ = assignment.scalp.values()
        before = tree.stats()["acks"].get("OPSP0001", 0)
        fault(tree, silent_symbols=[hottest])
        until(lambda: any(text.startswith(hottest) for text in _silent(tree)), "not found", tree.log)
        until(lambda: tree.stats()["acks"].get("OPSP0001", 0) > before, "not renewed", tree.log)
        assert {text.split()[0] for text in _silent(tree)} == {hottest}
