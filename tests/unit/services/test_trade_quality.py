"""What a scalp shard says of its stream: over restarts, lost and regained slots, and a journal that takes nothing."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from observer_core.clock import NS_PER_S, kst_day
from observer_core.ids import Epoch, ShardName
from observer_core.journal.last_trades import FormerTail
from observer_core.market.phases import Phase
from observer_core.messages import Gap, Record, Rejection, ShardStatus, Trade
from observer_core.quality.continuity import DUPLICATE, LATE_NS
from observer_core.quality.rates import RateRule
from observer_core.services.day_volumes import DayVolumes, read_day_volumes
from observer_core.services.rates_file import RatesFile
from observer_core.services.trade_quality import TradeQuality
from tests.fixtures.postgres_records import quote
from tests.fixtures.quality_records import Tape

A, B = "005930", "000660"


class Lives:
    """One shard's quality, life after life, with the files that outlive it."""

    def __init__(self, directory: Path) -> None:
        self.tape = Tape([A, B])
        self._directory = directory
        self._epoch = 0
        self.quality = self.born()

    def born(self) -> TradeQuality:
        self._epoch += 1
        status = ShardStatus(
            name=ShardName("scalp-0"),
            kind="scalp",
            pid=1,
            epoch=Epoch(self._epoch),
            status_seq=0,
            as_of_ns=0,
            state="starting",
        )
        self.quality = TradeQuality(
            status,
            RatesFile(self._directory / "rates.json"),
            RateRule(),
            clock_comparable=False,
            volumes=DayVolumes(self._directory / "volumes.json", self.now_ns),
        )
        return self.quality

    @property
    def now_ns(self) -> int:
        return self.tape.now_ns

    def take(self, *trades: Trade) -> list[Record]:
        return self.quality.judge(trades, self.now_ns)

    def look(self, *, keeping: bool = True) -> list[Gap]:
        """Let what is late have its time, and return the gaps that come of it."""
        self.tape.now_ns += LATE_NS
        records = self.quality.look(Phase.CONTINUOUS, self.now_ns, self.now_ns, observing=True, keeping=keeping)
        return [record for record in records if isinstance(record, Gap)]

    def executed(self) -> dict[str, int]:
        self.quality.finish(self.now_ns)
        found = read_day_volumes(self._directory / "volumes.json", int(kst_day(self.now_ns)))
        return {symbol: stretch.executed for symbol, stretch in found.items()}


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return Lives(tmp_path)


def test_what_was_traded_before_a_slot_was_regained_is_not_missing_after_a_restart(lives: Lives) -> None:
    last = lives.tape.execute(A, 10)
    lives.tape.execute(A, 4_000)
    since_ns = lives.now_ns
    lives.born().assign([A], [A], [], lives.now_ns)
    lives.quality.recall([last], {A: since_ns}, lives.now_ns)
    lives.take(lives.tape.execute(A, 7))
    assert lives.look() == []
    assert lives.executed() == {A: 7}


def test_yesterdays_last_trade_proves_nothing_of_a_symbol_that_was_gained_today(lives: Lives) -> None:
    last = lives.tape.execute(A, 10)
    lives.tape.next_day()
    lives.tape.execute(A, 50_000)
    lives.born().assign([A], [A], [], lives.now_ns)
    lives.quality.recall([last], {A: lives.now_ns}, lives.now_ns)
    lives.take(lives.tape.execute(A, 7))
    assert lives.look() == []


def test_yesterdays_last_trade_proves_the_opening_of_a_symbol_that_was_held_over_night(lives: Lives) -> None:
    last = lives.tape.execute(A, 10)
    since_ns = last.received_ns
    lives.tape.next_day()
    lives.tape.execute(A, 50_000)
    lives.born().assign([A], [A], [], lives.now_ns)
    lives.quality.recall([last], {A: since_ns}, lives.now_ns)
    lives.take(lives.tape.execute(A, 7))
    assert [gap.missed_volume for gap in lives.look()] == [50_000]


def test_what_was_traded_before_a_slot_was_regained_within_the_tail_is_not_missing(lives: Lives) -> None:
    last = lives.tape.execute(A, 10)
    lives.tape.execute(A, 4_000)
    since_ns = lives.now_ns
    lives.born().assign([A], [A], [], lives.now_ns)
    assert lives.quality.recall_tail(FormerTail((), (last,)), {A: since_ns}, lives.now_ns) == ()
    lives.take(lives.tape.execute(A, 7))
    assert lives.look() == []


def test_the_holes_of_a_symbol_that_has_no_slot_any_more_are_reported(lives: Lives) -> None:
    first = lives.tape.execute(A, 10)
    lives.tape.execute(A, 33)
    third = lives.tape.execute(A, 10)
    lives.born()
    lives.quality.recall_tail(FormerTail((), (first, third)), {}, lives.now_ns)
    assert [gap.missed_volume for gap in lives.look()] == [33]


def test_the_volume_of_an_ended_stretch_is_counted_once_after_a_restart(lives: Lives) -> None:
    lives.quality.assign([A], [A], [], lives.now_ns)
    trade = lives.tape.execute(A, 10)
    lives.take(trade)
    lives.quality.assign([], [], [A], lives.now_ns)
    lives.born()
    lives.quality.recall_tail(FormerTail((), (trade,)), {}, lives.now_ns)
    lives.look()
    lives.quality.recall([trade], {}, lives.now_ns)
    lives.look()
    assert lives.executed() == {A: 10}


def test_a_kill_before_the_days_volumes_were_written_does_not_count_what_was_not_wanted(lives: Lives) -> None:
    lives.tape.execute(A, 4_000)
    since_ns = lives.now_ns
    trades = [lives.tape.execute(A, 10), lives.tape.execute(A, 20)]
    lives.born()
    lives.quality.assign([A], [A], [], lives.now_ns)
    lives.quality.recall_tail(FormerTail((), tuple(trades)), {A: since_ns}, lives.now_ns)
    lives.take(lives.tape.execute(A, 5))
    assert lives.executed()[A] <= 35


def test_a_late_trade_after_a_restart_fills_the_hole_that_the_former_life_reported(lives: Lives) -> None:
    trades = [lives.tape.execute(A, volume) for volume in (10, 33, 20)]
    lives.take(trades[0], trades[2])
    (gap,) = lives.look()
    lives.born()
    lives.quality.recall_tail(FormerTail((), (trades[0], trades[2]), (gap,)), {A: 0}, lives.now_ns)
    assert lives.look() == []
    (judged,) = lives.take(trades[1])
    assert isinstance(judged, Trade)
    assert DUPLICATE not in judged.reasons
    (amended,) = lives.look()
    assert (amended.gap_id, amended.missed_volume) == (gap.gap_id, 0)
    assert lives.quality.figures()["missed_volume_total"] == 0


def test_a_trade_that_the_journal_did_not_take_is_missing_and_no_duplicate_when_it_comes_again(lives: Lives) -> None:
    first, second, third = [lives.tape.execute(A, volume) for volume in (10, 33, 20)]
    lives.take(first)
    lives.quality.given_up(lives.take(second), lives.now_ns)
    lives.take(third)
    (again,) = lives.take(second)
    assert isinstance(again, Trade)
    assert DUPLICATE not in again.reasons
    lives.quality.given_up([again], lives.now_ns)
    assert [gap.missed_volume for gap in lives.look()] == [33]
    assert lives.executed() == {A: 63}


def test_a_journal_that_takes_nothing_for_hours_owes_one_proof_a_symbol(lives: Lives) -> None:
    lives.take(lives.tape.execute(A, 10), lives.tape.execute(B, 10))
    for _ in range(100):
        for symbol in (A, B):
            lives.quality.given_up(lives.take(lives.tape.execute(symbol, 5)), lives.now_ns)
        assert lives.look(keeping=False) == []
    lives.take(lives.tape.execute(A, 5), lives.tape.execute(B, 5))
    assert sorted((gap.symbols, gap.missed_volume) for gap in lives.look()) == [((B,), 500), ((A,), 500)]


def test_what_was_sent_twice_is_not_missing_when_the_journal_refuses_the_second(lives: Lives) -> None:
    trade = lives.tape.execute(A, 10)
    lives.take(trade)
    lives.quality.given_up(lives.take(replace(trade)), lives.now_ns)
    assert lives.look() == []


def far(lives: Lives, symbol: str = A) -> Trade:
    """Return a trade so far from yesterday's close that only the broker's own limits can allow it."""
    trade = lives.tape.execute(symbol, 10)
    return replace(trade, price=3_000, change=2_000)


def test_the_limits_of_yesterday_allow_and_refuse_nothing_today(lives: Lives) -> None:
    (refused,) = lives.take(far(lives))
    assert isinstance(refused, Rejection)
    assert lives.quality.take_limits_wanted() == {A}
    lives.quality.learn_limits(A, 500, 5_000)
    assert isinstance(lives.take(far(lives))[0], Trade)
    lives.tape.next_day()
    lives.look()
    assert isinstance(lives.take(far(lives))[0], Rejection)
    assert lives.quality.take_limits_wanted() == {A}


def test_limits_that_could_not_be_read_are_asked_for_again(lives: Lives) -> None:
    lives.take(far(lives))
    assert lives.quality.take_limits_wanted() == {A}
    assert lives.quality.take_limits_wanted() == set()
    lives.quality.ask_again(A)
    assert lives.quality.take_limits_wanted() == {A}


def test_a_hole_after_a_long_pause_is_reported_although_the_life_ended_at_once(lives: Lives) -> None:
    before = lives.tape.execute(A, 10)
    lives.tape.execute(A, 33)
    lives.tape.now_ns += 60 * NS_PER_S
    after = lives.tape.execute(A, 20)
    lives.born().assign([A], [A], [], lives.now_ns)
    former = FormerTail((), (after,))
    lives.quality.recall_tail(former, {A: 0}, lives.now_ns)
    lives.take(lives.tape.execute(A, 5))
    lives.quality.recall_before([before], former, {A: 0}, lives.now_ns)
    assert [gap.missed_volume for gap in lives.look()] == [33]


def test_a_hole_after_a_long_pause_that_was_reported_is_not_reported_again(lives: Lives) -> None:
    before = lives.tape.execute(A, 10)
    lives.take(before)
    lives.tape.execute(A, 33)
    lives.tape.now_ns += 60 * NS_PER_S
    after = lives.tape.execute(A, 20)
    lives.take(after)
    reported = lives.look()
    assert len(reported) == 1
    lives.born().assign([A], [A], [], lives.now_ns)
    former = FormerTail((), (after,), tuple(reported))
    lives.quality.recall_tail(former, {A: 0}, lives.now_ns)
    lives.quality.recall_before([before], former, {A: 0}, lives.now_ns)
    assert lives.look() == []


@pytest.mark.parametrize("overnight", [False, True])
def test_nothing_is_missing_between_a_pause_and_its_end_where_the_volume_goes_on(lives: Lives, overnight: bool) -> None:
    before = lives.tape.execute(A, 10)
    if overnight:
        lives.tape.next_day()
    lives.tape.now_ns += 60 * NS_PER_S
    after = lives.tape.execute(A, 20)
    lives.born().assign([A], [A], [], lives.now_ns)
    former = FormerTail((), (after,))
    lives.quality.recall_tail(former, {A: 0}, lives.now_ns)
    lives.quality.recall_before([before], former, {A: 0}, lives.now_ns)
    lives.take(lives.tape.execute(A, 5))
    assert lives.look() == []


def test_a_pause_in_which_the_symbol_was_not_wanted_proves_nothing(lives: Lives) -> None:
    before = lives.tape.execute(A, 10)
    lives.tape.execute(A, 33)
    lives.tape.now_ns += 60 * NS_PER_S
    since_ns = lives.now_ns
    after = lives.tape.execute(A, 20)
    lives.born().assign([A], [A], [], lives.now_ns)
    former = FormerTail((), (after,))
    lives.quality.recall_tail(former, {A: since_ns}, lives.now_ns)
    lives.quality.recall_before([before], former, {A: since_ns}, lives.now_ns)
    assert lives.look() == []


def test_what_was_proved_after_the_close_is_not_proved_again_after_a_restart(lives: Lives) -> None:
    lives.quality.assign([A], [A], [], lives.now_ns)
    last = lives.tape.execute(A, 10)
    lives.take(last)
    missed = lives.tape.execute(A, 33)
    closing = replace(
        quote(1), symbol=A, cumulative_volume=missed.cumulative_volume, cumulative_value=missed.cumulative_value,
        received_ns=lives.now_ns, low=990, high=1_010,
    )  # fmt: skip
    lives.quality.continuity.quoted(closing, lives.now_ns)
    (gap,) = lives.look()
    for quiet in (False, True):
        lives.born().assign([A], [A], [], lives.now_ns)
        former = FormerTail((), () if quiet else (last,), (gap,))
        lives.quality.recall_tail(former, {A: 0}, lives.now_ns)
        lives.quality.recall_before([last] if quiet else [], former, {A: 0}, lives.now_ns)
        lives.quality.continuity.quoted(closing, lives.now_ns)
        assert lives.look() == []
