"""Every leg of the soak in its short form; the long one is `python -m tests.soak`."""

from pathlib import Path

import pytest

from tests.soak.legs import LEGS

pytestmark = pytest.mark.chaos

SHORT_S = 40.0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("leg", LEGS)
def test_a_leg_holds(leg: str, tmp_path: Path) -> None:
    assert LEGS[leg](tmp_path / "tree", SHORT_S)
