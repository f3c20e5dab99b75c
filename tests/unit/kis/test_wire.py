"""Every form of text the broker sends is recognised, and nothing else makes the parser fail."""

import json

import pytest

from observer_core.kis.wire import (
    ControlMessage,
    DataFrame,
    Ping,
    Registration,
    RejectedFrame,
    mask_keys,
    parse_frame,
    subscribe_message,
    unsubscribe_message,
)

KEY = "01234567-89ab-4cde-8f01-23456789abcd"


def test_a_frame_is_split_and_its_width_computed() -> None:
    frame = parse_frame("0|H0STCNT0|002|a^^c^d^e^")
    assert frame == DataFrame("H0STCNT0", 2, "a^^c^d^e^", ["a", "", "c", "d", "e", ""])
    assert frame.width == 3
    assert frame.even
    assert parse_frame(b"0|H0STCNT0|002|a^^c^d^e^") == frame


def test_a_payload_may_contain_the_separator_of_the_header() -> None:
    frame = parse_frame("0|H0STCNT0|001|a^b|c")
    assert isinstance(frame, DataFrame)
    assert frame.fields == ["a", "b|c"]


def test_a_cut_frame_is_uneven() -> None:
    frame = parse_frame("0|H0STCNT0|002|a^b^c")
    assert isinstance(frame, DataFrame)
    assert not frame.even


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unknown_form"),
        ("hello", "unknown_form"),
        ("0", "incomplete_header"),
        ("0|H0STCNT0|001", "incomplete_header"),
        ("0||001|a", "incomplete_header"),
        ("00|H0STCNT0|001|a", "incomplete_header"),
        ("0|H0STCNT0|000|a", "bad_count"),
        ("0|H0STCNT0|-01|a", "bad_count"),
        ("0|H0STCNT0|x|a", "bad_count"),
        ("0|H0STCNT0|１|a", "bad_count"),
        ("0|H0STCNT0|9999999999|a", "bad_count"),
        ("0|H0STCNT0|003|a^b", "fewer_fields_than_records"),
        ("1|H0STCNI0|001|QUJD", "encrypted"),
        ("{", "bad_json"),
        ("{}", "bad_json"),
        ('{"header":{}}', "no_body"),
        ('{"header":[]}', "bad_json"),
        ("{" * 100_000, "bad_json"),
    ],
)
def test_what_is_not_a_message_keeps_its_text_and_a_reason(text: str, reason: str) -> None:
    assert parse_frame(text) == RejectedFrame(reason, text)


def test_bytes_that_are_not_utf8_are_rejected_not_raised() -> None:
    assert isinstance(parse_frame(b"\xff\xfe"), RejectedFrame)


def test_keep_alive_is_returned_as_it_came() -> None:
    text = '{"header":{"tr_id":"PINGPONG","datetime":"20261120102000"}}'
    assert parse_frame(text) == Ping(text)


@pytest.mark.parametrize("output", ["", ',"output":{"iv":"0123456789abcdef","key":"0123456789abcdef0123456789abcdef"}'])
def test_an_acknowledgement_with_and_without_keys(output: str) -> None:
    text = (
        '{"header":{"tr_id":"H0STCNT0","tr_key":"005930","encrypt":"N"},'
        f'"body":{{"rt_cd":"0","msg_cd":"OPSP0000","msg1":"SUBSCRIBE SUCCESS"{output}}}}}'
    )
    message = parse_frame(text)
    assert message == ControlMessage("H0STCNT0", "005930", "0", "OPSP0000", "SUBSCRIBE SUCCESS")
    assert message.registration == Registration("H0STCNT0", "005930")


def test_an_error_that_echoes_the_approval_key_does_not_pass_it_on() -> None:
    body = {"rt_cd": "1", "msg_cd": "OPSP0011", "msg1": f"invalid approval : NOT FOUND {KEY}"}
    message = parse_frame(json.dumps({"header": {"tr_id": "H0STCNT0", "tr_key": "005930"}, "body": body}))
    assert isinstance(message, ControlMessage)
    assert KEY not in repr(message)
    assert message.text == "invalid approval : NOT FOUND ***"
    assert KEY not in repr(parse_frame(f'{{"broken": "{KEY}"'))
    assert mask_keys("invalid approval : abcdefgh1234") == "invalid approval : ***"


def test_the_session_error_has_no_registration_of_ours() -> None:
    text = (
        '{"header":{"tr_id":"(null)","tr_key":"","encrypt":"N"},'
        '"body":{"rt_cd":"9","msg_cd":"OPSP8996","msg1":"ALREADY IN USE appkey"}}'
    )
    assert parse_frame(text) == ControlMessage("(null)", "", "9", "OPSP8996", "ALREADY IN USE appkey")


@pytest.mark.parametrize(("build", "tr_type"), [(subscribe_message, "1"), (unsubscribe_message, "2")])
def test_requests_have_the_documented_form(build: object, tr_type: str) -> None:
    assert callable(build)
    assert json.loads(build(KEY, Registration("H0STCNT0", "005930"))) == {
        "header": {"approval_key": KEY, "custtype": "P", "tr_type": tr_type, "content-type": "utf-8"},
        "body": {"input": {"tr_id": "H0STCNT0", "tr_key": "005930"}},
    }
