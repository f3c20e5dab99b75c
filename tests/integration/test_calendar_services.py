"""Calendar, broker and tape together, on real files and against the simulated exchange: who is asked, who is told.

The day is 2026-07-17: the calendar library calls it a session, the exchange was closed.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from observer_core.clock import KST, NS_PER_S, SystemClock
from observer_core.ids import AppKeyOrdinal, MonotonicNs, TimeNs
from observer_core.kis.rest import open_rest
from observer_core.market.phases import Phase
from observer_core.messages import Quote
from observer_core.services.backfill import AFTER_CLOSE_S
from observer_core.services.calendar_check import RETRY_S, TRIES_A_DAY, CalendarCheck
from observer_core.services.calendar_watch import CalendarWatch, Vote
from observer_core.services.pace import Pace
from tests.fixtures.journals import SteppingClock, quote
from tests.fixtures.kis_adapter import SimulatedBroker, broker_settings, simulated_broker

pytestmark = pytest.mark.integration

NOWHERE = SimulatedBroker("http://127.0.0.1:1", "ws://127.0.0.1:1", "http://127.0.0.1:1")
OVERRIDE = '[[day]]\nday = 2026-07-17\naction = "close"\nreason = "Constitution Day"\n'


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=KST).timestamp()) * NS_PER_S


class ShiftedClock(SystemClock):
    """The machine's clock at another date: the broker's pacing needs time that passes."""

    def __init__(self, text: str) -> None:
        self._shift_ns = at(text) - super().now_ns()
        self.skipped_ns = 0

    def now_ns(self) -> TimeNs:
        """Return the shifted wall time."""
        return TimeNs(super().now_ns() + self._shift_ns)

    def monotonic_ns(self) -> MonotonicNs:
        """Return the monotonic time, plus what a test skipped."""
        return MonotonicNs(super().monotonic_ns() + self.skipped_ns)


@pytest.fixture
def broker() -> Iterator[SimulatedBroker]:
    with simulated_broker() as running:
        yield running


class Watchman:
    """A calendar check over a directory of its own, and what it told."""

    def __init__(self, directory: Path, broker: SimulatedBroker, moment: str) -> None:
        self.settings = broker_settings(directory, broker)
        self.settings.config_dir.mkdir(parents=True)
        self.clock = ShiftedClock(moment)
        self.told: list[tuple[str, str]] = []

        async def tell(name: str, severity: str, subject: str, text: str) -> None:
            assert (severity, subject) == ("error", "calendar")
            self.told.append((name, text))

        self.check = CalendarCheck(self.settings, self.clock, tell)
        self.watch = CalendarWatch(self.settings.paths, self.clock)

    def keep(self, turns: int = 1) -> None:
        """Let the check look."""

        async def turn() -> None:
            for _ in range(turns):
                await self.check.keep()
                self.clock.skipped_ns += NS_PER_S

        asyncio.run(turn())


async def prepare_token(watchman: Watchman) -> None:
    """Have a token ready, so that only the question itself can fail."""
    client = open_rest(watchman.settings, AppKeyOrdinal(0), watchman.clock, Random(1))
    await client.tokens.token()
    await client.aclose()


def test_without_an_override_the_broker_disagrees_which_is_told_once_and_the_day_is_collected(
    tmp_path: Path, broker: SimulatedBroker
) -> None:
    broker.fault(announced_holidays=["2026-07-17"])
    watchman = Watchman(tmp_path, broker, "2026-07-17T10:00:00")
    watchman.keep(turns=5)
    assert watchman.told == [
        ("calendar_disagreement", "2026-07-17: calendar says open, broker says closed: collecting (session)")
    ]
    assert watchman.check.asked == 1
    assert watchman.watch.phase().phase is Phase.CONTINUOUS
    assert {path.name for path in watchman.settings.paths.calendar_votes.iterdir()} == {"20260717-broker-closed"}


def test_the_override_closes_the_day_and_all_agree(tmp_path: Path, broker: SimulatedBroker) -> None:
    broker.fault(announced_holidays=["2026-07-17"])
    watchman = Watchman(tmp_path, broker, "2026-07-17T10:00:00")
    watchman.settings.paths.calendar_overrides.write_text(OVERRIDE)
    watchman.keep(turns=3)
    assert watchman.told == []
    assert watchman.watch.phase() == (Phase.CLOSED, at("2026-07-20T08:00:00"))
    # Trades arrive on the closed day: it is collected, and that is told.
    assert watchman.watch.record_vote(Vote.TAPE_TRADES)
    assert not watchman.watch.record_vote(Vote.TAPE_TRADES), "somebody said so already"
    watchman.keep(turns=3)
    assert [name for name, _text in watchman.told] == ["calendar_disagreement"]
    assert "tape says open, calendar and broker say closed: collecting" in watchman.told[0][1]
    assert watchman.watch.phase().phase is Phase.CONTINUOUS


def test_a_broker_that_does_not_answer_is_asked_a_few_times_a_day(tmp_path: Path, broker: SimulatedBroker) -> None:
    watchman = Watchman(tmp_path, broker, "2026-07-17T10:00:00")
    asyncio.run(prepare_token(watchman))
    broker.fault(rest_down=True)
    for _ in range(TRIES_A_DAY + 3):
        watchman.keep(turns=2)
        watchman.clock.skipped_ns += int(RETRY_S * NS_PER_S)
    assert watchman.check.asked == TRIES_A_DAY
    assert watchman.told == []


def test_nobody_is_asked_before_six(tmp_path: Path) -> None:
    watchman = Watchman(tmp_path, NOWHERE, "2026-07-17T05:58:00")
    watchman.keep(turns=3)
    assert watchman.check.asked == 0


def test_overrides_are_read_again_when_they_change_and_a_bad_file_keeps_the_last_good(tmp_path: Path) -> None:
    watchman = Watchman(tmp_path, NOWHERE, "2026-07-17T05:00:00")
    overrides = watchman.settings.paths.calendar_overrides
    assert watchman.watch.is_session

    def is_session() -> bool:
        watchman.clock.skipped_ns += NS_PER_S
        return watchman.watch.is_session

    overrides.write_text(OVERRIDE)
    assert not is_session()
    overrides.write_text(OVERRIDE.replace("close", "shut"))
    assert not is_session()
    watchman.keep(turns=3)
    ((name, text),) = watchman.told
    assert name == "calendar_overrides_invalid"
    assert text.startswith("calendar_overrides.toml:1: Invalid enum value 'shut'")
    overrides.unlink()
    assert is_session()


def test_a_closed_market_slows_the_sweep_and_lets_the_stream_rest(tmp_path: Path) -> None:
    settings = broker_settings(tmp_path, NOWHERE, OBSERVER_CLOSED_SWEEP_INTERVAL_S="60")

    def pace(moment: str) -> Pace:
        return Pace(settings, SteppingClock(at(moment)))

    intervals = {
        "2026-11-20T07:59:59": 60.0,
        "2026-11-20T08:00:00": 0.0,
        "2026-11-20T10:00:00": 0.0,
        "2026-11-20T15:35:00": 60.0,
        "2026-11-20T19:59:59": 0.0,
        "2026-11-20T20:00:00": 60.0,
        "2026-11-21T10:00:00": 60.0,
    }
    assert {moment: pace(moment).interval_s for moment in intervals} == intervals
    hang_up = {
        "2026-11-20T07:29:59": True,
        "2026-11-20T07:30:00": False,
        "2026-11-20T15:35:00": False,
        "2026-11-20T20:00:59": False,
        "2026-11-20T20:01:00": True,
        "2026-11-21T10:00:00": True,
    }
    assert {moment: pace(moment).may_hang_up for moment in hang_up} == hang_up
    fetching_ends = {
        "2026-11-20T10:00:00": False,
        "2026-11-20T20:29:59": False,
        "2026-11-20T20:30:00": True,
        "2026-11-21T10:00:00": True,
    }
    assert {moment: pace(moment).closed_for(AFTER_CLOSE_S) for moment in fetching_ends} == fetching_ends
    forced = Pace(
        broker_settings(tmp_path, NOWHERE, OBSERVER_FORCE_OPEN="true"), SteppingClock(at("2026-11-21T10:00:00"))
    )
    assert (forced.interval_s, forced.may_hang_up, forced.closed_for(AFTER_CLOSE_S)) == (0.0, False, False)


def test_trades_on_a_closed_day_wake_every_shard(tmp_path: Path) -> None:
    settings = broker_settings(tmp_path, NOWHERE)
    clock = SteppingClock(at("2026-12-25T10:00:00"))
    swing, scalp = Pace(settings, clock), Pace(settings, clock)
    assert (swing.interval_s, scalp.may_hang_up) == (60.0, True)

    def sweep(volume: int) -> None:
        swing.observed([_quote(symbol, volume) for symbol in ("005930", "000660")])
        swing.swept()
        clock.advance(60)

    sweep(100)
    sweep(100)
    assert scalp.may_hang_up
    sweep(101)
    assert (swing.interval_s, scalp.may_hang_up) == (0.0, False)
    watch = CalendarWatch(settings.paths, clock)
    assert watch.phase().phase is Phase.CONTINUOUS
    assert watch.today.text == "tape says open, calendar says closed: collecting"


def _quote(symbol: str, volume: int) -> Quote:
    return replace(quote(volume), symbol=symbol, cumulative_volume=volume)
