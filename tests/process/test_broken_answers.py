"""Answers that a broken front end sends: each kind costs gap records for what it hides, and the sweep goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.mangling_proxy import mangling_proxy
from tests.fixtures.supervised import until

pytestmark = pytest.mark.process

DETAILS = {
    "page-200": "HTTP 200 without the broker's envelope",
    "page-500": "HTTP 500 without the broker's envelope",
    "cut": "without the broker's envelope",
    "drip": "no answer in time",
    "short": "not in the broker's answer",
}


def _gaps(tree: LoopbackTree) -> list[dict[str, Any]]:
    lines = [
        json.loads(line)
        for path in sorted((tree.paths.data / "system").rglob("swing-0.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    return [line for line in lines if line["kind"] == "gap"]


def _open(tree: LoopbackTree) -> set[str]:
    gaps = _gaps(tree)
    return {gap["gap_id"] for gap in gaps} - {gap["gap_id"] for gap in gaps if gap["until_ns"] is not None}


def test_every_kind_of_broken_answer_becomes_gaps_and_passes(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", symbols=60, environment={"KIS_REST_TIMEOUT_S": "1"}) as tree:
        with mangling_proxy(tree.rest_url) as proxy:
            tree.stop()
            tree.change(environment={"KIS_REST_TIMEOUT_S": "1", "KIS_REST_URL": proxy.url})
            tree.start()
            tree.collecting(1)
            pid = tree.pids()["swing-0"]
            for mode, detail in DETAILS.items():
                known = {gap["gap_id"] for gap in _gaps(tree)}

                def recorded(detail: str = detail, known: set[str] = known) -> bool:
                    return any(detail in gap["detail"] and gap["gap_id"] not in known for gap in _gaps(tree))

                proxy.mode = mode
                until(recorded, f"{mode}: no gap", tree.log)
                proxy.mode = ""
                until(lambda: not _open(tree), f"{mode}: the gap stays open", tree.log)
            assert tree.pids()["swing-0"] == pid
            assert tree.stats()["rest_limit_refusals"] == 0
            assert tree.stop() == 0
        gaps = _gaps(tree)
        short = {symbol for gap in gaps if DETAILS["short"] in gap["detail"] for symbol in gap["symbols"]}
        assert short
        assert short <= proxy.left_out
        assert not _open(tree)
