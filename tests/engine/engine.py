"""A container engine as the tests use it: images of this tree, and one app deployed as on a server."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.fixtures.deployment import ROOT, template_values
from tests.fixtures.supervised import until

BUILD_TIMEOUT_S = 900
EXCHANGE_PORTS = (19443, 19444, 19445)
OBSERVER_USER = 10001

BROKEN = """FROM {base}
USER root
RUN printf '%s\\n' {lines} > /opt/observer/bin/observer-supervisor
USER 10001
"""
CRASHES = ("'#!/bin/sh'", "'echo broken on purpose >&2'", "'exit 1'")
LIES = (
    "'#!/opt/observer/bin/python'",
    "'import http.server, os'",
    '\'open("/run/observer/standby", "w").close() if os.path.isdir("/run/observer") else None\'',
    "'class Yes(http.server.BaseHTTPRequestHandler):'",
    "'    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b\"fine\")'",
    "'    def log_message(self, *words): pass'",
    "'http.server.HTTPServer((\"\", 8000), Yes).serve_forever()'",
)


def run(
    *command: str, timeout_s: float = 120, check: bool = True, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a command and return it with its output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def answers() -> bool:
    """Return whether an engine is there."""
    if shutil.which("docker") is None:
        return False
    return run("docker", "version", check=False, timeout_s=20).returncode == 0


def build(tag: str) -> str:
    """Build the image of this tree and return its name; a site's pip configuration and CA bundle are passed on."""
    secrets_given = [
        word
        for name, path in (("pipconf", "/etc/pip.conf"), ("ca", "/etc/ssl/certs/ca-certificates.crt"))
        if Path(path).exists()
        for word in ("--secret", f"id={name},src={path}")
    ]
    image = f"observer:{tag}"
    command = ("docker", "build", "--quiet", "--file", "docker/Dockerfile", *secrets_given, "--tag", image, ".")
    run(*command, timeout_s=BUILD_TIMEOUT_S, cwd=ROOT)
    return image


def build_broken(tag: str, base: str, lines: tuple[str, ...]) -> str:
    """Build an image whose supervisor is another program and return its name."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "Dockerfile").write_text(BROKEN.format(base=base, lines=" ".join(lines)))
        run("docker", "build", "--quiet", "--tag", f"observer:{tag}", directory, timeout_s=BUILD_TIMEOUT_S)
    return f"observer:{tag}"


class Server:
    """One app on "a server": deploy directory, host directories and a simulated exchange; gone at the end."""

    def __init__(self, base: Path, image: str) -> None:
        self.base = base
        self.project = f"observer-{secrets.token_hex(3)}"
        self.deploy = base / "deploy"
        self.exchange = f"{self.project}-exchange"
        self.port = 18000
        self._image = image

    def __enter__(self) -> "Server":
        self._install()
        self._start_exchange()
        return self

    def __exit__(self, *_exc: object) -> None:
        for name in (self.project, f"{self.project}-standby", self.exchange):
            run("docker", "rm", "--force", name, check=False)
        run("docker", "network", "rm", f"{self.project}_default", check=False)

    @property
    def data(self) -> Path:
        """Return the data directory on the host."""
        return self.base / "data"

    @property
    def ledger(self) -> Path:
        """Return the exchange's ledger on the host."""
        return self.base / "exchange" / "ledger.jsonl"

    def deploy_tag(self, tag: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run the server's deployment script."""
        script = str(self.deploy / "server_deploy.sh")
        return run(script, "--no-pull", "--expect-data", *options, tag, check=False, timeout_s=300, cwd="/")

    def inspect(self, form: str, name: str = "") -> str:
        """Return what the engine says of a container, by default of the app's."""
        return run("docker", "inspect", "--format", form, name or self.project).stdout.strip()

    def status(self) -> dict[str, Any]:
        """Return what `observerctl status` says in the container."""
        return dict(json.loads(run("docker", "exec", self.project, "observerctl", "status", "--json").stdout))

    def wait_ready(self) -> None:
        """Wait until the image's own health check is content."""
        until(lambda: self.inspect("{{.State.Health.Status}}") == "healthy", "not healthy", deadline_s=60)

    def _install(self) -> None:
        shutil.copytree(ROOT / "compose" / "monitoring", self.deploy / "monitoring")
        for source in (ROOT / "compose" / "docker-compose.yml", *(ROOT / "compose" / "server").glob("*.sh")):
            shutil.copy(source, self.deploy)
        values = template_values(ROOT / "compose" / "env.template")
        values |= {
            name: str(self.base / path.rpartition("/")[2])
            for name, path in values.items()
            if name.startswith("OBSERVER_HOST_") and name.endswith("_DIR")
        }
        values |= {
            "COMPOSE_PROJECT_NAME": self.project,
            "IMAGE_TAG": "none-yet",
            "OBSERVER_HOST_HTTP_PORT": str(self.port),
            "OBSERVER_HOST_STANDBY_PORT": str(self.port + 1),
        }
        (self.deploy / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        run(str(self.deploy / "init_server_dirs.sh"), cwd="/")
        gateway = run(
            "docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"
        ).stdout.strip()
        rest, stream, _ = EXCHANGE_PORTS
        settings = {
            "OBSERVER_SOURCE": "sim",
            "OBSERVER_FORCE_OPEN": "true",
            "KIS_APP_KEY": "k" * 36,
            "KIS_APP_SECRET": "s" * 180,
            "KIS_REST_URL": f"http://{gateway}:{rest}",
            "KIS_WS_URL": f"ws://{gateway}:{stream}",
            "KIS_MASTER_URL": f"http://{gateway}:{rest}/common/master",
        }
        file = self.base / "secrets" / "observer.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        file.chmod(0o600)
        os.chown(file, OBSERVER_USER, OBSERVER_USER)

    def _start_exchange(self) -> None:
        directory = self.ledger.parent
        directory.mkdir()
        os.chown(directory, OBSERVER_USER, OBSERVER_USER)
        rest, stream, control = map(str, EXCHANGE_PORTS)
        # The host's own network: the exchange outlives every network of the app.
        options = ("--detach", "--name", self.exchange, "--network", "host", "--volume", f"{directory}:/ledger")
        run(
            *("docker", "run", *options, self._image, "observer-sim", "--open", "--host", "0.0.0.0"),  # noqa: S104 - behind the host's own bridge
            *("--rest-port", rest, "--ws-port", stream, "--control-port", control),
            *("--ledger", "/ledger/ledger.jsonl", "--symbols", "600", "--ready-file", "/ledger/ready.json"),
        )
        until((directory / "ready.json").exists, "the exchange does not start", deadline_s=30)
