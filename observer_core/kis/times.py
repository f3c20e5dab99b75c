"""The broker's times: HHMMSS and YYYYMMDD texts in Korean time to nanoseconds.

Separate because trades and books share it, and because it is on the hot path: a day has few seconds, so every text
is worked out once.
"""

from observer_core.clock import NS_PER_S, kst_midnight_ns

_KST_OFFSET_NS = 9 * 3600 * NS_PER_S
_DAY_NS = 86_400 * NS_PER_S
_DAYS_KEPT = 64

_seconds: dict[str, int] = {}
_midnights: dict[str, int] = {}


def time_of_day_ns(text: str) -> int:
    """Return HHMMSS as nanoseconds since midnight.

    Raises:
        ValueError: it is not a time of day.
    """
    known = _seconds.get(text)
    if known is not None:
        return known
    if len(text) != 6 or not (text.isascii() and text.isdecimal()):
        raise ValueError("bad_time")
    hour, minute, second = int(text[:2]), int(text[2:4]), int(text[4:])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("bad_time")
    _seconds[text] = (hour * 3600 + minute * 60 + second) * NS_PER_S
    return _seconds[text]


def midnight_ns(text: str) -> int:
    """Return the beginning of a Korean day given as YYYYMMDD.

    Raises:
        ValueError: it is not a date.
    """
    known = _midnights.get(text)
    if known is not None:
        return known
    if len(text) != 8 or not (text.isascii() and text.isdecimal()):
        raise ValueError("bad_date")
    try:
        found = kst_midnight_ns(int(text))
    except ValueError:
        raise ValueError("bad_date") from None
    if len(_midnights) >= _DAYS_KEPT:
        _midnights.clear()
    _midnights[text] = found
    return found


def midnight_before_ns(at_ns: int) -> int:
    """Return the beginning of the Korean day that an instant lies in."""
    return (at_ns + _KST_OFFSET_NS) // _DAY_NS * _DAY_NS - _KST_OFFSET_NS
