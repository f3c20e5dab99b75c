"""Which minutes are asked for again: of proved gaps, when they are over, of today, each once."""

from dataclasses import dataclass

from msgspec.structs import replace

from observer_core.messages import Backfill, Gap, GapReason, Track
from observer_core.quality.backfill import GAPS_NAMED, MINUTE_NS, MINUTES_PER_CALL, SETTLED_NS, Ask, Backlog
from tests.fixtures.journals import NINE_OCLOCK_NS

DAY_NS = 24 * 60 * MINUTE_NS
NOON_NS = NINE_OCLOCK_NS + 180 * MINUTE_NS


def at(minute: float) -> int:
    return NINE_OCLOCK_NS + int(minute * MINUTE_NS)


def gap(first: float, last: float, gap_id: str = "g-1", symbol: str = "005930", missed: int = 7) -> Gap:
    return Gap(gap_id, Track.SCALP, GapReason.CONTINUITY, (symbol,), at(first), at(last), at(last), "", missed)


def bar(minute: int, volume: int = 5, symbol: str = "005930") -> Backfill:
    return Backfill(symbol, at(minute), NOON_NS, NOON_NS + 1, 10, 12, 9, 11, volume, 100)


@dataclass
class Desk:
    backlog: Backlog
    now_ns: int = NOON_NS

    def want(self, *gaps: Gap) -> list[bool]:
        return [self.backlog.want(one, self.now_ns) for one in gaps]

    def ask(self) -> Ask | None:
        return self.backlog.next_ask(self.now_ns)


def desk(*gaps: Gap, now_ns: int = NOON_NS) -> Desk:
    made = Desk(Backlog(), now_ns)
    made.backlog.begin_day(now_ns)
    made.want(*gaps)
    return made


def test_one_call_for_the_minutes_that_a_gap_touches() -> None:
    assert desk(gap(3.5, 5.2)).ask() == Ask("005930", at(3 + MINUTES_PER_CALL), (at(3), at(4), at(5)))


def test_the_instant_at_which_a_gap_ends_is_not_in_it() -> None:
    ask = desk(gap(3, 4)).ask()
    assert ask is not None
    assert ask.minutes == (at(3),)


def test_a_minute_is_asked_for_when_it_is_over_and_settled() -> None:
    early = desk(gap(3.5, 3.6), now_ns=at(4) + SETTLED_NS - 1)
    assert early.ask() is None
    early.now_ns += 1
    assert early.ask() == Ask("005930", at(4), (at(3),))


def test_only_what_is_proved_and_closed_is_asked_for() -> None:
    proved = gap(3, 4)
    others = [replace(proved, reason=reason.value) for reason in GapReason if reason is not GapReason.CONTINUITY]
    still = desk(*others, replace(proved, until_ns=None), replace(proved, missed_volume=None))
    assert still.ask() is None
    assert still.backlog.wanted == {}


def test_what_arrived_after_all_is_not_asked_for() -> None:
    two = desk(gap(3, 5), gap(4, 6, "g-2"))
    two.want(gap(3, 5, missed=0))
    ask = two.ask()
    assert ask is not None
    assert ask.minutes == (at(4), at(5))
    assert two.want(gap(3, 5, missed=0)) == [False]
    two.want(gap(4, 6, "g-2", missed=0))
    assert two.ask() is None


def test_a_bar_names_the_gaps_that_wanted_it() -> None:
    two = desk(gap(3, 5), gap(4, 6, "g-2"))
    ask = two.ask()
    assert ask is not None
    found = two.backlog.match(ask, [bar(3), bar(4), bar(5, volume=0), bar(7), bar(3, symbol="000660")])
    assert [(one.minute_ns, one.gap_ids) for one in found.bars] == [(at(3), ("g-1",)), (at(4), ("g-1", "g-2"))]
    assert found.absent == 0
    assert two.backlog.match(ask, [bar(3)]).absent == 2


def test_a_minute_is_asked_for_once_whatever_gaps_come_later() -> None:
    one = desk(gap(3, 5))
    ask = one.ask()
    assert ask is not None
    one.backlog.finish(ask)
    assert one.ask() is None
    assert one.want(gap(3, 5, "g-2"), gap(4, 6, "g-3")) == [False, True]
    ask = one.ask()
    assert ask is not None
    assert ask.minutes == (at(5),)


def test_a_minute_with_many_gaps_names_the_first_and_is_asked_for_in_any_case() -> None:
    many = [gap(3, 4, f"g-{number}") for number in range(3 * GAPS_NAMED)]
    one = desk(*many)
    assert one.backlog.wanted == {"005930": {at(3): [f"g-{number}" for number in range(GAPS_NAMED)]}}
    one.want(*(replace(each, missed_volume=0) for each in many[:GAPS_NAMED]))
    assert one.ask() is not None


def test_a_symbol_whose_call_failed_waits_for_the_others() -> None:
    two = desk(gap(3, 4), gap(30, 31, "g-2", "000660"))
    first = two.ask()
    assert first is not None
    two.backlog.postpone(first)
    second = two.ask()
    assert second is not None
    assert (first.symbol, second.symbol) == ("005930", "000660")
    two.backlog.finish(second)
    assert two.ask() == first


def test_only_the_part_of_today_is_wanted() -> None:
    morning_ns = at(0) - 8 * 60 * MINUTE_NS
    started = desk(gap(-10 * 60, -8 * 60 + 0.5), now_ns=morning_ns)
    midnight_ns = at(0) - 9 * 60 * MINUTE_NS
    assert min(started.backlog.wanted["005930"]) == midnight_ns


def test_midnight_gives_up_what_was_left_and_says_how_much() -> None:
    one = desk(gap(3, 5))
    assert one.backlog.begin_day(NOON_NS) == 0
    assert one.backlog.begin_day(NOON_NS + DAY_NS) == 2
    one.now_ns += DAY_NS
    assert one.ask() is None
    assert one.backlog.done == {}
