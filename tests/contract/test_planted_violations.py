"""Each accident of the past, planted into a copy of the tree, turns the contract tests red."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.deployment import ROOT

PACKAGES = ("observer_core", "supervisor", "observer_tui")
COPIED = (*PACKAGES, "docker", "compose", "docs", ".github", ".ci", "tests/contract")
FILES = (
    *("pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "env.template", ".dockerignore", "requirements.txt"),
    *("requirements-dev.txt", "tests/__init__.py", "tests/fixtures/deployment.py", "tests/fixtures/views.py"),
)


def replace(path: str, old: str, new: str) -> Callable[[Path], None]:
    """Return a change of one file; what it replaces must be there."""

    def plant(tree: Path) -> None:
        text = (tree / path).read_text()
        changed = re.sub(old, new, text, count=1)
        assert changed != text, f"nothing to plant in {path}"
        (tree / path).write_text(changed)

    return plant


def move(old: str, new: str) -> Callable[[Path], None]:
    """Return the renaming of one file."""

    def plant(tree: Path) -> None:
        (tree / old).rename(tree / new)

    return plant


VIOLATIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a renamed module behind a console script": (move("supervisor/__main__.py", "supervisor/main.py"), "test_image.py"),
    "a moved Dockerfile": (move("docker/Dockerfile", "docker/Dockerfile.new"), "test_server_scripts.py"),
    "a COPY of something that is not there": (
        replace("docker/Dockerfile", "COPY observer_core ", "COPY observer_kernel "),
        "test_image.py",
    ),
    "a command that is no console script": (
        replace("compose/docker-compose.yml", r"\[observer-supervisor, --standby\]", "[observer-stub]"),
        "test_compose.py",
    ),
    "a variable that no template lists": (
        replace("compose/docker-compose.yml", r"user: \"472:472\"", 'user: "${GRAFANA_USER:-472:472}"'),
        "test_compose.py",
    ),
    "a relative mount": (
        replace("compose/docker-compose.yml", r"\$\{OBSERVER_HOST_DATA_DIR:\?[^}]*\}", "./data"),
        "test_compose.py",
    ),
    "a template that is no env file": (replace("compose/env.template", "IMAGE_TAG=", "IMAGE_TAG:"), "test_compose.py"),
    "a path of the code that no contract lists": (
        replace("docs/path-contract.md", r"\| `/app/data/journal` .*\n", ""),
        "test_path_contract.py",
    ),
    "an action that somebody else can move": (
        replace(".github/workflows/ci.yml", r"actions/checkout@[0-9a-f]{40}", "actions/checkout@v4"),
        "test_server_scripts.py",
    ),
    "a rule over a metric that does not exist": (
        replace("compose/monitoring/rules.yml", "observer_ready == 0", "observer_is_ready == 0"),
        "test_monitoring.py",
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what the contract tests read."""
    copy = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    return copy


def contract(tree: Path, *files: str) -> "subprocess.CompletedProcess[str]":
    """Run contract tests of a tree."""
    paths = [f"tests/contract/{name}" for name in files]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *paths],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_copy_itself_is_green(tree: Path) -> None:
    done = contract(tree, *sorted({file for _, file in VIOLATIONS.values()}))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_is_red(name: str, tree: Path, tmp_path: Path) -> None:
    plant, file = VIOLATIONS[name]
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("__pycache__"))
    plant(copy)
    done = contract(copy, file)
    assert done.returncode == 1, f"{name}: {done.stdout}\n{done.stderr}"
