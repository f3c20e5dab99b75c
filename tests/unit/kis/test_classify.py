"""The body decides what a failure is, whatever the HTTP status."""

import json

import pytest

from observer_core.errors import (
    FatalFeedError,
    FeedError,
    RateRefusedError,
    ReauthenticateError,
    SymbolRefusedError,
    TransientFeedError,
)
from observer_core.kis.classify import rest_failure, stream_failure
from observer_core.kis.wire import ControlMessage


def _envelope(code: str, rt_cd: str = "1") -> bytes:
    return json.dumps({"rt_cd": rt_cd, "msg_cd": code, "msg1": "말씀 "}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"output":[],"rt_cd":"0","msg_cd":"MCA00000","msg1":"ok"}',
        b'{"rt_cd":"0","msg_cd":"KIOK0530","msg1":"ok","output":{}}',
        b'{"access_token":"x","token_type":"Bearer","expires_in":86400}',
        b'{"approval_key":"x"}',
    ],
)
def test_success(body: bytes) -> None:
    assert rest_failure(200, body) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("EGW00201", RateRefusedError),
        ("EGW00121", ReauthenticateError),
        ("EGW00123", ReauthenticateError),
        ("EGW00133", TransientFeedError),
        ("EGW00103", FatalFeedError),
        ("EGW00105", FatalFeedError),
        ("EGW02004", FatalFeedError),
        ("EGW00300", TransientFeedError),
        ("EGW00316", TransientFeedError),
        ("EGW09999", TransientFeedError),
        ("OPSQ0002", FatalFeedError),
        ("OPSQ0003", TransientFeedError),
        ("OPSQ1002", TransientFeedError),
        ("OPSQ2001", SymbolRefusedError),
    ],
)
@pytest.mark.parametrize("status", [200, 403, 500])
def test_a_known_code_means_the_same_under_every_status(code: str, kind: type[FeedError], status: int) -> None:
    failure = rest_failure(status, _envelope(code))
    assert type(failure) is kind
    assert failure.code == code
    assert str(failure) == "말씀"
    oauth = rest_failure(status, json.dumps({"error_code": code, "error_description": "말씀"}).encode())
    assert type(oauth) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"<html>", TransientFeedError),
        (502, b"", TransientFeedError),
        (200, b"<html>", TransientFeedError),
        (403, b"blocked", TransientFeedError),
        (429, b"", RateRefusedError),
        (429, b"{}", RateRefusedError),
        (401, b"", ReauthenticateError),
        (500, b"{}", TransientFeedError),
        (500, b'{"rt_cd":"0","msg_cd":"MCA00000"}', TransientFeedError),
        (200, _envelope("APBK1234"), SymbolRefusedError),
        (500, _envelope("APBK1234"), TransientFeedError),
        (200, _envelope(""), TransientFeedError),
        (200, b'{"rt_cd":1,"msg_cd":"EGW00201"}', RateRefusedError),
    ],
)
def test_the_unknown(status: int, body: bytes, kind: type[FeedError]) -> None:
    assert type(rest_failure(status, body)) is kind


@pytest.mark.parametrize(
    ("code", "rt_cd", "kind"),
    [
        ("OPSP0000", "0", None),
        ("OPSP0001", "0", None),
        ("OPSP0002", "1", None),
        ("OPSP0003", "1", None),
        ("OPSP0007", "1", TransientFeedError),
        ("OPSP0009", "1", TransientFeedError),
        ("OPSP0008", "1", SymbolRefusedError),
        ("OPSP0010", "1", ReauthenticateError),
        ("OPSP0011", "1", ReauthenticateError),
        ("OPSP8991", "1", SymbolRefusedError),
        ("OPSP8992", "1", SymbolRefusedError),
        ("OPSP8993", "1", FatalFeedError),
        ("OPSP9995", "1", FatalFeedError),
        ("OPSP8996", "9", TransientFeedError),
        ("OPSP7777", "1", TransientFeedError),
        ("OPSP7777", "0", None),
    ],
)
def test_stream_codes(code: str, rt_cd: str, kind: type[FeedError] | None) -> None:
    failure = stream_failure(ControlMessage("H0STCNT0", "005930", rt_cd, code, "text"))
    assert (type(failure) if failure else None) is kind
    assert failure is None or failure.code == code
