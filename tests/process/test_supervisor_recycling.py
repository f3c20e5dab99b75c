"""Processes that hold too much memory: renewed one at a time, nobody else touched, and none of it a failure."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.supervised import LARGE_BYTES, SupervisedTree, until

pytestmark = pytest.mark.process

CHILDREN = {"swing-0": ("swing", "large"), "swing-1": ("swing", "large"), "jsonl": ("writer", "worker")}


def test_too_large_processes_are_renewed_one_at_a_time(tmp_path: Path) -> None:
    limits = {"recycle_memory_bytes": LARGE_BYTES, "measure_s": 0.1, "stable_after_s": 0.3}
    with SupervisedTree(tmp_path, CHILDREN, **limits) as tree:
        for name in ("swing-0", "swing-1"):
            tree.started(name, 3)
        absences = sorted(absence for name in ("swing-0", "swing-1") for absence in _absences(tree, name))
        assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(absences))
        assert len(tree.entries("jsonl", "start")) == 1
        until(lambda: len(_remembered(_memory_file(tmp_path), "swing-0").get("deaths", ())) >= 2, "no tally", tree.log)
        remembered = _remembered(_memory_file(tmp_path), "swing-0")
        assert {cause for _, cause, _ in remembered["deaths"]} == {"recycled"}
        assert "failures" not in remembered, "counted as a failure"
        assert "event_name=process_recycled child=swing-0" in tree.log()


def _absences(tree: SupervisedTree, name: str) -> list[tuple[int, int]]:
    """Return from when until when there was no process that works."""
    stops = [entry["at_ns"] for entry in tree.entries(name, "stop")]
    starts = [entry["at_ns"] for entry in tree.entries(name, "start")][1:]
    return list(zip(stops, starts, strict=False))


def _memory_file(directory: Path) -> Path:
    """Return what the supervisor remembers."""
    return directory / "data" / "state" / "supervisor.json"


def _remembered(file: Path, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text())["children"][name])
    except (FileNotFoundError, KeyError):
        return {}
