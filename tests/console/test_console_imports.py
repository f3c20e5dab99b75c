"""What the console may import when: plain output without Textual, the first screen without dialogs."""

import subprocess
import sys

import pytest

from tests.fixtures.terminal import ROOT

pytestmark = pytest.mark.console

RUN = """
import contextlib, sys
import observer_tui.__main__ as console
sys.argv = ["observer-tui", *{arguments}]
with contextlib.suppress(SystemExit):
    console.main()
"""


def loaded_after(code: str) -> set[str]:
    listing = "import sys; print('MODULES', *sorted(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{listing}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.rpartition("MODULES")[2].split())


def test_the_plain_modules_do_not_load_textual() -> None:
    assert "textual" not in loaded_after("import observer_tui.__main__, observer_tui.plain, observer_tui.view_feed")


def test_once_does_not_load_textual() -> None:
    loaded = loaded_after(RUN.format(arguments=["--once", "--run-dir", "/nowhere", "--wait", "0"]))
    assert "zmq" in loaded
    assert "textual" not in loaded


def test_version_loads_neither_textual_nor_zeromq() -> None:
    assert not loaded_after(RUN.format(arguments=["--version"])) & {"textual", "zmq"}


def test_the_first_screen_does_not_load_dialogs() -> None:
    assert not loaded_after("import observer_tui.app") & {"observer_tui.widgets.dialogs", "observer_tui.widgets.prompt"}
