"""What the console may import when: plain output without Textual, the first screen without dialogs."""

import subprocess
import sys

import pytest

from tests.fixtures.terminal import ROOT

pytestmark = pytest.mark.console

LISTING = "import sys; print('\\n'.join(sorted(sys.modules)))"


RUN = "import sys, observer_tui.__main__ as m\nsys.argv = ['observer-tui', *{arguments}]\nm.main()"
ONCE = RUN.format(arguments=["--once", "--run-dir", "/nowhere", "--wait", "0"])


def loaded_after(code: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LISTING}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import observer_tui.__main__",
        "import observer_tui.plain, observer_tui.view_feed",
        ONCE,
    ],
)  # fmt: skip
def test_plain_output_does_not_load_textual(code: str) -> None:
    assert "textual" not in loaded_after(code)


def test_version_loads_neither_textual_nor_zeromq() -> None:
    code = "import contextlib
" + RUN.format(arguments=["--version"]).replace("m.main()", "with contextlib.suppress(SystemExit): m.main()")
    assert not loaded_after(code) & {"textual", "zmq"}


def test_the_first_screen_does_not_load_dialogs() -> None:
    loaded = loaded_after("import observer_tui.app")
    assert not loaded & {"observer_tui.widgets.dialogs", "observer_tui.widgets.prompt"}
