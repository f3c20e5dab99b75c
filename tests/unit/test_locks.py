"""Role locks: one holder, named in the refusal, gone with its death."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from observer_core.errors import ProcessError
from observer_core.locks import hold


def test_second_holder_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "swing-0.lock"
    named = rf"held by process {os.getpid()} \(swing-0\)"
    with hold(path, "swing-0"), pytest.raises(ProcessError, match=named):
        hold(path)
    with hold(path) as again:
        assert path.read_text() == f"{os.getpid()} swing-0\n"
    again.close()
    assert path.read_text() == ""


def test_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "hub.lock"
    program = (
        "import sys, pathlib, signal; from observer_core.locks import hold\n"
        "lock = hold(pathlib.Path(sys.argv[1])); print('held', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ProcessError, match=f"process {holder.pid} "):
            hold(path)
        holder.kill()
    hold(path).close()


def test_unusable_place_is_an_error_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProcessError, match=r"supervisor\.lock"):
        hold(tmp_path / "file" / "supervisor.lock")
