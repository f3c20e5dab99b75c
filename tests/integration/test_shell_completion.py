"""Completion of observerctl in a real shell: commands, options, and the processes that a real hub knows."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.hub import HubProcess, process_report, short_directory, tree_of
from tests.fixtures.patience import PATIENCE_S

pytestmark = pytest.mark.integration

PROGRAMS = Path(sys.executable).parent


def environment(**more: str) -> dict[str, str]:
    return {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "TERM": "dumb", **more}


def observerctl(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["observerctl", *words],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def completed(line: str, run_directory: Path) -> list[str]:
    """Return what bash offers at the end of a line, by the script that the program prints."""
    words = line.split(" ")
    text = (
        "source <(observerctl --show-completion bash)\n"
        f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}\n"
        "_observerctl_completion observerctl\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", text], env=environment(OBSERVER_RUN_DIR=str(run_directory)), capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.split()


def test_a_shell_completes_commands_options_and_the_names_of_processes() -> None:
    with short_directory() as directory, HubProcess(directory) as hub:
        hub.tell(tree_of(*(process_report(name) for name in ("swing-0", "swing-1", "scalp-0"))))
        hub.view_when(lambda view: len(view.processes) >= 3, "the tree is known")
        assert completed("observerctl restart sw", hub.paths.run) == ["swing-0", "swing-1"]
        assert completed("observerctl logs sc", hub.paths.run) == ["scalp-0"]
        assert completed("observerctl maint", hub.paths.run) == ["maintenance"]
        assert completed("observerctl maintenance re", hub.paths.run) == ["retention"]
        assert completed("observerctl restart swing-0 --rea", hub.paths.run) == ["--reason"]


def test_without_a_hub_names_are_not_offered_and_nothing_is_said(tmp_path: Path) -> None:
    assert completed("observerctl restart sw", tmp_path / "none") == []


@pytest.mark.parametrize(("shell", "begins"), [("bash", "_observerctl_completion"), ("zsh", "#compdef"),
                                               ("fish", "complete --command observerctl")])  # fmt: skip
def test_the_script_is_printed_for_a_shell_that_is_named(shell: str, begins: str) -> None:
    done = observerctl("--show-completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(begins)


def test_it_is_installed_at_home_or_says_what_else_to_do(tmp_path: Path) -> None:
    done = observerctl("--install-completion", "bash", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    [script] = tmp_path.rglob("observerctl.sh")
    assert "_observerctl_completion" in script.read_text()
    assert str(script) in (tmp_path / ".bashrc").read_text()
    # As in an image whose files cannot be written; root may write to any directory, so it is none.
    (tmp_path / "file").touch()
    refused = observerctl("--install-completion", "bash", HOME=str(tmp_path / "file"))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert refused.stderr.startswith("completion not installed: ")
    assert "source <(observerctl --show-completion bash)" in refused.stderr
    assert observerctl("--show-completion", "tcsh").returncode == 2
