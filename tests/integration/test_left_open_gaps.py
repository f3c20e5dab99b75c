"""A shard that is killed while gaps are open cannot close them: its next life does, however many lives that takes."""

import asyncio
from pathlib import Path

import pytest

from observer_core.audit.archive import _payloads
from observer_core.clock import NS_PER_S, SystemClock
from observer_core.errors import JournalError
from observer_core.ids import ProcessName
from observer_core.journal.format import Position
from observer_core.messages import Event, Gap, GapReason, Rejection, Track, decode_batch
from observer_core.quality.unwritten import EVENTS_LIMIT
from observer_core.services.context import ChildContext
from observer_core.services.shard import Shard
from observer_core.settings import Settings, load_settings
from tests.fixtures.journals import event as event_at
from tests.fixtures.journals import trade
from tests.fixtures.postgres_records import book, quote

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


def event() -> Event:
    return event_at(CLOCK.now_ns())


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


def test_a_book_ends_no_gap_of_the_trades_but_one_of_the_journal(settings: Settings) -> None:
    async def life() -> None:
        now_ns = CLOCK.now_ns()
        shard = born(settings)
        shard.miss(GapReason.NOT_SUBSCRIBED, [SYMBOL], from_ns=now_ns)
        shard.record([book(1, symbol=SYMBOL)], now_ns)
        assert shard.outages.open_count == 1
        shard.record([trade(1, now_ns)], now_ns)
        assert shard.outages.open_count == 0
        shard.miss(GapReason.DISK_FULL, [SYMBOL], from_ns=now_ns)
        shard.record([book(2, symbol=SYMBOL)], now_ns)
        assert shard.outages.open_count == 0
        killed(shard)

    asyncio.run(life())


def full(shard: Shard) -> None:
    """Let the journal refuse everything from now on."""

    def refuse(*_arguments: object) -> Position:
        raise JournalError("no space left")

    shard._journal.append = refuse  # type: ignore[method-assign, assignment]


def test_a_gap_whose_end_the_journal_refused_is_ended_by_the_next_life(settings: Settings) -> None:
    async def lives() -> None:
        first = born(settings)
        observe(first)
        first.miss(GapReason.STREAM_CUT, [SYMBOL], from_ns=CLOCK.now_ns())
        first.hold_stale({SYMBOL: CLOCK.now_ns()})
        full(first)
        first.resume([SYMBOL])
        first.hold_stale({})
        killed(first)
        second = born(settings)
        second.open_restart_gap([SYMBOL])
        observe(second)
        killed(second)

    asyncio.run(lives())
    assert {gap.reason for gap in gaps(settings).values() if gap.until_ns is None} == set()


@pytest.mark.parametrize("observed", [True, False], ids=["", "of a shard whose journal is empty"])
def test_a_gap_is_ended_once_and_not_stretched_by_later_lives(settings: Settings, observed: bool) -> None:
    ends: list[int | None] = []

    async def lives() -> None:
        first = born(settings)
        if observed:
            observe(first)
        first.miss(GapReason.STREAM_CUT, [SYMBOL], from_ns=CLOCK.now_ns())
        killed(first)
        for _ in range(3):
            life = born(settings)
            life.open_restart_gap([SYMBOL])
            life.note([event()])
            killed(life)
            ends.append(next(gap.until_ns for gap in gaps(settings).values() if gap.reason == "stream_cut"))

    asyncio.run(lives())
    assert ends[0] is not None
    assert ends == [ends[0]] * 3


def test_what_is_missed_before_the_former_life_was_looked_at_does_not_hide_its_gaps(settings: Settings) -> None:
    async def lives() -> None:
        first = born(settings)
        observe(first)
        first.miss(GapReason.STREAM_CUT, [SYMBOL], from_ns=CLOCK.now_ns())
        killed(first)
        second = born(settings)
        second.miss(GapReason.REASSIGNED, ["000660"], from_ns=CLOCK.now_ns())
        second.open_restart_gap([SYMBOL])
        observe(second)
        killed(second)

    asyncio.run(lives())
    assert [gap.reason for gap in gaps(settings).values() if gap.until_ns is None] == ["reassigned"]


def buried(settings: Settings) -> None:
    """Leave a journal with whole batches behind damage."""
    first = born(settings)
    for _ in range(4):
        observe(first)
    killed(first)
    [segment] = (settings.data_dir / "journal" / "scalp-0").glob("*.seg")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(content)


def killed_now(*_arguments: object) -> bool:
    raise KeyboardInterrupt


def test_a_kill_during_the_repair_does_not_lose_the_gap_of_what_the_damage_took(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lives() -> None:
        buried(settings)
        second = born(settings)
        second.open_restart_gap([SYMBOL])
        with monkeypatch.context() as patch:
            patch.setattr(second, "_write", killed_now)
            with pytest.raises(KeyboardInterrupt):
                await second._repair()
        killed(second)
        third = born(settings)
        third.open_restart_gap([SYMBOL])
        await third._repair()
        killed(third)

    asyncio.run(lives())
    assert "journal_fault" in {gap.reason for gap in gaps(settings).values()}


def test_a_gap_of_damage_that_the_journal_refused_is_written_by_the_next_life(settings: Settings) -> None:
    async def lives() -> None:
        buried(settings)
        second = born(settings)
        second.open_restart_gap([SYMBOL])
        full(second)
        await second._repair()
        killed(second)
        third = born(settings)
        third.open_restart_gap([SYMBOL])
        await third._repair()
        killed(third)

    asyncio.run(lives())
    assert "journal_fault" in {gap.reason for gap in gaps(settings).values()}


def test_damage_that_two_lives_look_at_is_one_gap(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lives() -> None:
        buried(settings)
        for killed_meanwhile in (True, False):
            life = born(settings)
            life.open_restart_gap([SYMBOL])
            with monkeypatch.context() as patch:
                if killed_meanwhile:
                    patch.setattr("observer_core.services.journal_repair.examine_tails", lambda *_arguments: ())
                await life._repair()
            killed(life)

    asyncio.run(lives())
    assert [gap.reason for gap in gaps(settings).values()].count("journal_fault") == 1


def test_an_open_gap_is_told_again_on_every_day_it_lasts(settings: Settings) -> None:
    async def life() -> None:
        shard = born(settings)
        observe(shard)
        shard.miss(GapReason.STREAM_CUT, [SYMBOL], from_ns=CLOCK.now_ns())
        shard.retell_gaps(CLOCK.now_ns())
        shard.retell_gaps(CLOCK.now_ns() + 86_400 * NS_PER_S)
        shard.retell_gaps(CLOCK.now_ns() + 86_400 * NS_PER_S)
        killed(shard)

    asyncio.run(life())
    told = [
        record
        for path in (settings.data_dir / "journal" / "scalp-0").glob("*.seg")
        for payload in _payloads(path.read_bytes())
        for record in decode_batch(payload).records
        if isinstance(record, Gap)
    ]
    assert len(told) == 2
    assert told[0] == told[1]


def test_what_no_gap_covers_is_counted_while_the_journal_takes_nothing(settings: Settings) -> None:
    async def life() -> None:
        now_ns = CLOCK.now_ns()
        shard = born(settings)
        append = shard._journal.append
        full(shard)
        unreadable = Rejection(None, now_ns, Track.SCALP, "frame", ("no_header",), "0|")
        shard.note([quote(1), quote(2)])
        shard.record([trade(1, now_ns), unreadable], now_ns)
        shard.note([event() for _ in range(EVENTS_LIMIT + 3)])
        shard._journal.append = append  # type: ignore[method-assign]
        shard._append((), now_ns)
        shard._append((), now_ns)
        killed(shard)

    asyncio.run(life())
    told = [
        record.text
        for path in (settings.data_dir / "journal" / "scalp-0").glob("*.seg")
        for payload in _payloads(path.read_bytes())
        for record in decode_batch(payload).records
        if isinstance(record, Event) and record.name == "records_left_out"
    ]
    assert told == ["the journal took nothing; not kept and in no gap record: 3 event, 2 quote, 1 rejection"]
