"""The promise about restarts, as a test: `make bench` prints the same figures among the others."""

from pathlib import Path

import pytest

from tests.bench.figures import table
from tests.bench.restart import restarts

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


def test_restart_latency(tmp_path: Path) -> None:
    figures = restarts(tmp_path, 1)
    missed = [figure.name for figure in figures if figure.met is False]
    assert not missed, f"{missed}\n{table(figures)}"
