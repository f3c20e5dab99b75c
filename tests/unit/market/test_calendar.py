"""The calendar: 2025 to 2027 as shipped, special days to the second, overrides, and the vote of three sources."""

import itertools
import subprocess
import sys
from datetime import date, datetime, timedelta
from importlib import resources

import pytest

from observer_core.clock import KST, NS_PER_S
from observer_core.market.calendar import parse_hours, parse_overrides, shipped_calendar
from observer_core.market.calendar_vote import SILENT_LIMIT_S, Tape, vote
from observer_core.market.phases import KRX, NXT, Phase, Session
from observer_core.market.sessions import phase_at
from observer_core.market.toml_lines import ConfigFileError

CONSTITUTION_DAY = date(2026, 7, 17)
OVERRIDE = b"""
# comment
[[day]]
day = 2026-07-17
action = "close"
reason = "Constitution Day is a public holiday again"

[[day]]
day = 2027-11-18
action = "shift"
minutes = 60
reason = "exam day"

[[day]]
day = 2027-01-02
action = "open"
reason = "Saturday session"
"""

CLOSED_WEEKDAYS = {
    2025: "0101 0127 0128 0129 0130 0303 0501 0505 0506 0603 0606 0815 1003 1006 1007 1008 1009 1225 1231",
    2026: "0101 0216 0217 0218 0302 0501 0505 0525 0817 0924 0925 1005 1009 1225 1231",
    2027: "0101 0208 0209 0301 0505 0513 0816 0914 0915 0916 1004 1011 1227 1231",
}


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=KST).timestamp()) * NS_PER_S


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=number) for number in range((date(year + 1, 1, 1) - first).days)]


def test_the_shipped_table_is_what_the_generator_makes() -> None:
    # In a process of its own: the library brings pandas, whose warnings are not ours.
    program = "import sys; from tests.fixtures.session_table import generate; sys.stdout.buffer.write(generate())"
    made = subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, capture_output=True).stdout
    table = resources.files("observer_core.market") / "xkrx_days.json"
    assert made == table.read_bytes()


@pytest.mark.parametrize("year", sorted(CLOSED_WEEKDAYS))
def test_sessions_of_a_year(year: int) -> None:
    calendar = shipped_calendar()
    closed = [day for day in days_of(year) if day.weekday() < 5 and not calendar.is_session(day)]
    assert " ".join(f"{day:%m%d}" for day in closed) == CLOSED_WEEKDAYS[year]
    assert not any(calendar.is_session(day) for day in days_of(year) if day.weekday() >= 5)


@pytest.mark.parametrize("year", sorted(CLOSED_WEEKDAYS))
def test_every_day_of_a_year_has_the_hours_of_its_kind(year: int) -> None:
    late = {date(2025, 1, 2), date(2026, 1, 2), date(2027, 1, 4)}
    exams = {date(2025, 11, 13), date(2026, 11, 19)}
    for day in days_of(year):
        sessions = shipped_calendar().sessions(day)
        if not shipped_calendar().is_session(day):
            assert sessions == ()
            continue
        continuous = next(session for session in sessions if session.phase is Phase.CONTINUOUS)
        opens, closes = (10, 16) if day in exams else (10, 15) if day in late else (9, 15)
        assert continuous == Session(Phase.CONTINUOUS, opens * 3600, closes * 3600 + 20 * 60), day
        evening = Phase.AFTER_MARKET if day >= date(2026, 9, 14) else Phase.SINGLE_PRICE
        assert sessions[-1].phase is evening
        # Phases follow each other without overlap.
        assert all(one.until_s <= two.from_s for one, two in itertools.pairwise(sessions))


@pytest.mark.parametrize(
    ("moment", "phase", "until"),
    [
        # Exam day: everything an hour later, also the after-market.
        ("2026-11-19T08:59:59", Phase.CLOSED, "2026-11-19T09:00:00"),
        ("2026-11-19T09:30:00", Phase.OPENING_AUCTION, "2026-11-19T10:00:00"),
        ("2026-11-19T09:59:59", Phase.OPENING_AUCTION, "2026-11-19T10:00:00"),
        ("2026-11-19T10:00:00", Phase.CONTINUOUS, "2026-11-19T16:20:00"),
        ("2026-11-19T16:19:59", Phase.CONTINUOUS, "2026-11-19T16:20:00"),
        ("2026-11-19T16:20:00", Phase.CLOSING_AUCTION, "2026-11-19T16:31:00"),
        ("2026-11-19T20:59:59", Phase.AFTER_MARKET, "2026-11-19T21:00:00"),
        ("2026-11-19T21:00:00", Phase.CLOSED, "2026-11-20T08:00:00"),
        ("2025-11-13T09:59:59", Phase.OPENING_AUCTION, "2025-11-13T10:00:00"),
        # The first trading day opens at ten and closes as ever.
        ("2026-01-02T09:29:59", Phase.PRE_OPEN, "2026-01-02T09:30:00"),
        ("2026-01-02T09:59:59", Phase.OPENING_AUCTION, "2026-01-02T10:00:00"),
        ("2026-01-02T10:00:00", Phase.CONTINUOUS, "2026-01-02T15:20:00"),
        ("2027-01-04T10:00:00", Phase.CONTINUOUS, "2027-01-04T15:20:00"),
        # The day before the after-market began, and the day itself.
        ("2026-09-11T16:00:00", Phase.SINGLE_PRICE, "2026-09-11T18:00:00"),
        ("2026-09-11T18:00:00", Phase.CLOSED, "2026-09-14T08:00:00"),
        ("2026-09-14T18:00:00", Phase.AFTER_MARKET, "2026-09-14T20:00:00"),
        # Over a long holiday the next opening is days away.
        ("2025-10-02T18:00:00", Phase.CLOSED, "2025-10-10T08:00:00"),
        ("2026-12-30T20:00:00", Phase.CLOSED, "2027-01-04T09:00:00"),
        ("2026-12-31T10:00:00", Phase.CLOSED, "2027-01-04T09:00:00"),
    ],
)
def test_special_days_to_the_second(moment: str, phase: Phase, until: str) -> None:
    assert phase_at(at(moment)) == (phase, at(until))


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ("2025-03-03T09:30:00", Phase.CLOSED),
        ("2026-11-20T08:00:00", Phase.PRE_MARKET),
        ("2026-11-20T08:50:00", Phase.CLOSED),
        ("2026-11-20T09:00:29", Phase.CLOSED),
        ("2026-11-20T09:00:30", Phase.CONTINUOUS),
        ("2026-11-20T15:40:00", Phase.AFTER_MARKET),
        ("2026-11-20T20:00:00", Phase.CLOSED),
    ],
)
def test_the_second_venue_has_hours_of_its_own(moment: str, phase: Phase) -> None:
    assert phase_at(at(moment), venue=NXT).phase is phase


def test_a_venue_without_hours_is_closed() -> None:
    assert phase_at(at("2025-02-10T10:00:00"), venue=NXT).until_ns == at("2025-03-04T08:00:00")
    assert phase_at(at("2026-11-20T10:00:00"), venue="XXX").phase is Phase.CLOSED


def test_beyond_the_table_a_weekday_counts_as_open() -> None:
    calendar = shipped_calendar()
    assert calendar.is_session(date(2028, 1, 3))
    assert calendar.reason(date(2028, 1, 3)) == "weekday after 2027-12-31, the last day of the table"
    assert not calendar.is_session(date(2028, 1, 1))


def test_overrides_close_shift_and_open_days() -> None:
    shipped = shipped_calendar()
    assert shipped.is_session(CONSTITUTION_DAY)
    calendar = shipped.with_overrides(parse_overrides(OVERRIDE, "calendar_overrides.toml"))
    assert not calendar.is_session(CONSTITUTION_DAY)
    assert calendar.reason(CONSTITUTION_DAY) == "override: Constitution Day is a public holiday again"
    assert phase_at(at("2026-07-17T10:00:00"), calendar) == (Phase.CLOSED, at("2026-07-20T08:00:00"))
    assert phase_at(at("2027-11-18T09:30:00"), calendar).phase is Phase.OPENING_AUCTION
    assert phase_at(at("2027-01-02T10:00:00"), calendar).phase is Phase.CONTINUOUS
    # A closed day that is collected nevertheless has its regular hours.
    assert phase_at(at("2026-07-17T10:00:00"), calendar.collecting(frozenset({CONSTITUTION_DAY}))) == (
        Phase.CONTINUOUS,
        at("2026-07-17T15:20:00"),
    )
    assert calendar.sessions(CONSTITUTION_DAY, KRX) == ()


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[[day]]\nday = 2026-07-17\nreason = 'x'\n", 1, "missing required field `action`"),
        ("\n[[day]]\nday = 2026-07-17\naction = 'shut'\nreason = 'x'\n", 2, "Invalid enum value 'shut'"),
        ("[[day]]\nday = 2026-07-17\naction = 'shift'\nreason = 'x'\n", 1, "with minutes = 0"),
        ("[[day]]\nday = 2026-07-17\naction = 'close'\nminutes = 5\nreason = 'x'\n", 1, "with minutes = 5"),
        ("[[day]]\nday = 2026-07-17\naction = 'close'\nreason = ''\n", 1, "length >= 1"),
        ("[[day]]\nday = 2026-07-17\naction = 'close'\nreason = 'x'\n" * 2, 5, "stands in the file twice"),
        ("[[day]]\nday = 2026-07-17\naction = \n", 3, "is not TOML"),
        ("[[holiday]]\nday = 2026-07-17\n", 1, "unknown table 'holiday'"),
        ("[day]\nday = 2026-07-17\n", 1, "double brackets"),
    ],
)
def test_a_wrong_override_is_named_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(ConfigFileError) as raised:
        parse_overrides(text.encode(), "calendar_overrides.toml")
    assert raised.value.problems[0].startswith(f"calendar_overrides.toml:{line}: ")
    assert reason in raised.value.problems[0]


@pytest.mark.parametrize(
    ("calendar", "broker", "tape", "collect", "agreed"),
    [
        (True, None, None, True, True),
        (False, None, None, False, True),
        (True, True, True, True, True),
        (False, False, None, False, True),
        # 2026-07-17 without an override: the table says open, the broker closed.
        (True, False, None, True, False),
        (True, False, False, True, False),
        # With the override all agree again.
        (False, False, False, False, True),
        # Trades arrive on a day that all call closed.
        (False, False, True, True, False),
        (False, True, None, True, False),
        (True, True, False, True, False),
    ],
)
def test_three_sources_vote(
    calendar: bool, broker: bool | None, tape: bool | None, collect: bool, agreed: bool
) -> None:
    outcome = vote(calendar, broker, tape)
    assert (outcome.collect, outcome.agreed) == (collect, agreed)


def test_a_disagreement_names_who_says_what() -> None:
    assert vote(True, False, None).text == "calendar says open, broker says closed: collecting"
    assert vote(False, False, True).text == "tape says open, calendar and broker say closed: collecting"


def test_trades_speak_and_long_silence_does() -> None:
    tape = Tape()
    for number in range(40):
        tape.add(f"{number:06d}", 1_000)
    start = at("2026-11-20T09:00:00")
    assert tape.judge(Phase.CLOSED, start) is None
    tape.add("000000", 1_001)
    assert tape.judge(Phase.CLOSED, start) is None, "one symbol proves nothing"
    tape.add("000000", 1_002)
    tape.add("000001", 1_002)
    assert tape.judge(Phase.CLOSED, start) is True
    limit_ns = int(SILENT_LIMIT_S * NS_PER_S)
    assert tape.judge(Phase.CONTINUOUS, start) is None
    assert tape.judge(Phase.CONTINUOUS, start + limit_ns - 1) is None
    assert tape.judge(Phase.CONTINUOUS, start + limit_ns) is False
    tape.add("000002", 2_000)
    assert tape.judge(Phase.CONTINUOUS, start + limit_ns + 1) is None


def test_volumes_that_fall_at_midnight_are_no_trades() -> None:
    tape = Tape()
    for volume in (500, 0):
        for number in range(40):
            tape.add(f"{number:06d}", volume)
    assert tape.judge(Phase.CLOSED, at("2026-11-21T00:00:00")) is None


HOURS = b"""
[[hours]]
venue = "KRX"
since = 2026-01-01
sessions = [
    { phase = "pre_open", from = 10:00:00, until = 10:00:05 },
    { phase = "continuous", from = 10:00:05, until = 10:01:00 },
]
"""


def test_an_operators_hours_replace_those_of_their_venue_only() -> None:
    day = date(2026, 11, 20)
    calendar = shipped_calendar().with_hours(parse_hours(HOURS, "trading_hours.toml"))
    assert calendar.sessions(day) == (
        Session(Phase.PRE_OPEN, 36_000, 36_005),
        Session(Phase.CONTINUOUS, 36_005, 36_060),
    )
    assert calendar.sessions(day, NXT) == shipped_calendar().sessions(day, NXT)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ((b"10:00:05, until = 10:01:00", b"10:00:04, until = 10:01:00"), "trading_hours.toml:2: phases must follow"),
        ((b'"continuous"', b'"lunch"'), "trading_hours.toml:1: Invalid enum value 'lunch'"),
        ((b"venue", b"market"), "trading_hours.toml:1: "),
    ],
)
def test_wrong_hours_are_refused_with_a_reason(damage: tuple[bytes, bytes], complaint: str) -> None:
    with pytest.raises(ConfigFileError) as refused:
        parse_hours(HOURS.replace(*damage), "trading_hours.toml")
    assert str(refused.value).startswith(complaint)
