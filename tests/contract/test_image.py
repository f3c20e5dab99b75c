"""The image holds what its commands import, is hardened, and its health check tells ready from not ready."""

import ast
import importlib
import importlib.metadata
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from observer_core.variables import VARIABLES
from tests.fixtures.deployment import (
    DOCKERFILE,
    ROOT,
    console_scripts,
    context_sources,
    final_stage,
    instructions,
    pyproject,
    single,
)

DEFAULTS = {variable.name: variable.default for variable in VARIABLES}
PACKAGES: list[str] = pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def locked(lock: str) -> set[str]:
    """Return the canonical names that a requirement file pins."""
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line.partition("==")[0]) for line in lines if re.match(r"[A-Za-z0-9]", line)}


def is_sent(path: str) -> bool:
    """Tell whether .dockerignore lets a path into the build context: the last pattern that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = re.escape(line.removeprefix("!")).replace(r"\[", "[").replace(r"\]", "]")
        pattern = pattern.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if re.fullmatch(f"{pattern}(?:/.*)?", path):
            sent = line.startswith("!")
    return sent


@pytest.mark.parametrize("source", context_sources())
def test_every_copied_source_exists_and_is_sent_to_the_builder(source: str) -> None:
    assert (ROOT / source).exists()
    assert is_sent(source)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "compose/.env",
        "observer_core/.env",
        "observer_core/.env.production",
        "supervisor/key.pem",
        ".git/config",
        ".venv/bin/python",
        "data/swing/2026/01/05/09/swing-0.jsonl",
        "secrets/.kis_cache/token",
        "tests/contract/test_image.py",
        "observer_core/__pycache__/clock.cpython-311.pyc",
    ],
)
def test_secrets_data_and_tests_stay_out_of_the_build_context(path: str) -> None:
    assert not is_sent(path)


@pytest.mark.parametrize(("script", "entry"), console_scripts().items())
def test_every_console_script_resolves_to_a_callable_of_a_copied_package(script: str, entry: str) -> None:
    module, _, function = entry.partition(":")
    assert callable(getattr(importlib.import_module(module), function)), script
    assert module.partition(".")[0] in PACKAGES


def test_the_packages_of_the_wheel_are_copied() -> None:
    assert set(PACKAGES) <= set(context_sources())


def test_the_image_runs_the_supervisor() -> None:
    assert json.loads(single("CMD")) == ["observer-supervisor"]
    assert "observer-supervisor" in console_scripts()
    assert "ENTRYPOINT" not in {found.keyword for found in instructions()}


def test_what_the_packages_import_is_in_the_runtime_lock() -> None:
    """A module that needs a development dependency works here and dies in the image."""
    distributions = importlib.metadata.packages_distributions()
    optional = {
        canonicalize_name(Requirement(line).name)
        for extra, lines in pyproject()["project"]["optional-dependencies"].items()
        for line in lines
        if extra != "dev"
    }
    allowed = locked("requirements.txt") | optional
    missing = {
        f"{file.relative_to(ROOT)}: {name}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for name in _imported(file.read_text(encoding="utf-8"))
        if name not in sys.stdlib_module_names and name not in PACKAGES
        if not {canonicalize_name(found) for found in distributions.get(name, [])} & allowed
    }
    assert missing == set()


def _imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_the_lock_pins_every_dependency_of_the_project() -> None:
    declared = {canonicalize_name(Requirement(line).name) for line in pyproject()["project"]["dependencies"]}
    assert declared <= locked("requirements.txt")


def test_every_pip_install_is_by_hash_or_without_an_index() -> None:
    installs = [
        command
        for found in instructions()
        if found.keyword == "RUN"
        for command in found.arguments.split("&&")
        if "pip" in command and " install " in command
    ]
    assert len(installs) == 3
    assert [command for command in installs if not re.search("--require-hashes|--no-index", command)] == []


def test_the_wheel_is_built_by_a_complete_set_of_pinned_tools() -> None:
    (names,) = re.findall(r"\^\(([a-z|-]+)\)==", DOCKERFILE.read_text(encoding="utf-8"))
    tools = {canonicalize_name(name) for name in names.split("|")}
    assert "hatchling" in tools
    assert tools <= locked("requirements-dev.txt")
    needed = {
        canonicalize_name(requirement.name)
        for tool in tools
        for requirement in map(Requirement, importlib.metadata.requires(tool) or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    assert needed <= tools


def test_the_process_is_an_unprivileged_user_of_the_operators_group() -> None:
    (setup,) = (found.arguments for found in final_stage() if "useradd" in found.arguments)
    assert single("USER") == "10001"
    assert "useradd --uid 10001 --gid observer --groups observer-ops" in setup
    for group in (DEFAULTS["OBSERVER_VIEWERS_GROUP"], DEFAULTS["OBSERVER_OPERATORS_GROUP"]):
        assert re.search(rf"groupadd --gid \d+ {group}\s", setup)


def test_the_image_stops_by_the_signal_that_drains_and_hides_no_volume() -> None:
    assert single("STOPSIGNAL") == "SIGTERM"
    assert "VOLUME" not in {found.keyword for found in instructions()}
    assert not DOCKERFILE.read_text(encoding="utf-8").startswith("# syntax=")


def test_the_environment_of_the_image_agrees_with_the_defaults() -> None:
    assert f"TZ={DEFAULTS['TZ']}" in single("ENV").split()
    assert single("EXPOSE") == DEFAULTS["OBSERVER_HTTP_PORT"]
    assert "PATH=/opt/observer/bin" in single("ENV").partition(":")[0].split()


class _Answer(BaseHTTPRequestHandler):
    """Answers /ready with the status of the server and everything else with 404."""

    status = 200

    def do_GET(self) -> None:
        """Answer without a body."""
        self.send_response(self.status if self.path == "/ready" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the test's output clean."""


@contextmanager
def _server(status: int) -> Iterator[int]:
    handler = type("Handler", (_Answer,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _health(port: int) -> int:
    command: list[str] = json.loads(single("HEALTHCHECK").partition("CMD")[2])
    assert command[0] == "python"
    environment = {"OBSERVER_HTTP_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    run = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, timeout=60, check=False)
    return run.returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (500, 1), (302, 1)])
def test_the_health_check_passes_only_when_ready(status: int, code: int) -> None:
    with _server(status) as port:
        assert _health(port) == code


def test_the_health_check_fails_when_nobody_listens() -> None:
    with _server(200) as port:
        pass
    assert _health(port) == 1
