"""The HTTP endpoints of a real hub on a real port."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from observer_core.bus.status import StatusSender
from tests.fixtures.hub import HubProcess, process_report, shard_status, short_directory, tree_of, until

pytestmark = pytest.mark.integration


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as found:
        yield found


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def client(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5.0)


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
        seq = 0

        def ready() -> bool:
            nonlocal seq
            seq += 1
            hub.tell(tree_of(process_report("swing-0"), process_report("hub", kind="hub", pid=hub.process.pid)))
            sender.send(shard_status("swing-0", seq))
            return asking.get("/ready").status_code == 200

        try:
            until(ready, "a collecting system is ready")
        finally:
            sender.close()
        hub.tell(tree_of(process_report("swing-0", state="backoff", pid=None)))
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
            assert hub.process.wait(timeout=5) == 0
