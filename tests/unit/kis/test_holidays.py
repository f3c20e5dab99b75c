"""chk-holiday: opening days, whatever else the answer holds."""

import json
from datetime import date

import pytest

from observer_core.errors import MalformedMessage
from observer_core.kis.holidays import parse_holidays


def row(day: str, opens: str) -> dict[str, str]:
    return {"bass_dt": day, "wday_dvsn_cd": "06", "bzdy_yn": "Y", "tr_day_yn": "Y", "opnd_yn": opens, "new": "x"}


def test_days_open_or_not_and_nonsense_is_left_out() -> None:
    rows = [row("20260716", "Y"), row("20260717", "N"), row("20260718", " "), row("2026", "Y"), row(" 20260720 ", "Y ")]
    body = json.dumps({"rt_cd": "0", "output": rows}).encode()
    assert parse_holidays(body) == {date(2026, 7, 16): True, date(2026, 7, 17): False, date(2026, 7, 20): True}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"output": {}}', b'{"output": [{"bass_dt": "20260717"}]}', b"\xff"])
def test_an_answer_of_another_form_is_an_error(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_holidays(body)
