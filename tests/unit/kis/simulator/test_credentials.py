"""The broker's rules of issue for tokens and approval keys."""

import pytest

from observer_core.clock import NS_PER_S
from observer_core.kis.simulator.credentials import CredentialRefused, Credentials
from observer_core.kis.simulator.faults import FaultBoard, Knobs

APPKEY, OTHER, SECRET = "a" * 36, "b" * 36, "s" * 180
START_NS = 1_800_000_000 * NS_PER_S
HOUR_NS = 3_600 * NS_PER_S


def credentials(knobs: Knobs | None = None, accepted: tuple[str, ...] = ()) -> Credentials:
    return Credentials(FaultBoard(knobs or Knobs()), accepted)


def code_of(refused: pytest.ExceptionInfo[CredentialRefused]) -> str:
    return refused.value.code


def test_the_same_token_for_six_hours_then_another() -> None:
    keys = credentials()
    first = keys.issue_token(APPKEY, START_NS)
    assert keys.issue_token(APPKEY, START_NS + 6 * HOUR_NS - 1) is first
    second = keys.issue_token(APPKEY, START_NS + 7 * HOUR_NS)
    assert second.value != first.value
    keys.check_token(first.value, APPKEY, START_NS + 8 * HOUR_NS)
    assert len(first.value) == 346


def test_a_second_issue_request_within_a_minute_is_refused() -> None:
    keys = credentials()
    keys.issue_token(APPKEY, START_NS)
    with pytest.raises(CredentialRefused) as refused:
        keys.issue_token(APPKEY, START_NS + 60 * NS_PER_S - 1)
    assert code_of(refused) == "EGW00133"
    keys.issue_token(OTHER, START_NS + 1)
    keys.issue_token(APPKEY, START_NS + 60 * NS_PER_S)


def test_the_minute_rule_can_be_switched_off() -> None:
    keys = credentials(Knobs(token_issue_once_a_minute=False))
    first = keys.issue_token(APPKEY, START_NS)
    assert keys.issue_token(APPKEY, START_NS + 1) is first


def test_tokens_expire_are_revoked_and_belong_to_one_appkey() -> None:
    keys = credentials(Knobs(token_life_s=10))
    token = keys.issue_token(APPKEY, START_NS)
    keys.check_token(token.value, APPKEY, START_NS + 10 * NS_PER_S - 1)
    with pytest.raises(CredentialRefused) as refused:
        keys.check_token(token.value, APPKEY, START_NS + 10 * NS_PER_S)
    assert code_of(refused) == "EGW00123"
    with pytest.raises(CredentialRefused) as refused:
        keys.check_token(token.value, OTHER, START_NS)
    assert code_of(refused) == "EGW00121"
    keys.revoke_token(token.value)
    with pytest.raises(CredentialRefused) as refused:
        keys.check_token(token.value, APPKEY, START_NS)
    assert code_of(refused) == "EGW00121"
    assert keys.issue_token(APPKEY, START_NS + 61 * NS_PER_S).value != token.value


@pytest.mark.parametrize(
    ("appkey", "secret", "code"),
    [("short", SECRET, "EGW00103"), (OTHER, SECRET, "EGW00103"), (APPKEY, "short", "EGW00105")],
)
def test_pairs_are_judged_by_form_and_by_the_accepted_list(appkey: str, secret: str, code: str) -> None:
    keys = credentials(accepted=(APPKEY,))
    with pytest.raises(CredentialRefused) as refused:
        keys.check_pair(appkey, secret)
    assert code_of(refused) == code
    keys.check_pair(APPKEY, SECRET)


def test_every_approval_is_new_and_dies_after_its_life() -> None:
    keys = credentials()
    first, second = keys.issue_approval(APPKEY, START_NS), keys.issue_approval(APPKEY, START_NS)
    assert first != second
    assert len(first) == 36
    assert keys.appkey_of_approval(first, START_NS + 24 * HOUR_NS - 1) == APPKEY
    assert keys.appkey_of_approval(first, START_NS + 24 * HOUR_NS) is None
    assert keys.appkey_of_approval("unknown", START_NS) is None


def test_keys_and_tokens_do_not_show_in_a_repr() -> None:
    token = credentials().issue_token(APPKEY, START_NS)
    assert token.value not in repr(token)
    assert APPKEY not in repr(token)
