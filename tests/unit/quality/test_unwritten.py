"""What a shard owes its journal stays bounded however long that takes nothing, and never covers less."""

from msgspec.structs import replace

from observer_core.messages import Event, Gap, GapReason, Track
from observer_core.quality.outages import Outages
from observer_core.quality.unwritten import ENDED_LIMIT, EVENTS_LIMIT, Unwritten


def gap(number: int, until_ns: int | None = None) -> Gap:
    return Gap(
        gap_id=f"scalp-0-1-{number}",
        track=Track.SCALP,
        reason=GapReason.JOURNAL_FAULT,
        symbols=(f"{number % 41:06d}",),
        from_ns=number * 10,
        until_ns=until_ns,
        opened_ns=number * 10,
    )


def test_opening_and_closing_of_one_gap_are_one_record() -> None:
    owed = Unwritten()
    owed.add([gap(1)])
    owed.add([gap(1, 15)])
    assert owed.records() == (gap(1, 15),)
    owed.clear()
    assert (len(owed), owed.records()) == (0, ())


def test_hours_of_reconnects_stay_bounded_and_covered() -> None:
    owed = Unwritten()
    for number in range(10_000):
        owed.add([gap(number)])
        owed.add([gap(number, number * 10 + 5)])
        assert len(owed) <= ENDED_LIMIT + 1
    records = [record for record in owed.records() if isinstance(record, Gap)]
    for number in range(0, 10_000, 37):
        assert any(
            f"{number % 41:06d}" in record.symbols
            and record.from_ns <= number * 10
            and (record.until_ns or 0) >= number * 10 + 5
            for record in records
        )


def test_the_end_of_a_gap_that_the_journal_has_keeps_its_identity() -> None:
    owed = Unwritten()
    owed.add([gap(1, 15)])
    for number in range(2, 2 * ENDED_LIMIT):
        owed.add([gap(number), gap(number, number * 10 + 5)])
    assert gap(1, 15) in owed.records()


def test_an_open_gap_is_never_merged() -> None:
    owed = Unwritten()
    owed.add([gap(1)])
    for number in range(2, 2 * ENDED_LIMIT):
        owed.add([gap(number), gap(number, number * 10 + 5)])
    assert gap(1) in owed.records()


def test_only_gaps_and_the_newest_events_are_kept() -> None:
    owed = Unwritten()
    for number in range(2 * EVENTS_LIMIT):
        owed.add([Event(at_ns=number, name="disk_level", severity="info", subject="scalp-0", text="")])
    kept = owed.records()
    assert len(kept) == EVENTS_LIMIT
    assert isinstance(kept[-1], Event)
    assert kept[-1].at_ns == 2 * EVENTS_LIMIT - 1


def test_an_outage_that_refuses_every_batch_owes_one_gap_a_symbol() -> None:
    outages, owed = Outages("scalp-0", 1, Track.SCALP), Unwritten()
    symbols = [f"{number:06d}" for number in range(41)]
    for turn in range(5_000):
        owed.add(outages.begin(GapReason.JOURNAL_FAULT, symbols[turn % 41 :], from_ns=turn, now_ns=turn))
    assert len(owed) <= 41
    owed.add([replace(record, until_ns=9_999) for record in outages.observed(symbols, 9_999)])
    assert all(isinstance(record, Gap) and record.until_ns for record in owed.records())
