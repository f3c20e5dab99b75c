"""Barren frames raise one alarm; a silent symbol is deaf only when its volume grows twice without a trade."""

from observer_core.clock import NS_PER_S
from observer_core.services.stream_alarms import (
    CUTS,
    CUTS_WITHIN_S,
    LOOK_EVERY_S,
    UNREADABLE_FRAMES,
    CutAlarm,
    FrameAlarm,
    SilenceProof,
)

STEP_NS = int(LOOK_EVERY_S * NS_PER_S)
AFTER_S = 30.0
LATER_NS = int(AFTER_S * NS_PER_S)


def test_barren_frames_raise_one_alarm_and_a_record_ends_it() -> None:
    alarm = FrameAlarm("scalp-0")
    assert alarm.feed(UNREADABLE_FRAMES - 1, 0, 1) == []
    assert [event.name for event in alarm.feed(1, 0, 2)] == ["frames_unreadable"]
    assert alarm.feed(100, 0, 3) == []
    assert [event.name for event in alarm.feed(1, 5, 4)] == ["frames_readable"]
    assert alarm.feed(1, 5, 5) == []


def test_single_barren_frames_among_good_ones_are_no_alarm() -> None:
    alarm = FrameAlarm("scalp-0")
    assert [event for _ in range(200) for event in (*alarm.feed(5, 0, 1), *alarm.feed(1, 1, 1))] == []


def test_a_session_that_keeps_ending_is_one_incident_until_it_holds() -> None:
    alarm, minute_ns = CutAlarm("scalp-0"), 60 * NS_PER_S
    raised = [event for number in range(60) for event in alarm.cut("OPSP8996", number * minute_ns // 6, number)]
    assert [(event.name, event.at_ns) for event in raised] == [("stream_unstable", CUTS - 1)]
    assert "OPSP8996" in raised[0].text
    last_ns = 59 * minute_ns // 6
    assert alarm.look(last_ns + int(CUTS_WITHIN_S * NS_PER_S), 70) == []
    assert [event.name for event in alarm.look(last_ns + int(CUTS_WITHIN_S * NS_PER_S) + 1, 71)] == ["stream_stable"]
    assert alarm.look(last_ns * 100, 72) == []


def test_a_cut_now_and_then_is_no_incident() -> None:
    alarm, apart_ns = CutAlarm("scalp-0"), int(CUTS_WITHIN_S / (CUTS - 1) * NS_PER_S) + 1
    assert [event for number in range(50) for event in alarm.cut("cut", number * apart_ns, number)] == []


def _looks(proof: SilenceProof, volumes: list[int]) -> list[bool]:
    """Ask about the doubtful symbol and answer with these volumes, one look after the other."""
    found, now_ns = [], LATER_NS
    for volume in volumes:
        symbol = proof.doubtful(now_ns)
        assert symbol == "005930"
        found.append(proof.quoted(symbol, volume, now_ns))
        now_ns += STEP_NS
    return found


def _proof() -> SilenceProof:
    proof = SilenceProof(AFTER_S)
    proof.restart(["005930"], 0)
    return proof


def test_volume_that_grows_twice_proves_a_deaf_registration() -> None:
    assert _looks(_proof(), [100, 110, 120]) == [False, False, True]


def test_a_symbol_that_does_not_trade_and_a_block_trade_prove_nothing() -> None:
    assert _looks(_proof(), [100, 100, 100, 100]) == [False] * 4
    assert _looks(_proof(), [100, 5_000, 5_000, 5_000]) == [False] * 4


def test_nobody_is_asked_about_before_the_time_or_too_often() -> None:
    proof = _proof()
    assert proof.doubtful(LATER_NS - 1) is None
    assert proof.doubtful(LATER_NS) == "005930"
    assert proof.doubtful(LATER_NS + STEP_NS - 1) is None


def test_a_trade_ends_the_doubt() -> None:
    proof = _proof()
    assert _looks(proof, [100, 110]) == [False, False]
    proof.heard("005930", LATER_NS + 2 * STEP_NS)
    assert proof.doubtful(LATER_NS + 2 * STEP_NS) is None
    assert not proof.quoted("005930", 130, LATER_NS + 2 * STEP_NS + 1)


def test_a_renewed_registration_is_left_alone_for_a_while_and_an_unwanted_symbol_for_ever() -> None:
    proof = _proof()
    assert _looks(proof, [100, 110, 120])[-1]
    assert proof.doubtful(LATER_NS + 4 * STEP_NS) is None
    assert proof.doubtful(LATER_NS + 20 * STEP_NS) == "005930"
    proof.restart(["000660"], LATER_NS)
    assert not proof.quoted("005930", 999, LATER_NS * 9)


def test_other_symbols_in_the_same_session_leave_the_silence_of_the_rest_alone() -> None:
    proof = _proof()
    proof.change(["005930", "000660"], LATER_NS // 2)
    assert proof.doubtful(LATER_NS) == "005930"
    proof.change(["000660"], LATER_NS)
    assert proof.doubtful(2 * LATER_NS) == "000660"
