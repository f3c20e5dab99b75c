"""The sender as a process, to a local webhook."""

import email
import email.header
import json
import os
import socketserver
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fixtures.hub import HubProcess, short_directory, tree_of, until
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.webhook import Webhook, serving

pytestmark = pytest.mark.integration

NO_SUPERVISOR = "the supervisor has not reported"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server, serving(server):
        yield server


def send(url: str) -> subprocess.CompletedProcess[bytes]:
    message = json.dumps({"title": "Observer: swing-0 is backoff", "body": "since 09:00", "urls": [url]})
    arguments = [sys.executable, "-m", "observer_core.services.alert_sender"]
    return subprocess.run(arguments, input=message.encode(), capture_output=True, timeout=PATIENCE_S, check=False)


def test_a_message_reaches_a_webhook(webhook: Webhook) -> None:
    done = send(f"json://127.0.0.1:{webhook.server_port}/alerts")
    assert (done.returncode, done.stderr) == (0, b"")
    assert webhook.bodies[0]["title"] == "Observer: swing-0 is backoff"
    assert webhook.bodies[0]["message"] == "since 09:00"


def test_a_bad_address_is_refused_without_being_told() -> None:
    done = send("bogus://topsecret@nowhere")
    assert done.returncode == 2
    assert b"topsecret" not in done.stdout + done.stderr


@contextmanager
def alarming(webhook: Webhook) -> Iterator[HubProcess]:
    """Give a hub that hears of no supervisor and has told so."""
    url = f"json://127.0.0.1:{webhook.server_port}/alerts"
    with short_directory() as directory, HubProcess(directory, OBSERVER_ALERT_URLS=url) as hub:
        until(lambda: webhook.bodies, "the alarm arrives", deadline_s=PATIENCE_S)
        assert webhook.bodies[0]["message"].startswith(NO_SUPERVISOR)
        yield hub


def test_a_running_hub_alarms_the_webhook(webhook: Webhook) -> None:
    with alarming(webhook) as hub:
        assert "json://" not in (hub.paths.logs / "system" / "hub.jsonl").read_text()


@pytest.mark.chaos
def test_what_a_hub_told_the_next_one_tells_only_the_end_of(webhook: Webhook) -> None:
    with alarming(webhook) as hub:
        # Killed once it has noted that the message went: before that, the next one would rightly send it again.
        until(
            lambda: b'"unsent":[]' in hub.paths.alerts.read_bytes(),
            "the message is noted as sent",
            deadline_s=PATIENCE_S,
        )
        hub.kill()
        hub.start()
        hub.wait_ready()
        until(lambda: told_again(hub, webhook), "the end arrives", deadline_s=100)
        (over,) = webhook.bodies[1:]
        assert over["message"].startswith(f"over: {NO_SUPERVISOR}")


def told_again(hub: HubProcess, webhook: Webhook) -> bool:
    """Report a tree, as a supervisor that is well does; return whether a message came after the first."""
    hub.tell(tree_of())
    return len(webhook.bodies) > 1


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server that takes everything and keeps it."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MailSession)
        self.mails: list[str] = []


class MailSession(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as a client needs to hand over a mail."""

    def handle(self) -> None:
        """Talk until QUIT."""
        assert isinstance(self.server, Mailbox)
        self._say("220 mailbox")
        while line := self.rfile.readline():
            word = line.decode().strip().upper()
            if word == "DATA":
                self._say("354 go on")
                body = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(body).decode())
            self._say("221 bye" if word == "QUIT" else "250 fine")
            if word == "QUIT":
                return

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as server, serving(server):
        yield server


def test_a_message_reaches_a_mailbox(mailbox: Mailbox) -> None:
    port = mailbox.server_address[1]
    done = send(
        f"mailto://127.0.0.1:{port}?from=observer@example.com&to=operator@example.com&mode=insecure&format=text"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    (mail,) = mailbox.mails
    message = email.message_from_string(mail)
    assert message["To"] == "operator@example.com"
    assert (
        str(email.header.make_header(email.header.decode_header(message["Subject"]))) == "Observer: swing-0 is backoff"
    )
    texts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    assert any(b"since 09:00" in text for text in texts if isinstance(text, bytes))


def test_the_test_command_says_whether_a_message_went(webhook: Webhook, tmp_path: Path) -> None:
    def command(urls: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "OBSERVER_CONFIG_DIR": str(tmp_path),
            "KIS_APP_KEY": "k" * 36,
            "KIS_APP_SECRET": "s" * 180,
            "OBSERVER_ALERT_URLS": urls,
        }
        arguments = [sys.executable, "-m", "observer_core.cli.observerctl", "alerts", "test"]
        return subprocess.run(
            arguments, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    done = command(f"json://127.0.0.1:{webhook.server_port}/alerts")
    assert (done.returncode, done.stdout) == (0, "sent to 1 addresses\n")
    assert webhook.bodies[0]["title"] == "Observer: test"
    assert command("").returncode == 2
    refused = command("json://127.0.0.1:9/alerts")
    assert refused.returncode == 1
    assert "not sent" in refused.stderr
