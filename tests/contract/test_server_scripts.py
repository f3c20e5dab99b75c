"""Scripts of the server and of the operator's PC, and the workflows: names are true, nothing is pinned loosely."""

import argparse
import ast
import io
import re
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not in the lock

from tests.fixtures.deployment import COMPOSE_TEMPLATE, ROOT, compose, template_values

SERVER = ROOT / "compose" / "server"
SHELL = sorted(SERVER.glob("*.sh"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
sys.path.insert(0, str(SERVER))
import deploy  # type: ignore[import-not-found]  # noqa: E402 - a program of the operator's PC, in no package


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_shell_scripts_are_clean_strict_and_executable(path: Path) -> None:
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in path.read_text()
    assert path.stat().st_mode & stat.S_IXUSR
    found = shutil.which("shellcheck")
    if found is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([found, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_shell_scripts_ask_for_variables_and_services_that_exist(path: Path) -> None:
    text = path.read_text()
    asked = set(re.findall(r"\b(?:value|make_directory) ([A-Z_]{4,})", text))
    known = set(template_values(COMPOSE_TEMPLATE))
    assert asked <= known
    assert asked
    services = set(compose()["services"])
    assert set(re.findall(r"--no-deps (?:--force-recreate )?(\w+)", text)) <= services


def test_the_deploy_program_needs_nothing_but_python() -> None:
    tree = ast.parse((SERVER / "deploy.py").read_text())
    imported = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {
        node.module.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert imported <= sys.stdlib_module_names


def test_the_deploy_program_packs_what_the_scripts_need() -> None:
    with tarfile.open(fileobj=io.BytesIO(deploy.packed())) as archive:
        names = set(archive.getnames())
        modes = {member.name: member.mode for member in archive.getmembers()}
    assert {
        "docker-compose.yml",
        "env.template",
        "server_deploy.sh",
        "init_server_dirs.sh",
        "monitoring/rules.yml",
    } <= names
    assert ".env" not in names
    assert modes["server_deploy.sh"] == 0o755


@pytest.mark.parametrize("tag", ["", "a b", "$(reboot)", "-x", "a;b"])
def test_the_deploy_program_takes_no_word_that_is_no_tag(tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["nobody@127.0.0.1", "deploy", "--", tag]) == 1
    assert "is no image tag" in capsys.readouterr().err


def test_the_remote_command_is_quoted() -> None:
    options = argparse.Namespace(action="deploy", directory="/srv/a b/deploy", tag="build-1", extra=["--replace"])
    assert deploy.remote_command(options) == "'/srv/a b/deploy/server_deploy.sh' --replace build-1"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_actions_and_ask_for_little(path: Path) -> None:
    text = path.read_text()
    for used in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used), f"{used} can be moved by somebody else"
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in text
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job, name
        assert set(job.get("permissions", {})) <= {"contents", "packages"}, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_name_files_that_exist(path: Path) -> None:
    text = path.read_text()
    for name in re.findall(r"(?:file: |bash |python3 )((?:docker|compose|\.ci)/[\w./-]+)", text):
        assert (ROOT / name).is_file(), name


def test_only_the_image_workflow_builds_and_only_the_deploy_workflow_deploys() -> None:
    text = {path.stem: path.read_text() for path in WORKFLOWS}
    assert set(text) == {"ci", "image", "deploy"}
    assert "build-push-action" not in text["deploy"]
    assert "docker build" not in text["deploy"]
    assert [name for name, content in text.items() if "deploy.py" in content] == ["deploy"]
