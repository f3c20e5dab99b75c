"""What the README and the documents name exists: files, make targets, commands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATORS_OWN = {"compose/.env"}
"""Files that an operator makes."""
TRACKED_ROOTS = ("observer_core/", "supervisor/", "observer_tui/", "docker/", "compose/", "tests/", "docs/")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w.]+/)[\w./*-]*)`", text)) | set(re.findall(r"\]\((?!http)([^)#]+)\)", text))
    for name in sorted(named):
        if name.startswith(TRACKED_ROOTS) and name not in OPERATORS_OWN:
            assert list(ROOT.glob(name)), f"{document.name} names {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets
