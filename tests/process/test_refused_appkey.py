"""An appkey that the broker refuses is an alarm, once a shard, and neither a crash loop nor a flood of calls."""

from pathlib import Path

import pytest

from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.supervised import until
from tests.soak.measures import fault

pytestmark = pytest.mark.process


def _alarms(tree: LoopbackTree) -> list[tuple[str, str]]:
    view = tree.view()
    return [(event.subject, event.text) for event in view.events if event.name == "appkey_refused"] if view else []


@pytest.mark.parametrize("code", ["EGW00103", "EGW00105"])
def test_a_refused_appkey_raises_one_alarm_a_shard(code: str, tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", swing_shards=2) as tree:
        tree.collecting(2)
        before = tree.pids()
        fault(tree, rest_error_code=code)
        until(lambda: {name for name, _ in _alarms(tree)} >= {"swing-0", "swing-1"}, "no alarm", tree.log)
        calls = tree.stats()["requests"]["intstock-multprice"]
        assert all(code in text for _, text in _alarms(tree))
        assert len(_alarms(tree)) == 2
        # It pauses instead of asking on: nobody hammers a broker that refuses the key.
        assert tree.stats()["requests"]["intstock-multprice"] - calls <= 2
        assert tree.pids() == before
