"""A swept row that stands still is proved by another endpoint; too few quotes are an alarm; quiet symbols neither."""

from pathlib import Path

import msgspec

from observer_core.clock import NS_PER_S
from observer_core.market.phases import Phase
from observer_core.messages import Quote, ShardStatus
from observer_core.quality.rates import RateRule
from observer_core.services.rates_file import RatesFile
from observer_core.services.sweep_quality import LOOK_EVERY_S, SweepQuality

BUSY, QUIET = "005930", "000660"
STALE_AFTER_S = 60.0


def quote(symbol: str, volume: int, at_s: float) -> Quote:
    at_ns = int(at_s * NS_PER_S)
    known = {"symbol", "requested_ns", "received_ns", "price", "cumulative_volume"}
    fields = msgspec.structs.fields(Quote)
    figures = {field.name: None for field in fields if field.required and field.name not in known}
    return Quote(
        symbol=symbol,
        requested_ns=at_ns - 1,
        received_ns=at_ns,
        price=1_000,
        cumulative_volume=volume,
        **figures,  # type: ignore[arg-type] # all of them None
    )


class Bench:
    """A shard of two symbols that is swept once a second."""

    def __init__(self, directory: Path) -> None:
        status = ShardStatus(name="swing-0", kind="swing", pid=1, epoch=1, status_seq=0, as_of_ns=0, state="collecting")
        rule = RateRule(window_s=10)
        self.quality = SweepQuality(status, RatesFile(directory / "r.json"), rule, stale_after_s=STALE_AFTER_S)
        self.quality.assign((BUSY, QUIET), 0)
        self.second = 0
        self.events: list[str] = []
        self.phase = Phase.CONTINUOUS

    def sweep(self, seconds: int, busy_from: int, grows: int = 1) -> int:
        """Sweep every second; return the volume of the busy symbol at the end."""
        for number in range(seconds):
            self.second += 1
            busy = busy_from + grows * (number + 1)
            at_ns = self.second * NS_PER_S
            self.quality.swept((quote(BUSY, busy, self.second), quote(QUIET, 7, self.second)), at_ns)
            self.look()
        return busy_from + grows * seconds

    def look(self) -> None:
        at_ns = self.second * NS_PER_S
        self.events += [event.name for event in self.quality.look(self.phase, at_ns, at_ns, 0.1)]

    def doubtful(self) -> str | None:
        return self.quality.doubtful(self.phase, self.second * NS_PER_S)


def test_a_row_that_stands_still_is_a_gap_from_its_last_movement_until_it_moves(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    volume = bench.sweep(100, 0)
    bench.sweep(int(STALE_AFTER_S), volume, grows=0)
    assert bench.doubtful() is None
    bench.sweep(int(LOOK_EVERY_S), volume, grows=0)
    assert bench.doubtful() == BUSY
    bench.quality.claimed(quote(BUSY, volume + 500, bench.second + 0.2))
    assert bench.quality.frozen == {}
    bench.sweep(1, volume, grows=0)
    assert bench.quality.frozen == {BUSY: 100 * NS_PER_S}
    assert bench.quality.figures()["stale_symbols"] == 1
    bench.sweep(1, volume + 600)
    bench.look()
    assert bench.quality.frozen == {}
    assert bench.events == ["symbols_stale", "symbols_heard"]


def test_a_halted_or_interrupted_symbol_is_looked_at_and_excused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    volume = bench.sweep(100, 0)
    bench.sweep(int(STALE_AFTER_S + LOOK_EVERY_S), volume, grows=0)
    assert bench.doubtful() == BUSY
    bench.quality.claimed(quote(BUSY, volume, bench.second + 0.2))
    bench.sweep(int(LOOK_EVERY_S), volume, grows=0)
    assert (bench.quality.frozen, bench.doubtful(), bench.events) == ({}, None, [])


def test_a_symbol_that_never_traded_and_an_auction_are_never_doubted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    volume = bench.sweep(100, 0)
    bench.phase = Phase.CLOSING_AUCTION
    bench.sweep(1_000, volume, grows=0)
    assert bench.doubtful() is None
    bench.phase = Phase.CONTINUOUS
    bench.sweep(1_000, volume)
    assert bench.doubtful() is None


def test_sweeps_at_a_hundredth_are_an_alarm_and_end_it_when_they_are_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    volume = bench.sweep(60, 0)
    for _ in range(40):
        bench.second += 1
        bench.look()
    assert bench.events == ["rate_below_expectation"]
    assert "quotes: records arrive far too slowly: 0.00 a second, expected" in str(bench.quality.figures()["rate_low"])
    bench.sweep(20, volume)
    assert bench.events == ["rate_below_expectation", "rate_as_expected"]
    assert bench.quality.figures()["rate_low"] == ""
    bench.phase = Phase.CLOSED
    for _ in range(60):
        bench.second += 1
        bench.look()
    assert len(bench.events) == 2
