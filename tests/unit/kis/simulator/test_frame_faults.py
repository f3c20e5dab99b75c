"""Faults of framing: whatever is switched on, every due record is either in a frame or accounted for."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from observer_core.kis.simulator.frame_faults import DueRecord, Observed, Outgoing, Withheld, framed
from observer_core.kis.simulator.knobs import Knobs

WIDTH = 47


def due(number: int, time_ns: int, tr_id: str = "H0STCNT0") -> DueRecord:
    text = "^".join([f"{number:06d}", *(str(field) for field in range(1, WIDTH))])
    return DueRecord(time_ns, tr_id, text, Observed("trade", f"{number:06d}", "20261120090000", 1, 1, number))


knobs_strategy = st.builds(
    Knobs,
    records_per_frame=st.integers(1, 100),
    truncate_rate=st.sampled_from([0.0, 0.5, 1.0]),
    drop_record_rate=st.sampled_from([0.0, 0.3, 1.0]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 50), max_size=60), knobs_strategy, st.integers(0, 10**6))
def test_every_record_is_in_a_frame_or_withheld(times: list[int], knobs: Knobs, seed: int) -> None:
    records = [due(number, time) for number, time in enumerate(times)]
    sent: list[Observed] = []
    withheld: list[Observed] = []
    for item in framed(list(records), knobs, Random(seed)):
        if isinstance(item, Withheld):
            withheld.append(item.observed)
            continue
        assert isinstance(item, Outgoing)
        _, _, count, payload = item.text.split("|", 3)
        fields = payload.split("^")
        assert int(count) <= knobs.records_per_frame
        assert [fields[start] for start in range(0, len(item.records) * WIDTH, WIDTH)] == [
            observed.symbol for observed in item.records
        ]
        whole = len(fields) == int(count) * WIDTH
        assert whole == (len(item.records) == int(count))
        if not whole:
            assert len(fields) - len(item.records) * WIDTH < WIDTH
        sent.extend(item.records)
    assert sorted(sent + withheld) == sorted(record.observed for record in records)
    order = {record.observed.symbol: place for place, record in enumerate(sorted(records, key=lambda one: one.time_ns))}
    places = [order[observed.symbol] for observed in sent]
    assert places == sorted(places)


def test_streams_do_not_share_frames() -> None:
    records = [due(1, 1), due(2, 2, "H0UNCNT0"), due(3, 3)]
    texts = [item.text for item in framed(records, Knobs(), Random(1)) if isinstance(item, Outgoing)]
    assert [text[:15] for text in texts] == ["0|H0STCNT0|002|", "0|H0UNCNT0|001|"]
