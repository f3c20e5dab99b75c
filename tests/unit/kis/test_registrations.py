"""What is not confirmed is not subscribed, and the broker's limit is counted the way it counts."""

from observer_core.clock import NS_PER_S
from observer_core.errors import SymbolRefusedError
from observer_core.kis.registrations import Registrations
from observer_core.kis.wire import ControlMessage, Registration

A, B, C = (Registration("H0STCNT0", symbol) for symbol in ("005930", "000660", "0126Z0"))


def _answer(item: Registration, code: str, rt_cd: str = "0") -> ControlMessage:
    return ControlMessage(item.tr_id, item.tr_key, rt_cd, code, code)


def test_a_registration_is_active_when_confirmed_and_not_before() -> None:
    registrations = Registrations()
    assert registrations.ask([A, B, A], 0) == [A, B]
    assert registrations.ask([A], 0) == []
    assert (registrations.active, registrations.settled, registrations.room) == (set(), False, 39)
    assert registrations.answered(_answer(A, "OPSP0000")) is None
    assert registrations.answered(_answer(B, "OPSP0002", "1")) is None
    assert (registrations.active, registrations.settled) == ({A, B}, True)
    assert registrations.ask([A], 0) == []


def test_a_refusal_is_kept_until_asked_again() -> None:
    registrations = Registrations()
    registrations.ask([A], 0)
    failure = registrations.answered(_answer(A, "OPSP0008", "1"))
    assert isinstance(failure, SymbolRefusedError)
    assert registrations.refused == {A: failure}
    assert (registrations.held, registrations.settled) == (set(), True)
    assert registrations.ask([A], 0) == [A]
    assert registrations.refused == {}


def test_what_is_sent_and_unanswered_is_told() -> None:
    registrations = Registrations()
    registrations.ask([A, B, C], 0)
    registrations.sent(A, NS_PER_S)
    registrations.sent(B, 5 * NS_PER_S)
    assert registrations.unconfirmed(6 * NS_PER_S, 3.0) == {A}
    registrations.answered(_answer(A, "OPSP0000"))
    registrations.sent(A, 0)
    assert registrations.unconfirmed(60 * NS_PER_S, 3.0) == {B}


def test_removal_counts_until_it_is_confirmed() -> None:
    registrations = Registrations()
    registrations.ask([A, B], 0)
    registrations.answered(_answer(A, "OPSP0000"))
    assert registrations.withdraw([A, B, C], 0) == [A, B]
    assert (registrations.active, registrations.held, registrations.settled) == (set(), {A, B}, False)
    # This acknowledgement was already on its way.
    registrations.answered(_answer(B, "OPSP0000"))
    assert registrations.active == set()
    registrations.answered(_answer(A, "OPSP0001"))
    registrations.answered(_answer(B, "OPSP0003", "1"))
    assert (registrations.held, registrations.settled) == (set(), True)


def test_a_failed_removal_settles_too() -> None:
    registrations = Registrations()
    registrations.ask([A], 0)
    registrations.answered(_answer(A, "OPSP0000"))
    registrations.withdraw([A], 0)
    assert registrations.answered(_answer(A, "OPSP0009", "1")) is not None
    assert registrations.settled


def test_errors_of_the_session_touch_no_registration() -> None:
    registrations = Registrations()
    registrations.ask([A], 0)
    assert registrations.answered(ControlMessage("(null)", "", "9", "OPSP8996", "ALREADY IN USE appkey")) is not None
    assert (registrations.held, registrations.refused) == ({A}, {})


def test_a_removal_is_waited_for_no_longer_than_told() -> None:
    registrations = Registrations()
    registrations.ask([A], 0)
    registrations.answered(_answer(A, "OPSP0000"))
    registrations.withdraw([A], NS_PER_S)
    assert registrations.leaving(10 * NS_PER_S, 10.0) == {A}
    assert registrations.leaving(11 * NS_PER_S, 10.0) == set()
    registrations.answered(_answer(A, "OPSP0001"))
    assert registrations.leaving(2 * NS_PER_S, 10.0) == set()
