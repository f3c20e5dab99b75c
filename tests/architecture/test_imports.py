"""Import directions hold, and the contracts are alive: each planted violation turns them red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("observer_core", "supervisor", "observer_tui")


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_contracts_hold() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


VIOLATIONS = [
    ("observer_core/market/sessions.py", "import zmq", "pure packages"),
    ("observer_core/journal/format.py", "import os", "pure packages"),
    ("observer_core/ids.py", "import observer_core.messages", "imports in observer_core point down"),
    ("observer_core/bus/publisher.py", "import observer_core.services.shard", "imports in observer_core point down"),
    ("observer_core/audit/books.py", "import observer_core.journal.format", "the books do not use"),
    ("observer_core/services/shard.py", "import psycopg", "database and broker drivers"),
    ("observer_core/cli/observerctl.py", "import textual", "only the console draws"),
    ("supervisor/arbiter.py", "import observer_tui", "do not know each other"),
    ("supervisor/policy.py", "import zmq", "ZeroMQ has one home"),
    ("observer_core/kis/simulator/tape.py", "import observer_core.kis.wire", "shares only protocol facts"),
    ("observer_core/newcomer.py", "import json", "imports in observer_core point down"),
]


@pytest.fixture(scope="module")
def copied_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", target)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    return target


@pytest.mark.parametrize(("file", "line", "contract"), VIOLATIONS)
def test_a_planted_violation_is_found(copied_tree: Path, file: str, line: str, contract: str) -> None:
    path = copied_tree / file
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        result = lint_imports(copied_tree)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)
    assert result.returncode != 0
    assert contract in result.stdout


HEAVY = {"pandas", "sqlalchemy", "alembic", "apprise", "pyarrow", "hypothesis", "pytest"}
ROLES = {
    "supervisor.children": HEAVY | {"textual"},
    "observer_core.services.writer": HEAVY | {"textual", "websockets", "httpx", "starlette", "uvicorn"},
    "observer_core.services.swing": HEAVY | {"textual", "psycopg", "starlette", "uvicorn"},
    "observer_core.services.scalp": HEAVY | {"textual", "psycopg", "starlette", "uvicorn"},
    "observer_core.services.hub": HEAVY | {"textual", "psycopg", "httpx"},
    "observer_core.cli.observerctl": HEAVY | {"textual", "psycopg", "websockets", "httpx", "starlette", "uvicorn"},
    "observer_tui.__main__": HEAVY | {"textual", "psycopg", "websockets", "httpx", "starlette", "uvicorn"},
}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_imports_only_what_it_needs(role: str) -> None:
    code = f"import sys, {role}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not ROLES[role] & set(output.split())
