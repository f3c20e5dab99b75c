"""Other trading hours of the simulated exchange: the shipped table gives the regular day, a short one a short day."""

from datetime import datetime
from pathlib import Path

import pytest

from observer_core.clock import KST, NS_PER_S
from observer_core.errors import ConfigError
from observer_core.kis.simulator.hours_file import read_hours
from observer_core.kis.simulator.trading_days import day_number
from observer_core.kis.simulator.trading_hours import REGULAR_HOURS, TradingHours

SHIPPED = Path(__file__).parents[4] / "observer_core" / "market" / "sessions.toml"
SHORT = """
[[hours]]
venue = "KRX"
since = 2026-01-01
sessions = [
    { phase = "opening_auction", from = 10:00:00, until = 10:00:05 },
    { phase = "continuous", from = 10:00:05, until = 10:00:30 },
    { phase = "closing_auction", from = 10:00:30, until = 10:00:41 },
]
"""


def test_the_collectors_table_is_the_regular_day() -> None:
    assert read_hours(SHIPPED) == REGULAR_HOURS


def test_a_short_day_has_its_phases_and_little_jitter(tmp_path: Path) -> None:
    (tmp_path / "hours.toml").write_text(SHORT)
    hours = TradingHours(hours=read_hours(tmp_path / "hours.toml"))
    session = hours.session(day_number("2026-11-20"))
    assert session is not None
    assert session.print_ns == int(datetime(2026, 11, 20, 10, 0, 40, tzinfo=KST).timestamp()) * NS_PER_S
    assert 0.3 < session.jitter_s < 0.4
    assert (session.closing_price_ns, session.after_market_ns) == (None, None)
    phases = [session.phase(session.print_ns - back_s * NS_PER_S) for back_s in (41, 36, 20, 5)]
    assert phases == ["closed", "opening_auction", "continuous", "closing_auction"]


@pytest.mark.parametrize("text", ["", "hours = 3", SHORT.replace("continuous", "lunch"), SHORT.replace("KRX", "NXT")])
def test_a_file_that_is_no_day_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hours.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"hours\.toml"):
        read_hours(path)
