"""The console's gates: prints a table of it beside htop and btop, fails where a hard limit is broken."""

import sys
from pathlib import Path

import pytest

from tests.bench.console import cost_table, gate_table, measured_gates

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]


def test_console_gates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    costs, gates = measured_gates(tmp_path)
    with capsys.disabled():
        sys.stdout.write(f"\n{cost_table(costs)}\n{gate_table(gates)}")
    assert [gate for gate in gates if not gate.held] == []
