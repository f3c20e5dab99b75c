"""The virtual host from end to end: one call in 1.1 seconds, symbol by symbol, and not one of them refused."""

from pathlib import Path

import pytest

from tests.fixtures.loopback_tree import LoopbackTree, moment
from tests.fixtures.supervised import until
from tests.soak.measures import fault

pytestmark = pytest.mark.process

CALLS = 6


def _calls(tree: LoopbackTree) -> int:
    return int(tree.stats()["requests"].get("inquire-price", 0))


def test_the_virtual_host_is_asked_symbol_by_symbol_and_never_too_often(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", swing_shards=2, environment={"KIS_VIRTUAL": "true"}) as tree:
        fault(tree, virtual=True)
        tree.collecting(2)
        before, begun = _calls(tree), moment()
        until(lambda: _calls(tree) >= before + CALLS, "no calls", tree.log)
        # The first of them may follow at once.
        assert moment() - begun >= (CALLS - 1) * 1.1 - 0.3
        stats = tree.stats()
        assert stats["rest_limit_refusals"] == 0
        assert "intstock-multprice" not in stats["requests"]
