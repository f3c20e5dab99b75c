"""Orders that concern no single process, by pilot: each names its consequence, is sent once, and ends as a ticket."""

import msgspec
import pytest

from observer_core.questions import Command
from observer_core.tree_messages import TicketUpdate
from observer_core.view import AlertRow
from observer_tui.ui_state import Page
from tests.fixtures.console_feed import OPENING_NS, shard, view_at
from tests.fixtures.console_pilot import Console, run, take_lease

pytestmark = pytest.mark.console

ALERT = AlertRow(key="swing-3 is backoff", text="swing-3 is backoff", since_ns=OPENING_NS)


def last_command(console: Console) -> Command:
    found = console.feed.questions[-1]
    assert isinstance(found, Command)
    return found


async def sent(console: Console, verb: str) -> Command:
    await console.until(
        lambda: isinstance(console.feed.questions[-1], Command) and console.feed.questions[-1].verb == verb
    )
    return last_command(console)


async def ended(console: Console, command: Command, text: str, state: str = "done", second: float = 5) -> None:
    ticket = TicketUpdate(
        ticket=command.request_id, state=state, text=text, at_ns=OPENING_NS, verb=command.verb, target=command.target
    )
    await console.play(second, tickets=(ticket,))


def test_a_symbol_is_pinned_and_given_back_within_three_keys() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("3")
        await console.until(lambda: "Symbols 2,000/2,000" in console.text)
        await console.press("P")
        assert "pin 107000 LG화학77?" in console.dialog
        assert "first in line for a tick slot" in console.dialog
        assert "no process restarts" in console.dialog
        assert "> Cancel <" in console.dialog
        await console.press("right", "enter")
        command = await sent(console, "pin")
        assert (command.target, command.reason, command.operator, command.generation) == ("107000", "fix", "lee", None)
        await ended(console, command, "applied: 1 pinned")
        assert "pin 107000: done, applied: 1 pinned" in console.text
        await console.press("slash", *"100010", "enter")
        await console.until(lambda: console.page == Page.SYMBOL)
        await console.until(lambda: "pinned)" in console.text)
        await console.press("P")
        assert "unpin 100010" in console.dialog
        assert "it may lose its tick slot" in console.dialog
        await console.press("escape")
        assert last_command(console).verb == "pin"

    run(body)


def test_without_a_lease_no_errand_is_sent_and_it_says_why() -> None:
    async def body(console: Console) -> None:
        await console.press("3")
        await console.until(lambda: "Symbols 2,000/2,000" in console.text)
        for key in ("P", "U"):
            await console.press(key)
            assert "press W first" in console.text
            assert console.dialog == ""
        await console.press("6", "Y")
        assert "press W first" in console.text
        await console.press("colon", *"pin", "space", *"005930", "enter")
        assert "press W first" in console.text
        assert console.feed.questions == []

    run(body)


def test_the_universe_is_planned_before_it_is_applied() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("3", "U")
        plan = await sent(console, "plan")
        assert plan.target == "universe"
        await ended(console, plan, "2,000 -> 2,009 symbols (+12 -3), 0 moved, shards touched: swing-1, 0 restarts")
        assert "+12 -3" in console.dialog
        assert "no process restarts" in console.dialog
        await console.press("y")
        assert "Apply the universe rules?" in console.dialog, "a dialog that opens by itself takes no stray key"
        console.app.screen._count_down()  # type: ignore[attr-defined]
        await console.press("right", "enter")
        command = await sent(console, "apply")
        await ended(console, command, "refused: too few", "failed", 6)
        assert "apply universe: failed, refused: too few" in console.text
        await console.press("U")
        plan = await sent(console, "plan")
        await ended(console, plan, "universe.toml:9: not a symbol", "failed", 7)
        assert console.dialog == ""
        assert "universe.toml:9: not a symbol" in console.text

    run(body)


def test_a_replay_is_counted_first() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("6", "Y")
        await console.press(*"2026-11-19", "enter")
        count = await sent(console, "replay")
        assert (count.target, count.option) == ("2026-11-19", "dry_run")
        await ended(console, count, "5,000 records: 70 would be inserted, 4,930 there already", second=5)
        assert "70 would be inserted" in console.dialog
        assert "not doubled" in console.dialog
        assert "THE MARKET IS OPEN." in console.dialog
        console.app.screen._count_down()  # type: ignore[attr-defined]
        await console.press("right", "enter")
        await console.until(lambda: last_command(console).option == "")
        command = last_command(console)
        progress = TicketUpdate(
            ticket=command.request_id, state="running", text="40 % read", at_ns=0, verb="replay", target="2026-11-19"
        )
        await console.play(6, tickets=(progress,))
        assert "replay 2026-11-19: running, 40 % read" in console.text

    run(body)


def test_shards_are_scaled_and_a_quarantined_one_is_released() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("C", *"6", "enter")
        assert "from 4 to 6 shards" in console.dialog
        assert "2,000 symbols are dealt out anew" in console.dialog
        await console.press("y")
        command = await sent(console, "scale")
        assert (command.target, command.count) == ("swing", 6)
        await console.press("C", *"4", "enter")
        assert "there are 4 already" in console.text
        rows = (shard(0, 4, state="quarantined", pid=None, last_exit="crash: exit code 1"), *view_at(4).processes[1:])
        await console.play(4, processes=rows)
        await console.press("g", "S")
        assert "release swing-0?" in console.dialog
        assert "earlier deaths do not count" in console.dialog
        await console.press("y")
        await sent(console, "release")

    run(body)


def test_an_alert_is_acknowledged_and_shown_as_known() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("a")
        assert "no alert waits for anybody" in console.text
        await console.play(4, alerts=(ALERT,))
        await console.press("8")
        assert "swing-3 is backoff" in console.text
        await console.press("a")
        assert "Acknowledge which alert?" in console.dialog
        await console.press("enter")
        assert "everybody sees who knows of it" in console.dialog
        await console.press("y")
        command = await sent(console, "acknowledge")
        assert command.target == "swing-3 is backoff"
        known = msgspec.structs.replace(ALERT, acknowledged_by="lee (uid 0, pid 1)", reason="fix")
        await console.play(5, alerts=(known,))
        assert "known to lee" in console.text

    run(body)


def test_the_slowest_shard_is_two_keys_away_and_a_symbols_reason_two() -> None:
    async def body(console: Console) -> None:
        rows = (shard(0, 4), shard(1, 4, sweep_s=9.0), *view_at(4).processes[2:])
        await console.play(4, processes=rows)
        await console.press("s", "6")
        assert console.app.ui.sort == "sweep"
        assert console.app.frame.rows[0].row.name == "swing-1"
        await console.press("3", "enter")
        await console.until(lambda: "look at its log" in console.text)

    run(body)
