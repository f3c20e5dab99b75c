"""The embedded server as a child process: signals, privileges, its parent's death, a missing package."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from observer_core.errors import ConfigError, LinkError
from observer_core.settings import Secret
from observer_core.sinks import embedded, embedded_programs
from observer_core.sinks.embedded import deadline_in, embedded_dsn, run_embedded, wait_ready
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.postgres import PROGRAM, ROOT, EmbeddedServer, eventually, query

pytestmark = pytest.mark.integration

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def new_server() -> Iterator[EmbeddedServer]:
    """Give a server that has not been started."""
    server = EmbeddedServer()
    try:
        yield server
    finally:
        server.close()


def _status_fields(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: values.split() for name, _, values in (line.partition(":") for line in lines)}


def test_the_server_is_the_very_child_and_the_stop_signal_ends_it_under_a_client(new_server: EmbeddedServer) -> None:
    new_server.start()
    assert new_server.process is not None
    pid = new_server.process.pid
    assert Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    assert "0" not in _status_fields(pid)["Uid"]
    with psycopg.connect(new_server.dsn().reveal()):
        assert new_server.stop() == 0
    new_server.start()
    assert query(new_server.dsn(), "SELECT current_database()") == [("observer",)]
    assert query(new_server.dsn(), "SHOW synchronous_commit") == [("on",)]
    assert query(new_server.dsn(), "SHOW listen_addresses") == [("",)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_the_server_of_root_keeps_a_capability_only_where_it_could_not_walk(new_server: EmbeddedServer) -> None:
    def effective() -> int:
        assert new_server.process is not None
        return int(_status_fields(new_server.process.pid)["CapEff"][0], 16)

    dac_override = 1 << 1
    new_server.directory.chmod(0o700)
    new_server.start()
    assert effective() == dac_override
    new_server.stop()
    new_server.directory.chmod(0o711)
    new_server.start()
    assert effective() == 0


CLOSED = """
import sys
from pathlib import Path
from observer_core.errors import ConfigError
from observer_core.sinks import embedded, embedded_programs
embedded_programs.COPIES = Path(sys.argv[3])
assert embedded_programs.server_programs().is_relative_to(sys.argv[4])
try:
    embedded.run_embedded(Path(sys.argv[1]), Path(sys.argv[2]), {"fsync": "off"})
except ConfigError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as somebody else")
def test_an_installation_below_a_closed_directory_is_copied_once(new_server: EmbeddedServer) -> None:
    """As for root with a checkout in /root: the server's account reaches neither programs nor data."""
    home, copies = new_server.directory / "home", new_server.directory / "copies"
    site = Path(embedded_programs.server_programs()).parents[2]
    home.mkdir(mode=0o700)
    copies.mkdir(mode=0o755)
    new_server.directory.chmod(0o755)
    for name in (embedded_programs.PACKAGE, embedded_programs.LIBRARIES):
        shutil.copytree(site / name, home / "site" / name, symlinks=True)
    sockets = new_server.directory / "run"
    command = [sys.executable, "-c", CLOSED, str(home / "data"), str(sockets), str(copies), str(home / "site")]
    environment = {**os.environ, "PYTHONPATH": str(home / "site")}

    def answers_as() -> int:
        with subprocess.Popen(command, cwd=ROOT, env=environment) as server:
            try:
                wait_ready(embedded_dsn(sockets), deadline_in(20))
                assert query(embedded_dsn(sockets), "SELECT current_database()") == [("observer",)]
                return int(_status_fields(server.pid)["Uid"][0])
            finally:
                server.send_signal(embedded.STOP_SIGNAL)
                server.wait(PATIENCE_S)

    assert answers_as() != 0
    (copy,) = copies.iterdir()
    made = copy.stat().st_ino
    assert answers_as() != 0
    assert [entry.stat().st_ino for entry in copies.iterdir()] == [made]
    # What others could have changed is not run.
    copy.chmod(0o777)
    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "not trusted" in refused.stderr


def test_a_half_made_cluster_is_made_anew(new_server: EmbeddedServer) -> None:
    fresh = new_server.data_directory / "cluster.new"
    fresh.mkdir(parents=True)
    (fresh / "PG_VERSION").write_text("18\n")
    new_server.start()
    assert query(new_server.dsn(), "SELECT 1") == [(1,)]


def test_the_server_dies_with_its_parent(new_server: EmbeddedServer) -> None:
    data, sockets = new_server.data_directory, new_server.socket_directory
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, PROGRAM, str(data), str(sockets), "fsync=off"], cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        try:
            wait_ready(embedded_dsn(sockets), deadline_in(20))
        finally:
            parent.kill()
            parent.wait()
    eventually(lambda: not Path(f"/proc/{pid}").exists() or _status_fields(pid)["State"][0] == "Z")
    eventually(lambda: not (data / "cluster" / "postmaster.pid").exists())


def test_a_server_that_never_comes_is_told_in_time(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="does not answer"):
        wait_ready(Secret(f"host={tmp_path} dbname=observer"), deadline_in(0.1))


def test_without_the_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded_programs, "PACKAGE", "no_such_package_is_installed")
    with pytest.raises(ConfigError, match=r"observer\[embedded\]"):
        run_embedded(tmp_path / "data", tmp_path / "run")
    assert not (tmp_path / "data").exists()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long"):
        run_embedded(tmp_path / "data", tmp_path / ("x" * 100))


def test_quit_leaves_a_server_that_recovers(new_server: EmbeddedServer) -> None:
    new_server.start()
    new_server.execute("CREATE TABLE kept AS SELECT 1 AS one", "observer")
    new_server.stop(signal.SIGQUIT)
    new_server.start()
    assert query(new_server.dsn(), "SELECT one FROM kept") == [(1,)]
