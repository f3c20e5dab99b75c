"""Write `xkrx_days.json`, the shipped table of exchange days, from the library exchange_calendars.

For developers: `python -m observer_core.market.generate_sessions`. Nothing else imports this module, because the
library brings pandas with it; what runs reads the table that is checked in.
"""

from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import exchange_calendars
import msgspec

from observer_core.clock import KST

FIRST = date(2025, 1, 1)
LAST = date(2027, 12, 31)
TARGET = Path(__file__).with_name("xkrx_days.json")

_OPENING = "09:00"
_SATURDAY = 5


def generate() -> bytes:
    """Return the table as JSON: weekdays without a session, and days that open at another time than 09:00."""
    calendar: Any = exchange_calendars.get_calendar("XKRX", start=FIRST.isoformat(), end=LAST.isoformat())
    sessions = {session.date() for session in calendar.sessions}
    days = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
    late: dict[str, str] = {}
    for session in calendar.sessions:
        opens = calendar.session_open(session).tz_convert(KST).strftime("%H:%M")
        if opens != _OPENING:
            late[session.date().isoformat()] = opens
    table = {
        "version": 1,
        "source": f"exchange_calendars {metadata.version('exchange_calendars')}, XKRX",
        "first": FIRST.isoformat(),
        "last": LAST.isoformat(),
        "closed_weekdays": [day.isoformat() for day in days if day.weekday() < _SATURDAY and day not in sessions],
        "late_openings": late,
    }
    return msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n"


def main() -> None:
    """Write the table beside this module."""
    TARGET.write_bytes(generate())


if __name__ == "__main__":
    main()
