"""A shard that is killed while gaps are open cannot close them: its next life does, however many lives that takes."""

import asyncio
from pathlib import Path

import pytest

from observer_core.audit.archive import _payloads
from observer_core.clock import SystemClock
from observer_core.ids import ProcessName
from observer_core.messages import Gap, GapReason, Track, decode_batch
from observer_core.services.context import ChildContext
from observer_core.services.shard import Shard
from observer_core.settings import Settings, load_settings
from tests.fixtures.journals import trade

pytestmark = pytest.mark.integration

SYMBOL = "005930"
CLOCK = SystemClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    names = {
        "OBSERVER_DATA_DIR": "data",
        "OBSERVER_LOG_DIR": "logs",
        "OBSERVER_CONFIG_DIR": "config",
        "OBSERVER_RUN_DIR": "run",
        "KIS_TOKEN_CACHE_DIR": "secrets",
    }
    environment = {name: str(tmp_path / directory) for name, directory in names.items()}
    return load_settings({**environment, "KIS_APP_KEY": "k" * 36, "KIS_APP_SECRET": "s" * 180})


def born(settings: Settings) -> Shard:
    context = ChildContext(name=ProcessName("scalp-0"), kind="scalp", index=0, settings=settings, clock=CLOCK)
    return Shard(context, Track.SCALP)


def killed(shard: Shard) -> None:
    """Give back what the kernel would; nothing is written."""
    shard._lock.close()
    if shard._status_sender is not None:
        shard._status_sender.close()
    shard._publisher.close()


def gaps(settings: Settings) -> dict[str, Gap]:
    """Return the newest form of every journalled gap."""
    newest: dict[str, Gap] = {}
    for path in sorted((settings.data_dir / "journal" / "scalp-0").glob("*.seg")):
        for payload in _payloads(path.read_bytes()):
            newest.update((r.gap_id, r) for r in decode_batch(payload).records if isinstance(r, Gap))
    return newest


def observe(shard: Shard) -> None:
    now_ns = CLOCK.now_ns()
    shard.record([trade(1, now_ns)], now_ns)


def test_gaps_of_killed_lives_are_closed_by_the_next_one_that_observes(settings: Settings) -> None:
    async def lives() -> None:
        first = born(settings)
        observe(first)
        first.miss(GapReason.STREAM_CUT, [SYMBOL], from_ns=CLOCK.now_ns())
        killed(first)
        second = born(settings)
        second.open_restart_gap([SYMBOL])
        second.note([])
        second._append((), CLOCK.now_ns())
        killed(second)
        third = born(settings)
        third.open_restart_gap([SYMBOL])
        killed(third)  # before the journal took anything
        fourth = born(settings)
        fourth.open_restart_gap([SYMBOL])
        assert [gap.reason for gap in gaps(settings).values() if gap.until_ns is None] == ["restart"]
        observe(fourth)
        killed(fourth)

    asyncio.run(lives())
    found = gaps(settings)
    assert sorted(gap.reason for gap in found.values()) == ["restart", "restart", "restart", "stream_cut"]
    assert all(gap.until_ns is not None and gap.until_ns >= gap.from_ns for gap in found.values())


def test_a_damaged_memory_of_gaps_does_not_prevent_a_start(settings: Settings) -> None:
    async def life() -> None:
        directory = settings.data_dir / "journal" / "scalp-0"
        directory.mkdir(parents=True)
        (directory / "open-gaps.json").write_text('[["gap"')
        shard = born(settings)
        shard.open_restart_gap([SYMBOL])
        observe(shard)
        killed(shard)

    asyncio.run(life())
    assert gaps(settings) == {}


def test_what_lies_behind_damage_in_the_middle_of_a_segment_is_a_gap(settings: Settings) -> None:
    async def lives() -> None:
        first = born(settings)
        for _ in range(4):
            observe(first)
        killed(first)
        [segment] = (settings.data_dir / "journal" / "scalp-0").glob("*.seg")
        content = bytearray(segment.read_bytes())
        content[len(content) // 2] ^= 0xFF
        segment.write_bytes(content)
        second = born(settings)
        second.open_restart_gap([SYMBOL])
        observe(second)
        await second._repair()
        killed(second)

    asyncio.run(lives())
    fault, restart = sorted(gaps(settings).values(), key=lambda gap: gap.reason)
    assert (fault.reason, restart.reason) == ("journal_fault", "restart")
    assert fault.symbols == (SYMBOL,)
    assert fault.until_ns is not None
    assert restart.from_ns < fault.until_ns
