"""The connect budget: the first is free, a loop is slowed down and capped, restarts forget nothing."""

from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S
from observer_core.pacing.connect import ConnectBudget

START_NS = 1_800_000_000 * NS_PER_S


def _connect_whenever_allowed(path: Path, until_s: float) -> list[float]:
    """Connect, crash and start again at once, for a while; return the times of the connects in seconds."""
    now_ns, connects = START_NS, []
    while now_ns < START_NS + until_s * NS_PER_S:
        wait_s = ConnectBudget(path).take(now_ns)
        if wait_s is None:
            connects.append((now_ns - START_NS) / NS_PER_S)
        now_ns += max(1, int((wait_s or 0) * NS_PER_S))
    return connects


def test_a_crash_loop_is_slowed_down_and_never_exceeds_six_a_minute(tmp_path: Path) -> None:
    connects = _connect_whenever_allowed(tmp_path / "connect-0.bin", 600)
    assert [round(at_s) for at_s in connects[:6]] == [0, 1, 3, 7, 15, 31]
    assert all(seventh - first >= 60 for first, seventh in zip(connects, connects[6:], strict=False))
    assert len(connects) > 20


def test_a_restart_after_a_quiet_time_is_free(tmp_path: Path) -> None:
    budget = ConnectBudget(tmp_path / "connect-0.bin")
    assert budget.take(START_NS) is None
    assert ConnectBudget(tmp_path / "connect-0.bin").take(START_NS + 5 * NS_PER_S) is None
    assert budget.used(START_NS + 6 * NS_PER_S) == 2


def test_a_clock_set_back_does_not_block_for_longer_than_a_window(tmp_path: Path) -> None:
    budget = ConnectBudget(tmp_path / "connect-0.bin", limit=1)
    assert budget.take(START_NS) is None
    earlier_ns = START_NS - 3600 * NS_PER_S
    assert budget.take(earlier_ns) == 60.0
    assert budget.take(earlier_ns + 61 * NS_PER_S) is None


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff" * 5000])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "connect-0.bin"
    ConnectBudget(path).take(START_NS)
    path.write_bytes(damage)
    assert ConnectBudget(path).take(START_NS) is None
    assert ConnectBudget(path).take(START_NS) == 1.0


def test_a_senseless_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="limit"):
        ConnectBudget(tmp_path / "connect-0.bin", limit=0)
