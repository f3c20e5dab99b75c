"""Bars and last values out of archive lines."""

from pathlib import Path

import msgspec
import pytest

from observer_core.archive.layout import shard_track, window_of
from observer_core.clock import NS_PER_S
from observer_core.http import symbols
from observer_core.ids import ShardName
from tests.fixtures.views import NOW_NS

SCALP, SWING = ShardName("scalp-0"), ShardName("swing-0")


def write(archive: Path, shard: ShardName, at_ns: int, *records: dict[str, object], end: str = "\n") -> None:
    path = archive / window_of(shard_track(shard), shard, at_ns).path
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.writelines(msgspec.json.encode(record) + end.encode() for record in records)


def trade(seconds: float, price: int, volume: int, cumulative: int, symbol: str = "005930") -> dict[str, object]:
    return {
        "kind": "trade",
        "symbol": symbol,
        "price": price,
        "volume": volume,
        "cumulative_volume": cumulative,
        "received_ns": MINUTE_NS + int(seconds * NS_PER_S),
        "source_time_ns": MINUTE_NS + int(seconds) * NS_PER_S,
        "session_code": "0",
        "quality": "normal",
    }


def quote(seconds: float, price: int, cumulative: int) -> dict[str, object]:
    return {**trade(seconds, price, 0, cumulative), "kind": "quote", "source_time_ns": None}


MINUTE_NS = NOW_NS - NOW_NS % (600 * NS_PER_S)


def test_bars_carry_prices_volume_and_what_the_exchange_proves(tmp_path: Path) -> None:
    trades = [trade(1, 100, 5, 5), trade(2, 130, 5, 10), trade(3, 90, 1, 31), trade(61, 95, 4, 35)]
    write(tmp_path, SCALP, MINUTE_NS, *trades, trade(4, 7, 7, 7, symbol="000660"))
    found = symbols.symbol_status(tmp_path, "005930", (SCALP, SWING), "1m", MINUTE_NS + 62 * NS_PER_S)
    first, second = found.bars
    assert (first.open, first.high, first.low, first.close) == (100, 130, 90, 90)
    # The third trade proves 20 shares more than were received.
    assert (first.volume, first.records, first.coverage) == (11, 3, round(11 / 31, 6))
    assert (second.volume, second.coverage) == (4, 1.0)
    assert found.age_s == 1.0
    assert [value.shard for value in found.last] == ["scalp-0"]


def test_ten_minutes_are_one_bar(tmp_path: Path) -> None:
    write(tmp_path, SCALP, MINUTE_NS, trade(1, 100, 5, 5), trade(70, 101, 5, 10))
    assert len(symbols.symbol_status(tmp_path, "005930", (SCALP,), "10m", MINUTE_NS + 71 * NS_PER_S).bars) == 1


def test_each_timeframe_is_made_of_what_it_is_kept_from(tmp_path: Path) -> None:
    write(tmp_path, SCALP, MINUTE_NS, trade(1, 100, 5, 5))
    write(tmp_path, SWING, MINUTE_NS, quote(2, 100, 5), quote(62, 101, 9))
    at_ns = MINUTE_NS + 63 * NS_PER_S
    assert [bar.coverage for bar in symbols.symbol_status(tmp_path, "005930", (SCALP, SWING), "1m", at_ns).bars] == [
        1.0
    ]
    assert [bar.coverage for bar in symbols.symbol_status(tmp_path, "005930", (SCALP, SWING), "10m", at_ns).bars] == [
        0.2
    ]
    swept = symbols.symbol_status(tmp_path, "005930", (SWING,), "1m", at_ns).bars
    assert [(bar.volume, bar.coverage) for bar in swept] == [(0, None), (4, None)]


def test_an_unseen_symbol_has_no_age(tmp_path: Path) -> None:
    found = symbols.symbol_status(tmp_path, "005930", (SWING,), "1m", NOW_NS)
    assert (found.age_s, found.last, found.bars) == (None, (), ())


def test_torn_and_foreign_lines_are_passed_over_and_reading_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, SCALP, MINUTE_NS, *(trade(1, 100 + n, 1, n) for n in range(200)))
    write(tmp_path, SCALP, MINUTE_NS, trade(5, 999, 1, 999), end="")
    monkeypatch.setattr(symbols, "TAIL_BYTES", 2_000)
    (bar,) = symbols.symbol_status(tmp_path, "005930", (SCALP,), "1m", MINUTE_NS + 9 * NS_PER_S).bars
    assert 0 < bar.records < 30
    assert bar.close == 299
