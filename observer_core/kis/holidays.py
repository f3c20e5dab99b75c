"""What the broker says about opening days: the answer of chk-holiday. Pure.

The broker asks for at most one call a day (KIS protocol notes §3); who asks when is the calendar service's business.
"""

from datetime import date, datetime

import msgspec

from observer_core.errors import MalformedMessage


class _Day(msgspec.Struct):
    bass_dt: str
    opnd_yn: str


class _Envelope(msgspec.Struct):
    output: list[_Day]


_decoder = msgspec.json.Decoder(_Envelope)
_WORDS = {"Y": True, "N": False}


def parse_holidays(body: bytes) -> dict[date, bool]:
    """Return day → whether the market opens, from the asked day on; days that make no sense are left out.

    Raises:
        MalformedMessage: the answer does not have its form.
    """
    try:
        rows = _decoder.decode(body).output
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedMessage(body, f"chk-holiday: {error}") from error
    days: dict[date, bool] = {}
    for row in rows:
        word = _WORDS.get(row.opnd_yn.strip())
        try:
            day = datetime.strptime(row.bass_dt.strip(), "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
        if word is not None:
            days[day] = word
    return days
