"""Deaths, hangs and crash loops of real children under the real supervisor."""

import os
import signal
import statistics
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.supervised import SupervisedTree, alive, children_of, until

pytestmark = pytest.mark.process


def test_killed_child_is_back_within_milliseconds(tmp_path: Path) -> None:
    tree = SupervisedTree(tmp_path, {"swing-0": ("swing", "nothing")}, stable_after_s=0.02)
    latencies_ms: list[float] = []
    slow = slowness()
    with tree:
        for kills in range(25):
            life = tree.started("swing-0", kills + 1)
            until(partial(_recovered, tree, kills), "not stable", tree.log)
            killed_ns = time.monotonic_ns()  # noqa: TID251 - the same clock as the child's
            os.kill(life["pid"], signal.SIGKILL)
            latencies_ms.append((tree.started("swing-0", kills + 2)["at_ns"] - killed_ns) / 1e6)
    median = statistics.median(latencies_ms)
    sys.stdout.write(
        f"\nkill -9 to first line of the new process: median {median:.1f}, worst {max(latencies_ms):.1f} ms\n"
    )
    assert median <= 25 * max(slow, slowness())


def _recovered(tree: SupervisedTree, times: int) -> bool:
    return tree.log().count("event_name=process_recovered") >= times


def test_crash_loop_is_quarantined_and_harms_nobody_else(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "crash"), "swing-1": ("swing", "worker")}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "crash").touch()
    with SupervisedTree(tmp_path, children, backoff_base_s=0.02, backoff_cap_s=0.1, crash_deaths=5) as tree:
        neighbour = tree.started("swing-1")["pid"]
        until(lambda: "event_name=process_quarantined child=swing-0" in tree.log(), "no quarantine", tree.log)
        assert len(tree.entries("swing-0", "start")) == 5
        assert "5 deaths in a row, the last by exit code 1 FAILED" in tree.log()
        assert [entry["pid"] for entry in tree.entries("swing-1", "start")] == [neighbour]
        assert alive(neighbour)


def test_quarantined_child_is_tried_again_slowly_and_recovers(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    crash = tmp_path / "data" / "crash"
    crash.touch()
    limits = {"backoff_base_s": 0.02, "crash_deaths": 3, "probe_after_s": 0.5, "stable_after_s": 0.1}
    with SupervisedTree(tmp_path, {"swing-0": ("swing", "crash")}, **limits) as tree:
        until(lambda: len(tree.entries("swing-0", "start")) >= 5, "no second probe", tree.log)
        # Every failed probe goes on with the same quarantine: it is announced once.
        assert tree.log().count("event_name=process_quarantined") == 1
        crash.unlink()
        until(lambda: "event_name=process_recovered" in tree.log(), "no recovery", tree.log)


def test_wrong_configuration_is_not_tried_again(tmp_path: Path) -> None:
    children = {"swing-0": ("swing", "misconfigured"), "hub": ("hub", "hub")}
    with SupervisedTree(tmp_path, children, backoff_base_s=0.01) as tree:
        until(lambda: "process_quarantined" in tree.log(), "no quarantine", tree.log)

        def reported() -> list[str]:
            rows = [row for message in tree.heard("tree") for row in message["processes"]]
            return [row["last_exit"] for row in rows if row["name"] == "swing-0" and row["state"] == "quarantined"]

        until(lambda: bool(reported()), "the hub is not told", tree.log)
        assert reported()[-1] == "config: exit code 64 CONFIG: KIS_APP_KEY is empty; set it"
        assert len(tree.entries("swing-0", "start")) == 1


@pytest.mark.parametrize("behaviour", ["busy", "nothing"])
def test_hung_child_leaves_its_stacks_and_is_replaced(tmp_path: Path, behaviour: str) -> None:
    with SupervisedTree(tmp_path, {"swing-0": ("swing", behaviour)}, hang_after_s=1.5, dump_s=1.0) as tree:
        first = tree.started("swing-0")["pid"]
        if behaviour == "nothing":
            # A stopped process can do nothing about anything, not even about a signal.
            os.kill(first, signal.SIGSTOP)
        tree.started("swing-0", 2)
        stacks = (tmp_path / "logs" / "swing-0.stacks").read_text()
        assert f"in _{'busy' if behaviour == 'busy' else 'do_nothing'}" in stacks
        assert not alive(first)
        until(lambda: "no progress, killed (signal 9 SIGKILL)" in tree.log(), "not said", tree.log)


def test_child_without_hang_is_left_alone(tmp_path: Path) -> None:
    # The control of the hang test: the same limit, a child that reports.
    with SupervisedTree(
        tmp_path, {"swing-0": ("swing", "worker"), "exchange": ("exchange", "exec sleep 60")}, hang_after_s=2
    ) as tree:
        child = tree.started("swing-0")["pid"]
        end = time.monotonic() + 6  # noqa: TID251 - three times the limit
        until(lambda: time.monotonic() > end, "time stands still")  # noqa: TID251
        assert alive(child)
        assert len(tree.entries("swing-0", "start")) == 1
        assert "process_hung" not in tree.log()


def test_program_is_restarted_and_dies_with_the_supervisor(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, {"exchange": ("exchange", "env; exec sleep 60")}) as tree:
        seen: set[int] = set()

        def another() -> bool:
            running = {pid for pid in children_of(tree.process.pid) if _command(pid).startswith(b"sleep")}
            new = running - seen
            seen.update(new)
            return len(new) == 1

        until(another, "no program", tree.log)
        assert "OF_THE_CHILD=set" in (tmp_path / "logs" / "exchange.out").read_text()
        (first,) = seen
        os.kill(first, signal.SIGKILL)
        until(another, "no new program", tree.log)
        (second,) = seen - {first}
        tree.process.kill()
        until(lambda: not alive(second), "the program outlives the supervisor", deadline_s=2 * slowness())


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        # Killed between the listing and this look.
        return b""


def test_orphans_are_adopted_reaped_and_ended(tmp_path: Path) -> None:
    with SupervisedTree(tmp_path, {"swing-0": ("swing", "forker")}) as tree:
        until(lambda: len(tree.entries("swing-0", "orphan")) == 2, "no orphans", tree.log)
        tree.started("swing-0")
        until(lambda: "orphan reaped" in tree.log(), "not reaped", tree.log)
        until(lambda: "Z" not in children_of(tree.process.pid).values(), "a zombie stays")
        (stays,) = (entry["pid"] for entry in tree.entries("swing-0", "orphan") if entry["stays"])
        assert alive(stays)
        assert stays in children_of(tree.process.pid)
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == 0
        assert not alive(stays)


def test_children_hold_no_descriptor_of_their_siblings(tmp_path: Path) -> None:
    children = {f"swing-{number}": ("swing", "worker") for number in range(4)}
    with SupervisedTree(tmp_path, children) as tree:
        counts = {name: tree.started(name)["descriptors"] for name in children}
        os.kill(tree.started("swing-0")["pid"], signal.SIGKILL)
        counts["again"] = tree.started("swing-0", 2)["descriptors"]
        assert len(set(counts.values())) == 1, counts
        # Standard three, two pipes, stack file, diary, and the listing itself.
        assert counts["swing-3"] == 8, counts


def test_frozen_container_is_no_reason_to_kill_anybody(tmp_path: Path) -> None:
    children = {f"swing-{number}": ("swing", "worker") for number in range(3)}
    hang_after_s = 1.5 * slowness()
    with SupervisedTree(tmp_path, children, hang_after_s=hang_after_s) as tree:
        pids = [tree.started(name)["pid"] for name in children]
        frozen = [tree.process.pid, *pids]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3 * hang_after_s)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        until(lambda: "event_name=supervisor_slept" in tree.log(), "not noticed", tree.log)
        tree.process.send_signal(signal.SIGTERM)
        assert tree.process.wait(PATIENCE_S) == 0
        assert "process_hung" not in tree.log()
        assert {len(tree.entries(name, "start")) for name in children} == {1}


def test_supervisor_held_up_by_its_own_log_kills_nobody(tmp_path: Path) -> None:
    children = {f"swing-{number}": ("swing", "worker") for number in range(3)}
    hang_after_s = 1.5 * slowness()
    tree = SupervisedTree(tmp_path, children, hang_after_s=hang_after_s)
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    tree.start(write_fd)
    said = bytearray()

    def says(words: str) -> bool:
        said.extend(_drained(read_fd))
        return words.encode() in said

    try:
        pids = [tree.started(name)["pid"] for name in children]
        for name in children:
            until(partial(says, f"event_name=process_ready child={name}"), "not ready", said.decode)
        _fill(write_fd)
        # The death is to be logged, and nobody reads: the supervisor stands still, and not where it waits.
        os.kill(pids[0], signal.SIGKILL)
        time.sleep(3 * hang_after_s)
        until(partial(says, "event_name=supervisor_slept"), "not noticed", said.decode)
        tree.process.send_signal(signal.SIGTERM)
        until(lambda: not says("never") and tree.process.poll() is not None, "it does not end", said.decode)
        assert tree.process.returncode == 0
        assert not says("process_hung")
        assert [len(tree.entries(name, "start")) for name in children] == [2, 1, 1]
    finally:
        tree.__exit__()
        os.close(read_fd)
        os.close(write_fd)


def _drained(fd: int) -> bytes:
    found = b""
    with suppress(BlockingIOError):
        while chunk := os.read(fd, 1 << 16):
            found += chunk
    return found


def _fill(fd: int) -> None:
    """Leave no room in a pipe, from another description of it, so that only we do not wait."""
    own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    for size in (4_096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(own, b"." * size)
    os.close(own)
