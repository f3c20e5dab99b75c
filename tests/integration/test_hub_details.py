"""A real hub asked for what is not in the view: symbols, gaps, logs, audit; and its errands, each a ticket."""

import json
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from observer_core.archive.layout import window_of
from observer_core.clock import NS_PER_S, kst_datetime, kst_day, kst_midnight_ns
from observer_core.details import PINNED, STREAMED, SymbolColumns, SymbolDetail, SymbolList, Why, symbol_rows
from observer_core.ids import ShardName
from observer_core.messages import Gap, Track
from observer_core.questions import (
    Answer,
    Command,
    GetAudit,
    GetGaps,
    GetLog,
    GetSymbol,
    GetSymbols,
    GetTicket,
    Question,
)
from observer_core.services.universe_files import Outcome, take_requests, write_outcome
from tests.fixtures.hub import (
    CLOCK,
    HubProcess,
    command,
    lease,
    process_report,
    shard_status,
    short_directory,
    tree_of,
    until,
)
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.universe_stage import Shout, quote, trade, write_stage

pytestmark = pytest.mark.integration


@pytest.fixture
def hub() -> Iterator[HubProcess]:
    with short_directory() as directory, HubProcess(directory, OBSERVER_FORCE_OPEN="true") as process:
        yield process


def asked(hub: HubProcess, question: Question) -> Answer:
    with hub.viewer() as viewer:
        return viewer.ask(question)


def collecting(hub: HubProcess, *names: str) -> None:
    """Let the tree report running shards; return when the view shows them."""
    from observer_core.bus.status import StatusSender

    sender = StatusSender(hub.paths.status_endpoint)
    try:
        hub.tell(tree_of(*(process_report(name, pid=1_000 + place) for place, name in enumerate(names))))
        for place, name in enumerate(names):
            sender.send(shard_status(name, pid=1_000 + place, sweep_s=3.0))
        hub.view_when(lambda view: len(view.processes) > len(names), "the shards are shown")
    finally:
        sender.close()


def symbols_when(hub: HubProcess, true: str, code: str) -> tuple[SymbolColumns, SymbolList]:
    def check() -> tuple[SymbolColumns, SymbolList] | None:
        found = asked(hub, GetSymbols(request_id="s")).symbols
        if found is None or found.listing is None or code not in found.listing.codes:
            return None
        row = next(row for row in symbol_rows(found, found.listing) if row.code == code)
        return (found, found.listing) if row.price is not None else None

    return until(check, true)


def test_every_symbol_has_its_freshness_and_why(hub: HubProcess) -> None:
    codes = write_stage(hub.paths, 200, streamed=3)
    collecting(hub, "swing-0", "swing-1")
    with Shout(hub.paths, "swing-0") as shard:

        def observed() -> Answer | None:
            shard.say(*(quote(code, 70_000, 1_000 + place) for place, code in enumerate(codes[0:100:2])))
            answer = asked(hub, GetSymbols(request_id="s"))
            return answer if answer.symbols is not None and min(answer.symbols.seen, default=255) < 255 else None

        until(observed, "observations arrive")
    found, listing = symbols_when(hub, "prices", codes[0])
    assert listing.shards == ("swing-0", "swing-1")
    rows = {row.code: row for row in symbol_rows(found, listing)}
    assert len(rows) == 200
    first = rows[codes[0]]
    assert (first.name, first.shard, first.price, first.change_bp) == ("삼성전자", "swing-0", 70_000, 71)
    assert first.seen_s is not None
    assert first.seen_s < 5 * slowness()
    assert (first.why, first.flags) == (Why.FRESH, STREAMED)
    assert rows[codes[1]].flags == STREAMED | PINNED
    assert rows[codes[1]].seen_s is None
    assert rows[codes[1]].why in {Why.UNKNOWN, Why.FEED}
    again = asked(hub, GetSymbols(request_id="t", known=found.version)).symbols
    assert again is not None
    assert again.listing is None
    assert len(msgspec.msgpack.encode(again)) < 200 * 11 + 300


def test_one_symbol_with_ticks_book_minutes_and_the_reason(hub: HubProcess) -> None:
    codes = write_stage(hub.paths, 20, streamed=2)
    collecting(hub, "swing-0", "swing-1", "scalp-0")
    code = codes[0]

    def ask() -> SymbolDetail:
        found = asked(hub, GetSymbol(request_id="d", code=code)).symbol
        assert found is not None
        return found

    until(lambda: asked(hub, GetSymbol(request_id="d", code=code)).symbol, "the roster is read")
    with Shout(hub.paths, "scalp-0") as shard:
        volume = 10_000

        def seen() -> SymbolDetail | None:
            nonlocal volume
            volume += 10
            shard.say(trade(code, 70_000 + volume % 500, 10, volume))
            found = ask()
            return found if len(found.ticks) >= 3 else None

        found = until(seen, "ticks arrive")
        assert (found.name, found.shards, found.why) == ("삼성전자", ("scalp-0", "swing-0"), Why.FRESH)
        assert found.ticks[0].received_ns >= found.ticks[-1].received_ns
        assert (found.ticks[0].kind, found.ticks[0].volume, found.ticks[0].side) == ("trade", 10, "1")
        assert found.asks is not None
        assert found.bids is not None
        assert found.asks.prices[0] > found.bids.prices[0]
        assert found.minutes[-1][1] == found.price
        assert found.reasons[0] == "it is observed as expected"
        shard.say(trade(code, 70_000, 0, volume, halted=True))
        halted = until(lambda: one if (one := ask()).why == Why.HALTED else None, "the halt is seen")
        assert halted.reasons[0] == "trading in it is halted"
        now_ns = CLOCK.now_ns()
        other = codes[3]
        shard.say(Gap("swing-1-9", Track.SWING, "stream_cut", (other,), now_ns, None, now_ns, "cut"))

        def covered() -> SymbolDetail | None:
            one = asked(hub, GetSymbol(request_id="d", code=other)).symbol
            return one if one is not None and one.open_gaps else None

        assert "stream_cut since" in until(covered, "the gap is known").open_gaps[0]
    assert "not collected" in (asked(hub, GetSymbol(request_id="d", code="999999")).error or "")
    assert "not a symbol" in (asked(hub, GetSymbol(request_id="d", code="../etc")).error or "")


def test_gaps_row_by_row(hub: HubProcess) -> None:
    now_ns = CLOCK.now_ns()
    symbols = tuple(f"{place:06d}" for place in range(500))
    with Shout(hub.paths, "scalp-0") as shard:

        def told() -> Answer | None:
            shard.say(
                Gap("swing-0-1", Track.SWING, "restart", symbols, now_ns - 90 * NS_PER_S, None, now_ns),
                Gap("scalp-0-2", Track.SCALP, "continuity", ("000001",), now_ns - NS_PER_S, now_ns, now_ns, "", 40),
                quote("000001", 1_000, 4_000),
            )
            answer = asked(hub, GetGaps(request_id="g"))
            return answer if answer.gaps is not None and answer.gaps.rows else None

        found = until(told, "gaps arrive").gaps
    assert found is not None
    restart, continuity = found.rows
    assert (restart.gap_id, restart.track, restart.severity, restart.symbols) == ("swing-0-1", "swing", "major", 500)
    assert restart.examples == symbols[:5]
    assert (continuity.severity, continuity.missed_volume, continuity.until_ns) == ("brief", 40, now_ns)
    assert found.worst_symbols == (("000001", 40, 99.0),)


def test_gaps_with_completeness_and_names(hub: HubProcess) -> None:
    codes = write_stage(hub.paths, 200, streamed=3)
    collecting(hub, "swing-0")

    def named() -> Answer | None:
        # A line of the archive, and the same told by the stream.
        answer = asked(hub, GetGaps(request_id="g"))
        shown = answer.gaps is not None and answer.gaps.worst and answer.gaps.rows
        return answer if shown else None

    now_ns = CLOCK.now_ns()
    # On a closed day everything since midnight counts, at whatever time this test runs.
    hub.paths.calendar_overrides.parent.mkdir(parents=True, exist_ok=True)
    closed = f'[[day]]\nday = {kst_datetime(now_ns):%Y-%m-%d}\naction = "close"\nreason = "test"\n'
    hub.paths.calendar_overrides.write_text(closed)
    from_ns = max(now_ns - 600 * NS_PER_S, kst_midnight_ns(kst_day(now_ns)))
    gap = {"kind": "gap", "gap_id": "swing-0-1", "reason": "call_failed", "symbols": [codes[0]], "from_ns": from_ns,
           "opened_ns": from_ns, "until_ns": None}  # fmt: skip
    path = hub.paths.data / window_of(Track.SYSTEM, ShardName("swing-0"), now_ns).path
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(gap) + "\n")
    found = until(named, "the gap is known and measured").gaps
    assert found is not None
    [row], [worst] = found.rows, found.worst
    assert (row.examples, row.name) == ((codes[0],), worst.name)
    assert worst.name
    assert (worst.code, worst.track, worst.reason, worst.is_open) == (codes[0], "swing", "call_failed", True)
    [track] = [share for share in found.tracks if share.track == "swing"]
    assert (track.symbols, track.incomplete) == (200, 1)
    assert found.measured_ns is not None
    again = asked(hub, GetGaps(request_id="h")).gaps
    assert again is not None
    assert again.measured_ns == found.measured_ns, "kept for some seconds"


def test_logs_and_stacks_by_name_level_and_text(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0")))
    hub.view_when(lambda view: view.supervisor_pid is not None, "the tree is known")
    lines = [
        b'{"time":"t%d","level":"%s","process":"swing-0","logger":"x","event":"line %d","code":7}'
        % (place, b"ERROR" if place % 100 == 7 else b"INFO", place)
        for place in range(1_000)
    ]
    hub.paths.logs.mkdir(exist_ok=True)
    (hub.paths.logs / "swing-0.jsonl").write_bytes(b"\n".join([*lines, b"torn"]) + b"\n")
    (hub.paths.logs / "swing-0.stacks").write_text("Thread 0x1\n  File a.py, line 3\n")
    found = asked(hub, GetLog(request_id="l", process="swing-0")).log
    assert found is not None
    assert (len(found.lines), found.truncated) == (300, True)
    assert found.lines[-1].text == "line 999 code=7"
    severe = asked(hub, GetLog(request_id="l", process="swing-0", level="WARNING", contains="907")).log
    assert severe is not None
    assert [line.text for line in severe.lines] == ["line 907 code=7"]
    stacks = asked(hub, GetLog(request_id="l", process="swing-0", kind="stacks")).log
    assert stacks is not None
    assert [line.text for line in stacks.lines] == ["Thread 0x1", "  File a.py, line 3"]
    own = asked(hub, GetLog(request_id="l", process="hub")).log
    assert own is not None
    assert any("hub ready" in line.text for line in own.lines)
    assert "no process" in (asked(hub, GetLog(request_id="l", process="../../etc/passwd")).error or "")


def errand(hub: HubProcess, asked_for: Command) -> Answer:
    with hub.operator() as operator:
        lease(operator, reason="pins for tomorrow")
        return operator.ask(asked_for)


def final(hub: HubProcess, ticket: str) -> tuple[str, str]:
    def check() -> tuple[str, str] | None:
        found = asked(hub, GetTicket(request_id="t", ticket=ticket)).ticket
        return (found.state, found.text) if found is not None and found.state in {"done", "failed"} else None

    return until(check, "the ticket ends")


def test_pins_go_to_maintenance_and_into_the_audit_trail(hub: HubProcess) -> None:
    write_stage(hub.paths, 20)
    accepted = errand(hub, command("005930", "pin", request_id="p1")).ticket
    assert accepted is not None
    assert accepted.state == "accepted"
    (request,) = until(lambda: take_requests(hub.paths), "the request is on the desk")
    assert (request.verb, request.symbols, request.reason) == ("pin", ("005930",), "test")
    assert request.who.startswith("lee (uid ")
    outcome = Outcome(at_ns=1, state="applied", text="1 pinned", snapshot="20261120", request_ids=("p1",))
    write_outcome(hub.paths, outcome)
    assert final(hub, "p1") == ("done", "applied: 1 pinned")
    rows = asked(hub, GetAudit(request_id="a", contains="p1")).audit
    assert rows is not None
    first = rows.rows[0]
    assert (first.fact, first.verb, first.target, first.state) == ("order", "pin", "005930", "accepted")
    assert rows.rows[-1].state == "done"
    assert {row.reason for row in rows.rows} == {"test"}
    view = hub.view_when(lambda view: any(event.name == "order" for event in view.events), "it is an event")
    assert any("pin by lee" in event.text for event in view.events)
    refused = errand(hub, command("000660", "unpin", request_id="p2")).ticket
    assert refused is not None
    assert (refused.state, "not pinned" in refused.text) == ("refused", True)
    wrong = errand(hub, command("nonsense!", "pin", request_id="p3")).ticket
    assert wrong is not None
    assert wrong.state == "refused"


def test_a_plan_is_worked_out_by_a_child_and_says_what_is_wrong(hub: HubProcess) -> None:
    write_stage(hub.paths, 20)
    errand(hub, command("universe", "plan", request_id="u1"))
    state, text = final(hub, "u1")
    assert state == "failed"
    assert "listing files of 20261120" in text
    refused = errand(hub, command("2026-11-20", "replay", request_id="u2")).ticket
    assert refused is not None
    assert "OBSERVER_POSTGRES_DSN" in refused.text


def test_an_alert_is_acknowledged_with_name_and_reason(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0", state="backoff", pid=None)))
    view = hub.view_when(
        lambda view: any("swing-0" in alert.key for alert in view.alerts), "an alert about the shard is shown"
    )
    key = next(alert.key for alert in view.alerts if "swing-0" in alert.key)
    assert errand(hub, command("nothing of the kind", "acknowledge", request_id="k0")).ticket.state == "refused"  # type: ignore[union-attr]
    errand(hub, command(key, "acknowledge", request_id="k1"))
    assert final(hub, "k1")[0] == "done"
    view = hub.view_when(
        lambda view: any(alert.acknowledged_by for alert in view.alerts if alert.key == key), "it is acknowledged"
    )
    alert = next(alert for alert in view.alerts if alert.key == key)
    assert alert.acknowledged_by.startswith("lee (uid")
    assert alert.reason == "test"


def ctl(hub: HubProcess, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "observer_core.cli.observerctl", *words],
        env=hub.environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_observerctl_says_what_the_console_shows(hub: HubProcess) -> None:
    codes = write_stage(hub.paths, 30, streamed=2)
    hub.tell(tree_of(process_report("swing-0", state="backoff", pid=None)))
    hub.view_when(
        lambda view: any(alert.key == "swing-0 is backoff" for alert in view.alerts), "an alert about the shard"
    )
    until(lambda: asked(hub, GetSymbol(request_id="d", code=codes[0])).symbol, "the roster is read")
    code, text = ctl(hub, "symbols", "삼성전자")
    assert code == 0
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [
        [codes[place], f"삼성전자{place // 8 or ''}"] for place in sorted((0, 8, 16, 24), key=lambda one: codes[one])
    ]
    code, text = ctl(hub, "symbols", "--stale", "--json")
    rows = [msgspec.json.decode(line) for line in text.splitlines()]
    assert len(rows) == 30
    assert {row["why"] for row in rows} == {"shard"}
    code, text = ctl(hub, "logs", "hub", "--contains", "ready")
    assert (code, "hub ready" in text) == (0, True)
    assert ctl(hub, "logs", "nobody") == (1, "no process is called so: hub, supervisor, swing-0\n")
    code, text = ctl(hub, "alerts")
    assert "swing-0 is backoff" in text
    code, text = ctl(hub, "acknowledge", "swing-0 is backoff", "--reason", "seen", "--operator", "lee")
    assert (code, "done: noted" in text) == (0, True)
    code, text = ctl(hub, "audit", "--contains", "acknowledge")
    assert "lee (uid" in text
    assert "seen" in text
