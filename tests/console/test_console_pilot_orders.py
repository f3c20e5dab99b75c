"""Orders from the console by pilot: leases, confirmations, refusals; nothing happens on a stale screen."""

import pytest

from observer_core.errors import LinkError
from observer_core.questions import AcquireLease, Answer, Command, Question
from observer_core.tree_messages import TicketUpdate
from tests.fixtures.console_feed import shard, view_at
from tests.fixtures.console_pilot import Console, run, take_lease

pytestmark = pytest.mark.console


def test_orders_are_greyed_without_a_lease_and_say_why() -> None:
    async def body(console: Console) -> None:
        assert console.app.check_action("order", ("restart",)) is None
        await console.press("R")
        assert "press W first" in console.text
        assert console.dialog == ""
        await console.press("S")
        assert console.feed.questions == []

    run(body)


def test_a_lease_is_asked_for_with_a_reason_shown_and_given_back() -> None:
    async def body(console: Console) -> None:
        await console.press("W", "enter")
        assert "a reason is needed" in console.text
        await console.press("W", "escape")
        assert console.feed.questions == []
        await take_lease(console)
        question = console.feed.questions[0]
        assert isinstance(question, AcquireLease)
        assert (question.operator, question.reason, question.seconds) == ("lee", "fix", 600)
        assert "RW 10:00" in console.text
        assert console.app.check_action("order", ("restart",)) is True
        await console.play(63)
        assert "RW 8:59" in console.text
        await console.press("W")
        await console.until(lambda: console.text.splitlines()[0].endswith(" RO"))
        assert console.feed.questions[-1].seconds == 0  # type: ignore[union-attr]
        assert "write mode given back" in console.text

    run(body)


def test_a_lease_ends_by_time_and_with_its_hub() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.play(603)
        assert "write mode has ended" in console.text
        assert console.app.ui.lease is None
        await take_lease(console)
        await console.play(604, hub_epoch="e2")
        assert console.app.ui.lease is None

    run(body)


def test_restart_names_the_consequence_and_cancel_has_the_focus() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("j", "R")
        assert "restart swing-1?" in console.dialog
        assert "500 symbols, without data until its next sweep of 3.4s" in console.dialog
        assert "other processes are untouched" in console.dialog
        assert "THE MARKET IS OPEN." in console.dialog
        assert "> Cancel <" in console.dialog
        await console.press("enter")
        assert not any(isinstance(question, Command) for question in console.feed.questions)
        await console.press("R", "right", "enter")
        await console.until(lambda: isinstance(console.feed.questions[-1], Command))
        command = console.feed.questions[-1]
        assert isinstance(command, Command)
        assert (command.verb, command.target, command.operator) == ("restart", "swing-1", "lee")
        assert (command.reason, command.generation) == ("fix", 1)
        await console.until(lambda: "restart swing-1: accepted" in console.text)
        done = TicketUpdate(
            ticket=command.request_id, state="done", text="ready after 25 ms", at_ns=0, verb="restart", target="swing-1"
        )
        again = shard(1, 4, pid=4301, generation=2, restarts=1)
        rows = tuple(again if row.name == "swing-1" else row for row in view_at(4).processes)
        await console.play(4, tickets=(done,), processes=rows)
        assert "restart swing-1: done, ready after 25 ms" in console.text
        assert console.app.ui.tracked == ()
        await console.press("R")
        assert "about 2.0s without data (its last restart)" in console.dialog

    run(body)


def test_the_order_is_for_the_generation_that_was_shown() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("R")
        rows = (shard(0, 4, pid=4400, generation=7), *view_at(4).processes[1:])
        await console.play(4, processes=rows)
        await console.press("y")
        await console.until(lambda: isinstance(console.feed.questions[-1], Command))
        assert console.feed.questions[-1].generation == 1  # type: ignore[union-attr]

    run(body)


def test_a_refused_order_and_a_lost_answer_are_told() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)

        def refuse(question: Question) -> Answer:
            return Answer(request_id=question.request_id, error="swing-0 was started anew since that screen")

        def lose(_question: Question) -> Answer:
            raise LinkError("the hub did not answer within 2 s")

        console.feed.answer = refuse
        await console.press("R", "y")
        await console.until(lambda: "started anew since that screen" in console.text)
        console.feed.answer = lose
        await console.press("R", "y")
        await console.until(lambda: "look at the orders of swing-0 before you repeat it" in console.text)
        assert len(console.app.ui.tracked) == 1

    run(body)


def test_pause_becomes_resume_on_a_paused_shard_and_is_for_shards_only() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("S")
        assert "pause swing-0?" in console.dialog
        assert "500 symbols without data until someone resumes it" in console.dialog
        await console.press("escape")
        rows = (shard(0, 4, state="paused"), *view_at(4).processes[1:])
        await console.play(4, processes=rows)
        await console.press("g", "S")
        assert "resume swing-0?" in console.dialog
        await console.press("y")
        await console.until(lambda: isinstance(console.feed.questions[-1], Command))
        assert console.feed.questions[-1].verb == "resume"  # type: ignore[union-attr]
        await console.press("G", "S")
        assert "only shards can be paused" in console.text

    run(body)


def test_a_confirmation_expires() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("R")
        for _ in range(30):
            console.app.screen._count_down()  # type: ignore[attr-defined]
        await console.settle()
        assert console.dialog == ""
        assert not any(isinstance(question, Command) for question in console.feed.questions)

    run(body)


def test_the_cursor_stays_on_the_process_that_an_order_was_for() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("slash", *"swing-2", "enter", "S")
        assert "swing-2" in console.dialog
        await console.press("escape", "escape")
        assert console.app.ui.row_filter == ""
        assert console.selected == "swing-2"
        await console.press("slash", *"nothing", "enter", "R")
        assert console.dialog == ""
        assert "no process is selected: none passes the filter" in console.text

    run(body)


def test_a_pin_of_no_symbol_says_why() -> None:
    async def body(console: Console) -> None:
        await take_lease(console)
        await console.press("3")
        await console.until(lambda: "Symbols 2,000/2,000" in console.text)
        await console.press("slash", *"zzzz", "enter", "P")
        assert console.dialog == ""
        assert "no symbol is selected: none passes the filter zzzz" in console.text

    run(body)
