"""How a shard acts on the ladder: what it leaves out, what it says, when it releases the reserve."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from observer_core.archive.disk_ladder import Ladder, Level
from observer_core.archive.volumes import HeldBack, Reserve, VolumeWatch, measure, reserves
from observer_core.messages import Book, Trade
from observer_core.services.shard_disk import LEVELS_KEPT, DiskReactions, quiet_logs, trimmed
from observer_core.settings import Settings, load_settings
from tests.fixtures.journals import NINE_OCLOCK_NS, event, quote, trade

FULL = 0.0
NEVER = 100.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "OBSERVER_DATA_DIR": str(tmp_path),
            "OBSERVER_LOG_DIR": str(tmp_path / "logs"),
            "OBSERVER_CONFIG_DIR": str(tmp_path / "config"),
            "OBSERVER_RUN_DIR": str(tmp_path / "run"),
            "KIS_TOKEN_CACHE_DIR": str(tmp_path / "secrets"),
            "KIS_APP_KEY": "k" * 36,
            "KIS_APP_SECRET": "s" * 180,
        }
    )


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)


def reactions(settings: Settings, *ladder: float) -> DiskReactions:
    return DiskReactions("scalp-0", replace(settings, disk_ladder_percent=ladder))


def test_the_last_step_gives_observations_up_and_releases_the_reserve(settings: Settings) -> None:
    (reserve,) = reserves(settings.paths, 1024)
    assert reserve.hold()
    shard = reactions(settings, FULL, FULL, FULL, FULL)
    (change,) = shard.look(NINE_OCLOCK_NS)
    assert (shard.trimming, shard.dropping) == (True, True)
    assert (change.name, change.severity, change.subject) == ("disk_level", "critical", "scalp-0")
    assert not reserve.path.exists()
    assert shard.look(NINE_OCLOCK_NS) == [], "said once"


def test_the_second_step_trims_only(settings: Settings) -> None:
    shard = reactions(settings, FULL, FULL, NEVER, NEVER)
    shard.look(NINE_OCLOCK_NS)
    assert (shard.trimming, shard.dropping) == (True, False)
    assert logging.root.manager.disable == logging.NOTSET


def test_a_refused_batch_is_the_last_step_until_the_next_look(settings: Settings) -> None:
    (reserve,) = reserves(settings.paths, 1024)
    reserve.hold()
    shard = reactions(settings, NEVER, NEVER, NEVER, NEVER)
    shard.refused()
    assert shard.dropping
    assert not reserve.path.exists()
    assert shard.look(NINE_OCLOCK_NS) == []
    assert not shard.dropping


def test_logs_are_quiet_from_the_third_step_on(settings: Settings) -> None:
    quiet_logs(Level.SEAL)
    assert logging.root.manager.disable == logging.INFO
    quiet_logs(Level.TRIM)
    assert logging.root.manager.disable == logging.NOTSET


def test_trimming_leaves_out_what_is_optional_and_nothing_else() -> None:
    book = Book(
        symbol="005930",
        source_time_ns=NINE_OCLOCK_NS,
        received_ns=NINE_OCLOCK_NS,
        asks=tuple(range(10, 20)),
        bids=tuple(range(10)),
        ask_sizes=(1,) * 10,
        bid_sizes=(2,) * 10,
        total_ask_size=10,
        total_bid_size=20,
        cumulative_volume=5,
        expected_price=None,
        expected_volume=None,
        session_code="0",
        raw="x" * 400,
    )
    full_trade = trade(1)
    thin_trade, thin_book, untouched_quote, untouched_event = trimmed([full_trade, book, quote(2), event(3)])
    assert isinstance(thin_trade, Trade)
    assert thin_trade.raw is None
    assert (thin_trade.price, thin_trade.cumulative_volume) == (full_trade.price, full_trade.cumulative_volume)
    assert isinstance(thin_book, Book)
    assert (thin_book.asks, thin_book.bids) == (book.asks[:LEVELS_KEPT], book.bids[:LEVELS_KEPT])
    assert (thin_book.raw, thin_book.total_ask_size) == (None, 10)
    assert (untouched_quote, untouched_event) == (quote(2), event(3))


def test_the_reserve_takes_real_room_and_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "state" / "reserve.bin", 3 * 1024 * 1024)
    assert reserve.hold()
    assert reserve.hold()
    assert reserve.path.stat().st_blocks * 512 >= 3 * 1024 * 1024
    assert reserve.release()
    assert not reserve.release()
    barred = Reserve(Path("/proc/reserve.bin"), 1024)
    assert not barred.hold()


def test_a_released_reserve_counts_as_used(settings: Settings) -> None:
    paths = settings.paths
    held = HeldBack(paths, 5 * 1024 * 1024)
    assert held.owed_bytes(paths.journals) == 5 * 1024 * 1024
    assert held.owed_bytes(Path("/proc")) == 0
    (reserve,) = reserves(paths, 5 * 1024 * 1024)
    reserve.hold()
    assert held.owed_bytes(paths.journals) == 0
    free = measure(paths.state)
    assert measure(paths.state, free.total_bytes).used_percent == 100.0


def test_a_volume_that_does_not_answer_keeps_its_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    watch = VolumeWatch({"journal": tmp_path / "file" / "below"}, Ladder(FULL, FULL, FULL, FULL))
    watch.look()
    assert watch.worst is Level.NORMAL
    assert 0 <= measure(tmp_path / "not" / "there").used_percent <= 100
