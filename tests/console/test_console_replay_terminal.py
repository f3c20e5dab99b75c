"""`observer-tui --replay` as a program: one instant for scripts, clear refusals, and the screen in a terminal."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from observer_core.chronicle.files import ChronicleWriter
from tests.fixtures.console_feed import view_at
from tests.fixtures.terminal import RESTORED, ROOT, Terminal

pytestmark = pytest.mark.console

DAY = "2026-11-20"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a log directory with a recording from 10:42:00 to 10:45:00."""
    found = tmp_path_factory.mktemp("logs")
    writer = ChronicleWriter(found / "chronicle", 1 << 24)
    writer.write([view_at(second, seq=second + 1) for second in range(181)])
    writer.close()
    return found


def replay(logs: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "observer_tui", "--replay", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"OBSERVER_LOG_DIR": str(logs), "LANG": "C.UTF-8"},
    )


def test_once_prints_that_instant(logs: Path) -> None:
    result = replay(logs, DAY, "--at", "10:44", "--once")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("OBSERVER obs-01 0.1.0  REPLAY 2026-11-20 10:44:00  KRX continuous")
    assert re.search(r"records/s: 1,00\d  symbols: 2,041", result.stdout)
    assert "LIVE" not in result.stdout
    result = replay(logs, DAY, "--at", "10:44", "--once", "--json")
    found = json.loads(result.stdout)
    assert (found["seq"], found["as_of_ns"]) == (121, view_at(120).as_of_ns)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("2026-11-19",), 1, "no recording of 2026-11-19 in {logs}/chronicle: recorded are 2026-11-20"),
        ((DAY, "--at", "09:31"), 1, "2026-11-20 is recorded from 10:42:00 to 10:45:00: 09:31:00 lies outside"),
        (("20261131",), 2, "'20261131' is no day: write it as YYYY-MM-DD"),
        ((DAY, "--at", "9.31"), 2, "'9.31' is no time of the day: write it as HH:MM or HH:MM:SS"),
        ((DAY, "--watch"), 2, "--watch shows what happens now"),
    ],
)
def test_what_cannot_be_shown_is_said(logs: Path, arguments: tuple[str, ...], code: int, text: str) -> None:
    result = replay(logs, *arguments, "--once")
    assert result.returncode == code
    assert text.format(logs=logs) in result.stderr
    assert "Traceback" not in result.stderr


def test_an_empty_log_directory_is_refused_with_the_option(tmp_path: Path, logs: Path) -> None:
    result = replay(tmp_path, DAY, "--once")
    assert result.returncode == 1
    assert f"no recording of {DAY} in {tmp_path}/chronicle: nothing is recorded there yet" in result.stderr
    assert "set OBSERVER_LOG_DIR or --log-dir to the log directory of whoever recorded" in result.stderr
    assert replay(tmp_path, DAY, "--once", "--log-dir", str(logs)).returncode == 0


def test_a_time_without_a_day_is_refused() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "observer_tui", "--at", "09:31"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "--at belongs to --replay" in result.stderr


def test_a_live_console_does_not_pay_for_it() -> None:
    code = "import observer_tui.app, sys; print('zstandard' in sys.modules, 'observer_tui.player' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


def test_the_screen_plays_in_a_terminal(logs: Path) -> None:
    arguments = ["-m", "observer_tui", "--replay", DAY, "--at", "10:43", "--log-dir", str(logs)]
    with Terminal(arguments, width=120, height=32) as terminal:
        terminal.wait_for("REPLAY 2026-11-20 10:43:00 paused")
        terminal.press("]")
        terminal.wait_for("REPLAY 2026-11-20 10:43:10 paused")
        terminal.press(".... ")
        terminal.wait_for(lambda text: re.search(r"REPLAY 2026-11-20 10:4[45]:\d\d x30", text))
        terminal.wait_for("REPLAY 2026-11-20 10:45:00 paused")
        terminal.press(":")
        terminal.wait_for(lambda text: text.splitlines()[-1].strip() == ":")
        terminal.press("at 10:42\r")
        terminal.wait_for("REPLAY 2026-11-20 10:42:00 paused")
        terminal.press("q")
        assert terminal.end() == 0
        assert all(sequence in terminal.raw for sequence in RESTORED.values())
