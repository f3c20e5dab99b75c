"""The compressed trading day in its short form: every phase, every fault, and the ledger's verdict on it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.completeness_day.controls import CONTROLS

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]


def test_a_day_with_faults_is_complete_or_proved_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.completeness_day", str(tmp_path / "day")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=560, check=False)
    with capsys.disabled():
        sys.stdout.write(f"\n{done.stdout}\n")
    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]
    assert done.stdout.count(": red") == len(CONTROLS)
