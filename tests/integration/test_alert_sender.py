"""The sender as a process, to a local webhook."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.fixtures.hub import HubProcess, short_directory, until
from tests.fixtures.webhook import Webhook

pytestmark = pytest.mark.integration


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def send(url: str) -> subprocess.CompletedProcess[bytes]:
    message = json.dumps({"title": "Observer: swing-0 is backoff", "body": "since 09:00", "urls": [url]})
    arguments = [sys.executable, "-m", "observer_core.services.alert_sender"]
    return subprocess.run(arguments, input=message.encode(), capture_output=True, timeout=50, check=False)


def test_a_message_reaches_a_webhook(webhook: Webhook) -> None:
    done = send(f"json://127.0.0.1:{webhook.server_port}/alerts")
    assert (done.returncode, done.stderr) == (0, b"")
    assert webhook.bodies[0]["title"] == "Observer: swing-0 is backoff"
    assert webhook.bodies[0]["message"] == "since 09:00"


def test_a_bad_address_is_refused_without_being_told() -> None:
    done = send("bogus://topsecret@nowhere")
    assert done.returncode == 2
    assert b"topsecret" not in done.stdout + done.stderr


def test_a_running_hub_alarms_the_webhook(webhook: Webhook) -> None:
    with (
        short_directory() as directory,
        HubProcess(directory, OBSERVER_ALERT_URLS=f"json://127.0.0.1:{webhook.server_port}/alerts") as hub,
    ):
        until(lambda: webhook.bodies, "the alarm arrives", deadline_s=50)
        assert "supervisor has not reported" in webhook.bodies[0]["message"]
        assert "json://" not in (hub.paths.logs / "system" / "hub.jsonl").read_text()
