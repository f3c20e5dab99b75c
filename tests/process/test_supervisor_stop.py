"""The end of the tree: in order, under one deadline, with the supervisor or after it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from observer_core.exit_codes import ExitCode
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.supervised import REPOSITORY, SupervisedTree, alive, children_of, until

pytestmark = pytest.mark.process

FULL = {
    "swing-0": ("swing", "worker"),
    "scalp-0": ("scalp", "worker"),
    "jsonl": ("writer", "worker"),
    "hub": ("hub", "hub"),
    "maintenance": ("maintenance", "worker"),
    "exchange": ("exchange", "worker"),
}


def _all_started(tree: SupervisedTree, children: dict[str, tuple[str, str]]) -> dict[str, int]:
    return {name: tree.started(name)["pid"] for name in children}


def test_start_and_stop_follow_the_order_of_dependence(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, FULL, start_patience_s=PATIENCE_S, stop_deadline_s=PATIENCE_S) as tree:
        _all_started(tree, FULL)
        began = {name: tree.entries(name, "start")[0]["at_ns"] for name in FULL}
        assert began["exchange"] < began["hub"] < began["jsonl"] < began["maintenance"] < began["swing-0"]
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == ExitCode.OK
        ended = {name: tree.entries(name, "stop")[0]["at_ns"] for name in FULL}
        shards = max(ended["swing-0"], ended["scalp-0"])
        assert shards < ended["maintenance"] < ended["jsonl"] < ended["hub"] < ended["exchange"]


def test_child_that_does_not_stop_is_killed_in_time_and_told_about(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "stubborn"), "jsonl": ("writer", "worker")}
    with SupervisedTree(tmp_path, children, stop_deadline_s=4) as tree:
        pids = _all_started(tree, children)
        began = time.monotonic()  # noqa: TID251
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == ExitCode.UNCLEAN
        assert time.monotonic() - began < 4  # noqa: TID251
        assert not any(alive(pid) for pid in pids.values())
        # The writer still had its turn, after the shard and in peace.
        assert tree.entries("jsonl", "stop")
        assert "not clean: swing-0" in tree.log()


def test_second_signal_hurries(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "stubborn"), "swing-1": ("swing", "worker")}
    with SupervisedTree(tmp_path, children, stop_deadline_s=30, hurry_s=0.3) as tree:
        _all_started(tree, children)
        tree.process.send_signal(signal.SIGTERM)
        until(lambda: bool(tree.entries("swing-1", "stop")), "not stopping", tree.log)
        assert tree.process.poll() is None
        tree.process.send_signal(signal.SIGINT)
        assert tree.process.wait(20) == ExitCode.UNCLEAN


def test_stopped_child_still_drains(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, {"swing-0": ("swing", "worker")}) as tree:
        os.kill(tree.started("swing-0")["pid"], signal.SIGSTOP)
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == ExitCode.OK
        assert tree.entries("swing-0", "stop")


def test_nobody_outlives_a_killed_supervisor_and_the_next_takes_over(tmp_path: Path) -> None:
    children = {**FULL, "swing-1": ("swing", "stubborn")}
    with SupervisedTree(tmp_path, children) as tree:
        pids = _all_started(tree, children)
        tree.process.kill()
        tree.process.wait(PATIENCE_S)
        until(lambda: not any(alive(pid) for pid in pids.values()), "a child lives on", deadline_s=2 * slowness())
        tree.start()
        for name in children:
            tree.started(name, 2)


def test_second_instance_is_refused_by_name(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "worker")}
    with SupervisedTree(tmp_path, children) as tree:
        first = tree.started("swing-0")["pid"]
        second = subprocess.run(
            [sys.executable, "-m", "tests.fixtures.supervised", str(tmp_path / "plan.json")],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert second.returncode == ExitCode.LOCKED
        assert f"process {tree.process.pid} (supervisor)" in second.stderr
        assert str(tmp_path / "data") in second.stderr
        assert alive(first)
        assert len(tree.entries("swing-0", "start")) == 1


def test_storm_of_signals_changes_nothing(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "worker"), "jsonl": ("writer", "worker")}
    with SupervisedTree(tmp_path, children) as tree:
        pids = _all_started(tree, children)
        for _ in range(2_000):
            tree.process.send_signal(signal.SIGCHLD)
            tree.process.send_signal(signal.SIGHUP)
        until(lambda: bool(tree.entries("swing-0", "reload")), "not reloaded", tree.log)
        assert all(alive(pid) for pid in pids.values())
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == ExitCode.OK
        assert {name: len(tree.entries(name, "start")) for name in children} == dict.fromkeys(children, 1)


def test_supervisor_stays_a_parent_that_may_fork(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, FULL) as tree:
        os.kill(_all_started(tree, FULL)["swing-0"], signal.SIGKILL)
        tree.started("swing-0", 2)
        own = Path(f"/proc/{tree.process.pid}")
        targets = [str(fd.readlink()) for fd in (own / "fd").iterdir()]
        assert len(list((own / "task").iterdir())) == 1
        assert not [target for target in targets if target.startswith("socket:") or "event" in target], targets
        until(lambda: "Z" not in children_of(tree.process.pid).values(), "a zombie stays")


def test_services_are_imported_without_thread_context_or_socket() -> None:
    check = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.fixtures.supervised import settings_in\n"
        "from supervisor.children import compose, preload\n"
        "preload(compose(settings_in(Path('/nonexistent'))))\n"
        "import zmq, asyncio\n"
        "assert 'observer_core.services.swing' in sys.modules, 'swing'\n"
        "assert 'observer_core.services.hub' in sys.modules, 'hub'\n"
        "assert zmq.Context._instance is None\n"
        "assert len(os.listdir('/proc/self/task')) == 1, 'threads'\n"
        "links = [str(fd.readlink()) for fd in Path('/proc/self/fd').iterdir() if fd.exists()]\n"
        "assert not [link for link in links if link.startswith('socket:') or 'event' in link], links\n"
        "assert 'textual' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
