"""A day that calendar and broker call closed: shards rest, until the tape says otherwise; then everybody collects."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from observer_core.clock import SystemClock, kst_datetime
from observer_core.services.calendar_check import ASK_FROM_HOUR
from observer_core.view import ProcessRow
from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.supervised import until

pytestmark = pytest.mark.process

INTERVAL_S = 6
ENVIRONMENT = {"OBSERVER_FORCE_OPEN": "false", "OBSERVER_CLOSED_SWEEP_INTERVAL_S": str(INTERVAL_S)}


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[LoopbackTree]:
    today = kst_datetime(SystemClock().now_ns()).date()
    made = LoopbackTree(tmp_path / "tree", environment=ENVIRONMENT)
    made.paths.config.mkdir(parents=True)
    made.paths.calendar_overrides.write_text(f'[[day]]\nday = {today}\naction = "close"\nreason = "test"\n')
    until((made.directory / "exchange.json").exists, "the exchange does not start")
    body = json.dumps({"announced_holidays": [str(today)]}).encode()
    with urllib.request.urlopen(f"{made.control_url}/faults", data=body, timeout=PATIENCE_S):  # noqa: S310 - loopback
        pass
    with made:
        yield made


def row(tree: LoopbackTree, name: str) -> ProcessRow | None:
    view = tree.view()
    return next((found for found in view.processes if found.name == name), None) if view else None


def events(tree: LoopbackTree, name: str) -> list[dict[str, Any]]:
    lines = [
        json.loads(raw)
        for path in sorted((tree.paths.data / "system").rglob("*.jsonl"))
        for raw in path.read_bytes().split(b"\n")[:-1]
    ]
    return [line for line in lines if line["kind"] == "event" and line["name"] == name]


def test_shards_rest_on_a_closed_day_until_trades_arrive_and_one_alarm_says_so(tree: LoopbackTree) -> None:
    def resting() -> bool:
        swing, scalp = row(tree, "swing-0"), row(tree, "scalp-0")
        return (
            swing is not None
            and scalp is not None
            and swing.note == f"market closed: a sweep every {INTERVAL_S} s"
            and scalp.note.startswith("market closed until ")
            and scalp.state == "running"
        )

    until(resting, "the shards do not rest", tree.log)

    # The simulated exchange trades nevertheless: the second sweep sees it.
    def collecting() -> bool:
        swing, scalp = row(tree, "swing-0"), row(tree, "scalp-0")
        return bool(swing and scalp and swing.records_total > 500 and scalp.records_total)

    until(collecting, "the shards do not wake up", tree.log)
    until(lambda: bool(events(tree, "calendar_disagreement")), "no alarm", tree.log)
    assert tree.stop() == 0
    (alarm,) = events(tree, "calendar_disagreement")
    assert alarm["severity"] == "error"
    votes = {path.name.partition("-")[2] for path in tree.paths.calendar_votes.iterdir()}
    # The broker is asked from six in the morning on.
    asked = "broker-closed" in votes
    assert asked or kst_datetime(alarm["at_ns"]).hour < ASK_FROM_HOUR
    closed_for = "calendar and broker say closed" if asked else "calendar says closed"
    assert f"tape says open, {closed_for}: collecting (override: test)" in alarm["text"]
    assert votes - {"broker-closed"} == {"tape-trades"}
