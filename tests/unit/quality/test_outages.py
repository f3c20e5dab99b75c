"""Gap records of a shard: opened once, closed once, never longer than the last symbol waits."""

from hypothesis import given
from hypothesis import strategies as st

from observer_core.messages import Gap, GapReason, Track
from observer_core.quality.outages import Outages


def outages() -> Outages:
    return Outages("swing-0", 3, Track.SWING)


def test_a_gap_closes_with_its_last_symbol() -> None:
    book = outages()
    (opened,) = book.begin(GapReason.RESTART, ["B", "A"], from_ns=10, now_ns=20)
    assert opened.symbols == ("A", "B")
    assert opened.until_ns is None
    assert book.observed(["A", "C"], 30) == []
    (closed,) = book.observed(["B"], 40)
    assert (closed.gap_id, closed.from_ns, closed.until_ns) == (opened.gap_id, 10, 40)
    assert book.open_count == 0


def test_a_symbol_waits_in_one_gap_only() -> None:
    book = outages()
    book.begin(GapReason.RESTART, ["A"], from_ns=1, now_ns=2)
    assert book.begin(GapReason.CALL_FAILED, ["A"], from_ns=5, now_ns=6) == []


def test_settle_cuts_off_the_part_that_is_back() -> None:
    book = outages()
    (opened,) = book.begin(GapReason.RESTART, ["A", "B"], from_ns=1, now_ns=2)
    book.observed(["A"], 5)
    closed, rest = book.settle(9)
    assert (closed.gap_id, closed.until_ns) == (opened.gap_id, 9)
    assert (rest.symbols, rest.from_ns, rest.until_ns) == (("B",), 9, None)
    assert book.settle(12) == []


SYMBOL = st.sampled_from("ABCDE")
ACTION: st.SearchStrategy[tuple[str, set[str]]] = st.one_of(
    st.tuples(st.just("begin"), st.sets(SYMBOL)),
    st.tuples(st.just("observed"), st.sets(SYMBOL)),
    st.tuples(st.just("settle"), st.just(set())),
)


@given(st.lists(ACTION, max_size=40))
def test_time_without_observation_is_always_covered(actions: list[tuple[str, set[str]]]) -> None:
    book = outages()
    newest: dict[str, Gap] = {}
    missing_since: dict[str, int] = {}
    for now, (name, symbols) in enumerate(actions, start=1):
        if name == "begin":
            records = book.begin(GapReason.CALL_FAILED, symbols, from_ns=now, now_ns=now)
            for symbol in symbols:
                missing_since.setdefault(symbol, now)
        elif name == "observed":
            records = book.observed(symbols, now)
            for symbol in symbols:
                missing_since.pop(symbol, None)
        else:
            records = book.settle(now)
        newest.update((record.gap_id, record) for record in records)
        waiting = {s for gap in newest.values() if gap.until_ns is None for s in gap.symbols}
        assert set(missing_since) <= waiting
        for symbol, since in missing_since.items():
            spans = sorted((g.from_ns, g.until_ns or now) for g in newest.values() if symbol in g.symbols)
            reached = since
            for start, end in spans:
                if start <= reached:
                    reached = max(reached, end)
            assert reached == now or since == now


@given(st.lists(st.tuples(ACTION, st.integers(0, 100)), max_size=20))
def test_no_step_of_the_clock_makes_a_gap_end_before_it_begins(actions: list[tuple[tuple[str, set[str]], int]]) -> None:
    book = outages()
    for (name, symbols), now in actions:
        if name == "begin":
            records = book.begin(GapReason.STREAM_CUT, symbols, from_ns=50, now_ns=now)
        else:
            records = book.observed(symbols, now) if name == "observed" else book.settle(now)
        assert all(record.from_ns <= record.opened_ns for record in records)
        assert all(record.until_ns is None or record.from_ns <= record.until_ns for record in records)
