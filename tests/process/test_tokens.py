"""The token while shards sweep: its expiry costs one request and no symbol, a refusal of that request is waited out."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.loopback_tree import LoopbackTree, moment
from tests.fixtures.supervised import until
from tests.soak.measures import fault

pytestmark = pytest.mark.process

SHARDS = 4
PATIENT = {"KIS_REST_TIMEOUT_S": "30"}
"""A call that the machine holds up is no gap here."""


def _age(tree: LoopbackTree) -> None:
    """Make the last token request old, as after a morning's work: the broker's minute has passed."""
    (cache,) = tree.paths.token_cache.glob("token-*.json")
    content = json.loads(cache.read_bytes())
    content["attempted_ns"] -= 120 * 10**9
    replacement = cache.with_suffix(".aged")
    replacement.write_text(json.dumps(content))
    replacement.replace(cache)


def _gaps(tree: LoopbackTree) -> list[dict[str, Any]]:
    files = (tree.paths.data / "system").rglob("swing-*.jsonl")
    lines = (json.loads(line) for path in files for line in path.read_bytes().splitlines())
    return [line for line in lines if line["kind"] == "gap"]


def _swept(tree: LoopbackTree) -> dict[str, int]:
    view = tree.view()
    return {row.name: row.records_total for row in view.processes if row.kind == "swing"} if view else {}


def _goes_on(tree: LoopbackTree) -> None:
    before = _swept(tree)

    def all_went_on() -> bool:
        now = _swept(tree)
        return len(now) == SHARDS and all(now[name] > before.get(name, 0) + 200 for name in now)

    until(all_went_on, "the sweeps do not go on", tree.log)


def test_expiry_in_mid_sweep_costs_one_request_and_a_refused_request_is_waited_out(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", symbols=600, swing_shards=SHARDS, environment=PATIENT) as tree:
        tree.collecting(SHARDS)
        assert tree.stats()["tokens_issued"] == 1
        fault(tree, token_issue_once_a_minute=False)
        _age(tree)
        fault(tree, expire_tokens=True)
        until(lambda: tree.stats()["tokens_issued"] == 2, "no other token", tree.log)
        _goes_on(tree)
        stats = tree.stats()
        assert stats["requests"]["tokenP"] == 2
        assert stats["rest_refusals"].get("EGW00123", 0) >= SHARDS
        view = tree.view()
        assert view is not None
        assert all(row.reauthenticated_total >= 1 for row in view.processes if row.kind == "swing")
        # The calls that were refused were made again: nobody missed anything.
        assert _gaps(tree) == []

        # One request for all is refused: they wait, and nobody asks in a loop.
        fault(tree, rest_error_code="EGW00133", rest_error_endpoint="tokenP")
        _age(tree)
        fault(tree, expire_tokens=True)
        until(lambda: tree.stats()["requests"]["tokenP"] == 3, "nobody asks", tree.log)
        asked_s = moment()
        until(lambda: moment() - asked_s > 8, "time stands still")
        assert tree.stats()["requests"]["tokenP"] == 3
        fault(tree, rest_error_code="", rest_error_endpoint="")
        _age(tree)
        _goes_on(tree)
        assert tree.stats()["requests"]["tokenP"] == 4
        assert tree.stop() == 0
        assert _gaps(tree) == []
