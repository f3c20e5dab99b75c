"""The chaos suite in its short form: both legs of one seed, and an outage of Postgres in each of its kinds."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.faults import FAMILIES, load_families
from tests.chaos.outage import KINDS, measure_outage
from tests.chaos.system import ChaosSystem

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
FAULTED_S = 25.0
QUIET_S = 4.0
OUTAGE_S = 6.0
SHORT_RUN_TOLERANCE = 0.25
"""Of a rate measured over a few seconds, from two sources that are not read at the same instant."""


def test_every_family_brings_faults() -> None:
    modules = {fault.inject.__module__ for fault in load_families().values()}
    assert modules == {f"tests.chaos.{family}" for family in FAMILIES}


def test_one_short_seed_and_its_controls(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seed", "6172", "--symbols", "600", "--directory", str(tmp_path)]
    times = ["--duration", str(FAULTED_S), "--quiet-duration", str(QUIET_S)]
    done = subprocess.run([*command, *times], cwd=ROOT, capture_output=True, text=True, timeout=560, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("red, as it must be") == 5
    assert "kill -9" in done.stdout


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_outage_of_postgres_is_no_event(kind: str, tmp_path: Path) -> None:
    with ChaosSystem(tmp_path / "demo", symbols=300) as system:
        system.start()
        system.wait_collecting()
        outcome = measure_outage(system, kind, OUTAGE_S, baseline_s=4.0)
    assert not outcome.problems(SHORT_RUN_TOLERANCE), outcome.text()


def test_the_server_may_come_after_us(tmp_path: Path) -> None:
    with ChaosSystem(tmp_path / "demo", symbols=300) as system:
        system.database_proxy.refuse()
        system.start()
        system.wait_collecting()
        writer = next(row for row in system.rows() if row.name == "postgres")
        assert writer.state == "running"
        system.database_proxy.restore()
        while system.unwell(0):
            system.sleep(0.1)
        assert system.stop() == 0
        books = system.balance()
    assert books.balanced, books.table()
    assert books.rows["quote"] == books.archived["quote"] > 0
