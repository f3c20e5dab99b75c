"""Hot reload under load, on the whole system: 50 symbols more and 30 less, eight broken files, the next good one.

Judged from outside: by the archive's own lines for the first record of a new symbol, by the view for restarts.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.market.universe import hottest
from observer_core.services.assignment import read_assignment
from observer_core.services.universe_files import Outcome, newest_universe, read_outcome
from supervisor.demo_run import DemoRun
from tests.fixtures.journals import wait_until
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.universe_files import broken_files, config_text, save_by_rename

pytestmark = pytest.mark.process

ADDED, REMOVED = 50, 30
FIRST_RECORD_LIMIT_S = 5.0
MOVED_LIMIT = 1.2


@pytest.fixture
def run(tmp_path: Path) -> Iterator[DemoRun]:
    with DemoRun(tmp_path / "demo", symbols=2000) as demo:
        demo.paths.config.mkdir(parents=True, exist_ok=True)
        (demo.paths.config / "universe.toml").write_text(config_text(top=1900))
        demo.start()
        demo.wait_collecting()
        yield demo


def first_records(data: Path, symbols: set[str]) -> dict[str, int]:
    """Return symbol → receive time of its first quote in the archive."""
    found: dict[str, int] = {}
    for path in sorted((data / "swing").rglob("*.jsonl")):
        for raw in path.read_bytes().split(b"\n")[:-1]:
            line = json.loads(raw)
            if line["kind"] == "quote" and line["symbol"] in symbols:
                found[line["symbol"]] = min(line["received_ns"], found.get(line["symbol"], line["received_ns"]))
    return found


def outcome_of(run: DemoRun, state: str, text: str = "") -> Outcome:
    """Wait for an outcome and return it."""

    def reached() -> bool:
        outcome = read_outcome(run.paths)
        return outcome is not None and outcome.state == state and text in outcome.text

    wait_until(reached, f"{state} {text}: {read_outcome(run.paths)}")
    outcome = read_outcome(run.paths)
    assert outcome is not None
    return outcome


def lives(run: DemoRun) -> dict[str, tuple[int | None, int]]:
    """Return process → pid and restarts."""
    wait_until(lambda: run.view() is not None, "the hub answers")
    view = run.view()
    assert view is not None
    return {row.name: (row.pid, row.restarts) for row in view.processes}


def observerctl(run: DemoRun, *arguments: str) -> str:
    """Run `observerctl universe` against the demo and return what it printed."""
    paths = run.paths
    environment = {
        **os.environ,
        "OBSERVER_DATA_DIR": str(paths.data),
        "OBSERVER_LOG_DIR": str(paths.logs),
        "OBSERVER_CONFIG_DIR": str(paths.config),
        "OBSERVER_RUN_DIR": str(paths.run),
    }
    command = [sys.executable, "-m", "observer_core.cli.observerctl", "universe", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def first_trade_ns(data: Path, symbol: str) -> int | None:
    """Return the receive time of a symbol's first trade in the archive."""
    for path in sorted((data / "scalp").rglob("*.jsonl")):
        for raw in path.read_bytes().split(b"\n")[:-1]:
            line = json.loads(raw)
            if line["kind"] == "trade" and line["symbol"] == symbol:
                return int(line["received_ns"])
    return None


def test_a_pinned_symbol_takes_a_place_in_the_open_stream(run: DemoRun) -> None:
    universe = newest_universe(run.paths)
    assert universe is not None
    streams = read_assignment(run.paths)
    assert streams is not None
    held = {symbol for symbols in streams.scalp.values() for symbol in symbols}
    wanted = next(symbol for symbol in hottest(universe) if symbol not in held)
    lives_before = lives(run)

    slow = slowness()
    asked_ns = SystemClock().now_ns()
    printed = observerctl(run, "pin", wanted, "--reason", "the test wants it", "--operator", "lee")
    assert f"pin {wanted} by lee: the test wants it" in printed
    assert "verified: every shard has its symbols" in printed
    wait_until(lambda: first_trade_ns(run.paths.data, wanted) is not None, f"a trade of {wanted}")
    first_ns = first_trade_ns(run.paths.data, wanted)
    assert first_ns is not None
    assert (first_ns - asked_ns) / NS_PER_S <= FIRST_RECORD_LIMIT_S * max(slow, slowness())
    shown = json.loads(observerctl(run, "show", "--json"))
    assert shown["rules"]["pins"] == [wanted]
    assert shown["streams"]["scalp-0"][0] == wanted

    observerctl(run, "unpin", wanted, "--reason", "enough")
    back = read_assignment(run.paths)
    assert back is not None
    assert {symbol for symbols in back.scalp.values() for symbol in symbols} == held
    assert lives(run) == lives_before
    assert run.stop() == 0
    books = run.balance()
    assert books.balanced, books.table()


def test_fifty_more_and_thirty_less_while_everything_runs(run: DemoRun) -> None:
    before = newest_universe(run.paths)
    assert before is not None
    assert len(before.members) == 1900
    lives_before = lives(run)
    removed = [member.code for member in before.members[:: 1900 // REMOVED]][:REMOVED]

    slow = slowness()
    # The rule keeps 1,900: what is excluded makes room, so the top grows by what is to be added.
    saved_ns = save_by_rename(run.paths.universe_config, config_text(top=1900 - REMOVED + ADDED, exclude=removed))
    applied = outcome_of(run, "applied", "universe reload")
    plan = applied.plan
    assert plan is not None
    assert (len(plan.added), len(plan.removed), plan.restarts) == (ADDED, REMOVED, 0)
    assert set(plan.removed) == set(removed)
    assert len(plan.moved) + ADDED + REMOVED <= MOVED_LIMIT * (ADDED + REMOVED)

    wait_until(lambda: len(first_records(run.paths.data, set(plan.added))) == ADDED, "first records of new symbols")
    slowest_s = (max(first_records(run.paths.data, set(plan.added)).values()) - saved_ns) / NS_PER_S
    assert slowest_s <= FIRST_RECORD_LIMIT_S * max(slow, slowness())
    assert lives(run) == lives_before

    in_force = (run.paths.state / "assignment.json").read_bytes()
    for kind, line, breaks in broken_files(config_text(top=1920, exclude=removed)):
        breaks(run.paths.universe_config)
        outcome = outcome_of(run, "refused" if kind == "0 symbols" else "invalid")
        (problem, *_rest) = outcome.problems
        assert problem.startswith(f"universe.toml:{line}: "), (kind, problem)
        assert (run.paths.state / "assignment.json").read_bytes() == in_force, kind
        save_by_rename(run.paths.universe_config, config_text(top=1920, exclude=removed))
        outcome_of(run, "unchanged", "in force already")

    save_by_rename(run.paths.universe_config, config_text(top=1921, exclude=removed))
    outcome_of(run, "applied", "1,920 -> 1,921 symbols (+1 -0)")
    assert lives(run) == lives_before
    assert run.stop() == 0
    books = run.balance()
    assert books.balanced, books.table()
