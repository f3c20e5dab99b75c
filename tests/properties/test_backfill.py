"""Any gaps in any order: every minute of them is asked for once, in few calls, and no answer's trap becomes a bar."""

import json
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.kis.charts import parse_minute_chart
from observer_core.kis.quotes import CallTimes
from observer_core.messages import Gap, GapReason, Track
from observer_core.quality.backfill import MINUTE_NS, MINUTES_PER_CALL, SETTLED_NS, Ask, Backlog
from tests.fixtures.journals import NINE_OCLOCK_NS

SYMBOLS = ("005930", "000660", "0126Z0")
DAY_MINUTES = 390
END_NS = NINE_OCLOCK_NS + (DAY_MINUTES + 100) * MINUTE_NS


@st.composite
def gaps(draw: st.DrawFn) -> list[Gap]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        from_ns = NINE_OCLOCK_NS + draw(st.integers(0, DAY_MINUTES * 60)) * NS_PER_S
        until_ns = from_ns + draw(st.integers(1, 90 * 60)) * NS_PER_S
        symbol = draw(st.sampled_from(SYMBOLS))
        found.append(
            Gap(f"g-{number}", Track.SCALP, GapReason.CONTINUITY, (symbol,), from_ns, until_ns, until_ns, "", 5)
        )
    return found


def touched(wanted: list[Gap]) -> set[tuple[str, int]]:
    return {
        (gap.symbols[0], second_ns // MINUTE_NS * MINUTE_NS)
        for gap in wanted
        for second_ns in range(gap.from_ns, gap.until_ns or 0, NS_PER_S)
    }


@given(gaps(), st.lists(st.booleans(), max_size=40), st.lists(st.integers(1, 2_000), min_size=20, max_size=20))
def test_every_minute_is_asked_for_once_over_failures_and_restarts(
    wanted: list[Gap], failures: list[bool], waits_s: list[int]
) -> None:
    backlog, asked, calls = Backlog(), [], 0
    pending, now_ns = list(wanted), NINE_OCLOCK_NS
    backlog.begin_day(now_ns)
    fails = iter(failures)
    for wait_s in (*waits_s, 24 * 3_600):
        now_ns = min(END_NS, now_ns + wait_s * NS_PER_S)
        while pending and (pending[0].until_ns or 0) <= now_ns:
            backlog.want(pending.pop(0), now_ns)
        if wait_s == 24 * 3_600:
            for late in pending:
                backlog.want(late, now_ns)
        while (ask := backlog.next_ask(now_ns)) is not None:
            calls += 1
            _check(ask, now_ns)
            if next(fails, False):
                backlog.postpone(ask)
                continue
            backlog.finish(ask)
            asked += [(ask.symbol, minute_ns) for minute_ns in ask.minutes]
            # What a restart reads goes on where it was.
            backlog = msgspec.json.decode(msgspec.json.encode(backlog), type=Backlog)
    assert sorted(asked) == sorted(touched(wanted))
    assert len(asked) == len(set(asked))
    assert calls <= len(asked) + len(failures)
    assert backlog.wanted == {}


def _check(ask: Ask, now_ns: int) -> None:
    assert ask.until_ns % MINUTE_NS == 0
    assert ask.until_ns + SETTLED_NS <= now_ns
    assert all(minute_ns % MINUTE_NS == 0 for minute_ns in ask.minutes)
    assert all(earlier < later for earlier, later in pairwise(ask.minutes))
    assert ask.until_ns - MINUTES_PER_CALL * MINUTE_NS <= ask.minutes[0]
    assert ask.minutes[-1] < ask.until_ns


@given(
    st.integers(0, 389),
    st.integers(0, 59),
    st.integers(-20, 60),
    st.lists(st.integers(0, 500), min_size=500, max_size=500),
    st.randoms(use_true_random=False),
)
def test_no_row_of_the_future_and_no_unfinished_minute_is_believed(
    minute: int, second: int, ahead: int, volumes: list[int], random: object
) -> None:
    """As the broker answers: thirty rows up to the minute asked for, the unfinished one's volume in the newest."""
    now_ns = NINE_OCLOCK_NS + minute * MINUTE_NS + second * NS_PER_S
    last = max(0, minute + ahead)
    rows = []
    for number in range(max(0, last - 29), last + 1):
        volume = volumes[number] if number < minute else 0
        if number == last and last >= minute:
            volume = 99_999
        rows.append(row(NINE_OCLOCK_NS + number * MINUTE_NS, volume))
    random.shuffle(rows)  # type: ignore[attr-defined]
    body = json.dumps({"output1": {}, "output2": rows, "rt_cd": "0"}).encode()
    chart = parse_minute_chart(body, "005930", CallTimes(now_ns, now_ns + 1), keep_raw=False)
    assert chart.rejections == []
    believed = {(bar.minute_ns - NINE_OCLOCK_NS) // MINUTE_NS: bar.volume for bar in chart.bars}
    assert believed == {number: volumes[number] for number in range(max(0, last - 29), min(last, minute))}


def row(minute_ns: int, volume: int) -> dict[str, str]:
    moment = kst_datetime(minute_ns)
    at = {"stck_bsop_date": f"{moment:%Y%m%d}", "stck_cntg_hour": f"{moment:%H%M}00"}
    prices = {"stck_prpr": "11", "stck_oprc": "10", "stck_hgpr": "12", "stck_lwpr": "9"}
    return {**at, **prices, "cntg_vol": str(volume), "acml_tr_pbmn": "100"}
