"""The deploy drill on a real engine: good, crashing and lying versions, by hand-over and by replacement."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from observer_core.audit.books import balance
from observer_core.clock import NS_PER_S, SystemClock
from tests.engine.engine import CRASHES, LIES, Server, answers, build, build_broken, run
from tests.fixtures.supervised import until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not answers(), reason="no container engine answers"),
]

ROLLBACK_LIMIT_S = 60.0
HAND_OVER_LIMIT_S = 3.0
STOP_LIMIT_S = 10.0
MIB = 1 << 20


@pytest.fixture(scope="module")
def good() -> str:
    return build("drill-a")


@pytest.fixture
def server(good: str, tmp_path: Path) -> Iterator[Server]:
    run("docker", "tag", good, "observer:drill-a2")
    with Server(tmp_path, good) as made:
        yield made


def test_drill(server: Server, good: str) -> None:
    build_broken("drill-b", good, CRASHES)
    build_broken("drill-c", good, LIES)
    first = server.deploy_tag("drill-a")
    assert first.returncode == 0, first.stdout + first.stderr
    server.wait_ready()
    assert server.inspect("{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}") == f"{512 * MIB} 1000000000"
    assert server.inspect("{{.HostConfig.ReadonlyRootfs}} {{.Config.User}}") == "true 10001"

    for tag, method in (("drill-b", "--replace"), ("drill-c", "--replace"), ("drill-b", ""), ("drill-c", "")):
        begun_ns = SystemClock().monotonic_ns()
        done = server.deploy_tag(tag, *([method] if method else []))
        took_s = (SystemClock().monotonic_ns() - begun_ns) / NS_PER_S
        print(f"--- {tag} {method or '--hand-over'}: {took_s:.1f} s\n{done.stdout}{done.stderr}")
        assert done.returncode == 2, done.stdout + done.stderr
        assert took_s <= ROLLBACK_LIMIT_S
        assert server.inspect("{{.Config.Image}}") == "observer:drill-a"
        server.wait_ready()

    done = server.deploy_tag("drill-a2")
    print(f"--- drill-a2 --hand-over\n{done.stdout}{done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.inspect("{{.Config.Image}}") == "observer:drill-a2"
    printed = [float(seconds) for seconds in re.findall(r"^\S+ +([0-9.]+) s ", done.stdout, re.MULTILINE)]
    assert printed, done.stdout
    assert max(printed) <= HAND_OVER_LIMIT_S
    assert (server.deploy / "runtime" / "state" / server.project / "last_good_tag").read_text().strip() == "drill-a2"
    _stops_in_time(server)
    _books_balance(server)


def test_a_killed_container_comes_back_and_nothing_is_lost(server: Server) -> None:
    assert server.deploy_tag("drill-a").returncode == 0
    server.wait_ready()
    pid = server.inspect("{{.State.Pid}}")
    run("kill", "-9", pid)
    until(lambda: server.inspect("{{.State.Pid}}") not in {"0", pid}, "not restarted", deadline_s=30)
    server.wait_ready()
    peak = Path(f"/sys/fs/cgroup/memory/docker/{server.inspect('{{.Id}}')}/memory.max_usage_in_bytes")
    if peak.exists():
        print(f"peak memory with page cache {int(peak.read_text()) / MIB:.0f} MiB of 512")
    _stops_in_time(server)
    _books_balance(server)


def test_mounts_that_came_loose_are_refused(server: Server) -> None:
    assert server.deploy_tag("drill-a").returncode == 0
    compose = server.deploy / "docker-compose.yml"
    # A directory that only the container knows, as in the accident.
    loose = re.sub(r"source: \$\{OBSERVER_HOST_DATA_DIR[^}]*\}", f"source: {server.base}/config", compose.read_text())
    compose.write_text(loose)
    done = server.deploy_tag("drill-a2", "--replace")
    print(done.stdout)
    assert done.returncode == 3
    assert "mounts of" in done.stdout
    assert f"/app/data {server.base}/config" in done.stdout


def _stops_in_time(server: Server) -> None:
    begun_ns = SystemClock().monotonic_ns()
    run("docker", "stop", server.project)
    took_s = (SystemClock().monotonic_ns() - begun_ns) / NS_PER_S
    print(f"docker stop took {took_s:.1f} s, exit code {server.inspect('{{.State.ExitCode}}')}")
    assert took_s <= STOP_LIMIT_S
    assert server.inspect("{{.State.ExitCode}}") == "0"


def _books_balance(server: Server) -> None:
    run("docker", "stop", server.exchange)
    books = balance(server.ledger, server.data, None)
    print(books.table())
    assert books.balanced, books.table()
