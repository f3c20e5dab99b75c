"""How the former lives ended, as a restarted shard reads it."""

from pathlib import Path

import msgspec

from observer_core.clock import NS_PER_S
from observer_core.ids import Epoch, ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.last_trades import LEAD_NS, SEGMENTS_READ, TAIL_NS, former_tail, last_trades
from observer_core.journal.writer import JournalWriter
from observer_core.messages import Trade, encode
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, event, trade

SHARD = ShardName("scalp-0")
OWN = Epoch(99_999_999)


def at(second: float, number: int, symbol: str = "005930") -> Trade:
    """Return a trade that arrived at a second; its cumulative volume is its number."""
    return msgspec.structs.replace(
        trade(number), symbol=symbol, cumulative_volume=number, received_ns=NINE_OCLOCK_NS + int(second * NS_PER_S)
    )


def lived(directory: Path, *lives: list[Trade]) -> None:
    """Write lives, each trade a batch of its own."""
    for trades in lives:
        journal = JournalWriter(directory, SHARD, SteppingClock())
        for seq, record in enumerate(trades, 1):
            written = batch(seq, [record], epoch=journal.epoch)
            written = msgspec.structs.replace(written, received_ns=record.received_ns)
            journal.append(encode(written), seq, record.received_ns)
        journal.close()


def test_the_tail_goes_back_over_lives_and_no_further_than_its_lead(tmp_path: Path) -> None:
    tail_s, lead_s = TAIL_NS / NS_PER_S, LEAD_NS / NS_PER_S
    lived(tmp_path, [at(-5 - tail_s - lead_s - 1, 1), at(-5 - tail_s - 1, 2), at(-5, 3)], [at(-1, 4)], [at(0, 5)])
    tail = former_tail(tmp_path, OWN)
    assert [record.cumulative_volume for record in tail.lead] == [2]
    assert [record.cumulative_volume for record in tail.trades] == [3, 4, 5]
    assert tail.newest()["005930"].cumulative_volume == 5


def test_of_trades_that_overtook_one_another_the_newest_is_the_one_with_the_most_volume(tmp_path: Path) -> None:
    lived(tmp_path, [at(-60, 7, "000660"), at(-60, 2), at(-59.9, 1)], [at(-20, 8, "035720"), at(0, 9, "035720")])
    assert former_tail(tmp_path, OWN).newest().keys() == {"035720"}
    found = last_trades(tmp_path, OWN, ["005930", "000660"])
    assert {symbol: record.cumulative_volume for symbol, record in found.items()} == {"005930": 2, "000660": 7}


def test_a_damaged_end_costs_only_what_it_hit(tmp_path: Path) -> None:
    lived(tmp_path, [at(-2, 1), at(-1, 2), at(0, 3)])
    path = tmp_path / list_segments(tmp_path)[-1].file_name
    path.write_bytes(path.read_bytes()[:-5])
    assert [record.cumulative_volume for record in former_tail(tmp_path, OWN).trades] == [1, 2]


def test_nothing_before_is_no_tail(tmp_path: Path) -> None:
    assert former_tail(tmp_path, OWN).newest() == {}
    assert last_trades(tmp_path, OWN, ["005930"]) == {}


def test_a_clock_that_was_set_back_does_not_make_the_tail_an_hour_long(tmp_path: Path) -> None:
    before = [at(3_600 + second, second + 1) for second in range(1_000)]
    lived(tmp_path, [*before, at(0, 2_001), at(1, 2_002)])
    tail = former_tail(tmp_path, OWN)
    assert [record.cumulative_volume for record in (*tail.lead, *tail.trades)] == [2_001, 2_002]


def test_lives_that_died_before_they_observed_do_not_hide_the_last_that_did(tmp_path: Path) -> None:
    lived(tmp_path, [at(-60, 7, "000660"), at(-1, 1), at(0, 2)])
    for number in range(2 * SEGMENTS_READ):
        journal = JournalWriter(tmp_path, SHARD, SteppingClock())
        told = batch(1, [event(number)], epoch=journal.epoch)
        journal.append(encode(told), 1, told.received_ns)
        journal.close()
    assert [record.cumulative_volume for record in former_tail(tmp_path, OWN).trades] == [1, 2]
    assert last_trades(tmp_path, OWN, ["000660"]).keys() == {"000660"}


def test_the_tail_of_a_short_life_includes_the_end_of_the_one_before(tmp_path: Path) -> None:
    lived(tmp_path, [at(-100, 1), at(-61, 2), at(-60, 3)], [at(-30, 4)], [at(-1, 5), at(0, 6)])
    tail = former_tail(tmp_path, OWN)
    assert [record.cumulative_volume for record in (*tail.lead, *tail.trades)] == [2, 3, 4, 5, 6]


def test_who_was_quiet_before_the_tail_is_looked_for_before_it(tmp_path: Path) -> None:
    lived(tmp_path, [at(-60, 7, "000660"), at(-1, 1), at(-0.5, 9, "000660"), at(0, 2)])
    tail = former_tail(tmp_path, OWN)
    found = last_trades(tmp_path, OWN, ["000660"], before_ns=tail.from_ns)
    assert {symbol: record.cumulative_volume for symbol, record in found.items()} == {"000660": 7}
