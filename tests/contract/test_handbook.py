"""docs/handbook.md names what is there: every command it shows exists, every broken set-up of doctor is listed."""

import re

from typer.main import get_command

from observer_core.cli.observerctl import app
from tests.fixtures.deployment import ROOT
from tests.unit.cli.test_doctor import BROKEN

TEXT = (ROOT / "docs" / "handbook.md").read_text(encoding="utf-8")


def test_every_command_exists() -> None:
    groups = get_command(app).commands  # type: ignore[attr-defined]
    shown = re.findall(r"`observerctl ([a-z]+)(?: ([a-z]+))?", TEXT)
    assert len(shown) > 20
    for word, second in shown:
        assert word in groups, word
        nested = getattr(groups[word], "commands", None)
        alone = not second and getattr(groups[word], "invoke_without_command", False)
        assert nested is None or alone or second in nested, (word, second)


def test_every_broken_set_up_of_doctor_is_listed() -> None:
    assert [name for name in BROKEN if f"| {name} |" not in TEXT] == []
