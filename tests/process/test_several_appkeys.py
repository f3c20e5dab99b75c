"""Two appkeys end to end: a bucket, a session and slots each; a key in use elsewhere is waited for, not stormed."""

from pathlib import Path

import pytest

from observer_core.pacing.connect import CONNECTS
from observer_core.services.assignment import read_assignment
from observer_core.view import ProcessRow
from tests.fixtures.loopback_tree import LoopbackTree, moment
from tests.fixtures.supervised import until
from tests.soak.measures import counts, fault

pytestmark = pytest.mark.process

LIMIT_PER_S = 18
SECOND = {"KIS_APP_KEY_2": "K" * 36, "KIS_APP_SECRET_2": "S" * 180}
MEASURED_S = 5.0


def _row(tree: LoopbackTree, name: str) -> ProcessRow | None:
    view = tree.view()
    return next((row for row in view.processes if row.name == name), None) if view else None


def _streams(tree: LoopbackTree) -> bool:
    return list(tree.stats()["sessions_now"].values()) == [1, 1]


def test_each_appkey_brings_a_bucket_a_session_and_slots(tmp_path: Path) -> None:
    plan = {"symbols": 400, "swing_shards": 2, "rest_limit_per_s": LIMIT_PER_S, "broker_limit": LIMIT_PER_S}
    with LoopbackTree(tmp_path / "tree", environment=SECOND, **plan) as tree:
        tree.collecting(2)
        until(lambda: _streams(tree), "two sessions do not come", tree.log)
        stats = tree.stats()
        assert stats["tokens_issued"] == 2
        assert list(stats["sessions_maximum"].values()) == [1, 1]
        assignment = read_assignment(tree.paths)
        assert assignment is not None
        first, second = (set(assignment.scalp[name]) for name in sorted(assignment.scalp))
        assert (len(first), len(second), first & second) == (41, 41, set())
        # More than one key ever allows, and neither key refused a call.
        until(lambda: _calls_per_s(tree) > LIMIT_PER_S, "two keys bring no more calls than one", tree.log)
        assert counts(tree).refused == 0
        view = tree.view()
        assert view is not None
        assert len(view.budgets) == 2

        # The appkeys stay taken for a while after a cut: OPSP8996 until they are free.
        connects = stats["connects_by_appkey"]
        fault(tree, session_linger_s=6.0, drop_sessions="abort")
        until(lambda: tree.stats()["acks"].get("OPSP8996", 0) > 0, "the keys are not in use", tree.log)
        until(lambda: _streams(tree) and _told(tree), "the streams do not come back", tree.log)
        tried = {key: number - connects[key] for key, number in tree.stats()["connects_by_appkey"].items()}
        assert all(number <= CONNECTS for number in tried.values()), tried
        assert tree.stop() == 0


def _calls_per_s(tree: LoopbackTree) -> float:
    before = counts(tree)
    until(lambda: moment() - before.at_s > MEASURED_S, "time stands still")
    after = counts(tree)
    return (after.calls - before.calls) / (after.at_s - before.at_s)


def _told(tree: LoopbackTree) -> bool:
    rows = [_row(tree, name) for name in ("scalp-0", "scalp-1")]
    return any(row is not None and "OPSP8996" in row.reconnects_by_cause for row in rows) and all(
        row is not None and row.note == "" for row in rows
    )
