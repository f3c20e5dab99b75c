"""The HTTP endpoints of a real hub on a real port."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from observer_core.archive.layout import window_of
from observer_core.archive.manifest import DayManifest, SealedFile, write_manifest
from observer_core.bus.status import StatusSender
from observer_core.ids import DayNumber, ShardName
from observer_core.messages import Track
from observer_core.services.assignment import Assignment, write_assignment
from supervisor.demo import free_ports
from tests.fixtures.hub import CLOCK, HubProcess, process_report, shard_status, short_directory, tree_of, until
from tests.fixtures.patience import PATIENCE_S

pytestmark = pytest.mark.integration


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as found:
        yield found


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


def client(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S)


def listens(asking: httpx.Client) -> bool:
    try:
        return asking.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def test_endpoints_tell_the_truth_about_a_running_system(directory: Path, port: int) -> None:
    with (
        HubProcess(directory, OBSERVER_HTTP_PORT=str(port), OBSERVER_FORCE_OPEN="true") as hub,
        client(port) as asking,
    ):
        until(lambda: listens(asking), "HTTP listens")
        health = asking.get("/health").json()
        assert (health["status"], health["pid"]) == ("ok", hub.process.pid)

        blind = asking.get("/ready")
        assert blind.status_code == 503
        assert blind.json()["failing"] == ["the supervisor has not reported yet"]

        sender = StatusSender(hub.paths.status_endpoint)
        own = process_report("hub", kind="hub", pid=hub.process.pid)
        seq = 0

        def ready() -> bool:
            nonlocal seq
            seq += 1
            hub.tell(tree_of(process_report("swing-0"), own))
            sender.send(shard_status("swing-0", seq))
            return asking.get("/ready").status_code == 200

        try:
            until(ready, "a collecting system is ready")
        finally:
            sender.close()
        hub.tell(tree_of(process_report("swing-0", state="backoff", pid=None), own))
        until(lambda: asking.get("/ready").json()["failing"] == ["swing-0 is backoff"], "the dead shard is named")

        status = asking.get("/status").json()
        assert {row["name"] for row in status["processes"]} == {"swing-0", "hub"}
        assert {"processes", "writers", "disk", "gaps", "market", "seq", "as_of_ns"} <= set(status)
        assert status["market"]["forced"] is True


def test_errors_are_json_and_nothing_can_be_changed(directory: Path, port: int) -> None:
    with HubProcess(directory, OBSERVER_HTTP_PORT=str(port)), client(port) as asking:
        until(lambda: listens(asking), "HTTP listens")
        missing = asking.get("/nothing")
        assert (missing.status_code, missing.json()) == (404, {"error": "Not Found", "status": 404})
        refused = asking.post("/status", json={})
        assert (refused.status_code, refused.json()["status"]) == (405, 405)
        assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD"}
        assert refused.headers["content-type"] == "application/json"
        for path, code in {
            "/status/005930": 404,
            "/status/..%2f..%2fetc": 404,
            "/status/005930?timeframe=7m": 400,
            "/manifest.json?day=20200101": 404,
            "/manifest.json?day=x": 400,
        }.items():
            answer = asking.get(path)
            assert (answer.status_code, answer.json()["status"]) == (code, code), path
        for path in ("/health", "/metrics", "/freshness", "/manifest.json", "/static/manifest.json"):
            head = asking.head(path)
            assert (head.status_code, head.content) == (200, b""), path
            assert asking.delete(path).status_code == 405


def test_a_taken_port_costs_the_hub_nothing(directory: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with HubProcess(directory, OBSERVER_HTTP_PORT=str(port)) as hub:
            log = directory / "logs" / "system" / "hub.jsonl"
            until(lambda: "http port not available" in log.read_text(), "the taken port is logged")
            assert hub.view().seq > 0
            hub.process.terminate()
            assert hub.process.wait(timeout=PATIENCE_S) == 0


SHARD = ShardName("scalp-0")


def test_symbols_metrics_and_manifests_are_served_with_no_other_process_alive(directory: Path, port: int) -> None:
    with HubProcess(directory, OBSERVER_HTTP_PORT=str(port)) as hub, client(port) as asking:
        until(lambda: listens(asking), "HTTP listens")
        assignment = Assignment(day=DayNumber(20261121), version=1, swing={}, scalp={SHARD: ("005930",)})
        write_assignment(hub.paths, assignment)
        now_ns = CLOCK.now_ns()
        file = hub.paths.data / window_of(Track.SCALP, SHARD, now_ns).path
        file.parent.mkdir(parents=True)
        file.write_text(
            f'{{"kind":"trade","symbol":"005930","price":70000,"volume":3,"cumulative_volume":3,"session_code":"0",'
            f'"source_time_ns":{now_ns},"received_ns":{now_ns}}}\n'
        )
        found = asking.get("/status/005930").json()
        assert (found["last"][0]["price"], found["shards"], len(found["bars"])) == (70_000, ["scalp-0"], 1)
        assert found["age_s"] < 10

        assert asking.get("/manifest.json").json() == {"day": None, "days": [], "manifest": None}
        sealed = SealedFile(rows=7, content_bytes=9, content_sha256="c", sealed_bytes=5, sha256="d")
        for day in (20261119, 20261120):
            manifest = DayManifest(day=DayNumber(day), complete=True, files={f"scalp/{day}": sealed})
            write_manifest(hub.paths.manifest(DayNumber(day)), manifest)
        newest = asking.get("/static/manifest.json").json()
        assert (newest["day"], newest["days"]) == (20261120, [20261120, 20261119])
        assert newest["manifest"]["files"]["scalp/20261120"]["rows"] == 7
        assert asking.get("/manifest.json?day=20261119").json()["manifest"]["day"] == 20261119

        hub.tell(tree_of(process_report("swing-0", state="backoff", pid=None)))
        until(lambda: 'observer_process_up{kind="swing",process="swing-0"} 0.0' in asking.get("/metrics").text, "down")
        assert asking.get("/freshness").json()["shards"][0]["state"] == "backoff"
        promtool = shutil.which("promtool")
        if promtool is not None:
            text = asking.get("/metrics").content
            done = subprocess.run(
                [promtool, "check", "metrics"], input=text, capture_output=True, timeout=PATIENCE_S, check=True
            )
            assert done.stdout + done.stderr == b""
