"""Every step of a gap is told once, its end with its extent; many at once are one event."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from observer_core.clock import NS_PER_S
from observer_core.messages import Gap, GapReason, Track
from observer_core.quality.escalation import Escalation
from tests.fixtures.kis_records import RECEIVED_NS


def gap(number: int = 1, reason: GapReason = GapReason.STREAM_CUT, symbols: tuple[str, ...] = ("A", "B")) -> Gap:
    return Gap(f"scalp-0-7-{number}", Track.SCALP, reason, symbols, RECEIVED_NS, None, RECEIVED_NS)


def at(seconds: float) -> int:
    return RECEIVED_NS + int(seconds * NS_PER_S)


def test_a_gap_is_told_at_each_step_and_at_its_end() -> None:
    told = Escalation("scalp-0")
    found = [event for second in range(0, 400, 5) for event in told.look([gap()], at(second))]
    assert [(event.severity, event.at_ns) for event in found] == [
        ("warning", at(10)),
        ("error", at(60)),
        ("critical", at(300)),
    ]
    assert found[0].subject == "scalp-0-7-1"
    assert found[0].text == "stream_cut gap of 2 symbols since 10:20:00 is minor"
    (end,) = told.close([replace(gap(), until_ns=at(400), missed_volume=1_234)], at(401))
    assert end.text == "stream_cut gap of 2 symbols since 10:20:00 ended after 400.0 s (critical), 1,234 shares missed"
    assert told.close([replace(gap(), until_ns=at(400))], at(402)) == []


def test_a_brief_gap_is_not_told() -> None:
    told = Escalation("scalp-0")
    assert told.look([gap()], at(9)) == []
    assert told.close([replace(gap(), until_ns=at(9))], at(9)) == []


def test_many_at_once_are_one_event() -> None:
    told = Escalation("swing-1")
    many = [gap(number, GapReason.STALE, (f"{number:06d}",)) for number in range(300)]
    (event,) = told.look([*many], at(61))
    assert (event.subject, event.text) == ("swing-1", "stale gap of 300 symbols since 10:20:00 is major")
    (end,) = told.close([replace(one, until_ns=at(70)) for one in many], at(70))
    assert end.text.endswith("ended after 70.0 s (major)")


@given(st.lists(st.integers(0, 700), min_size=1, max_size=40).map(sorted))
def test_however_rarely_one_looks_the_worst_step_is_told(seconds: list[int]) -> None:
    told = Escalation("scalp-0")
    events = [event.severity for second in seconds for event in told.look([gap()], at(second))]
    worst = "critical" if seconds[-1] >= 300 else "error" if seconds[-1] >= 60 else "warning"
    assert events[-1:] == ([worst] if seconds[-1] >= 10 else [])
    assert len(events) == len(set(events))
