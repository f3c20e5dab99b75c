"""Histories of scaling: added shards, drained shards, and what holds a drained one back."""

import signal

from observer_core.orders import Verb
from supervisor.orders import Assigned, Rescale, StopRequested, Swept
from supervisor.scaling import SpecOf, scale_refusal
from tests.fixtures.histories import History, shard_spec

SHARDS = ("swing-0", "swing-1", "swing-2")


def _ended(history: History) -> list[str]:
    return [sent.name for sent in history.signals if sent.signal == signal.SIGTERM]


def test_more_shards_start_at_once_and_the_order_is_done_when_all_have_swept() -> None:
    history = History("swing-0", "maintenance").begin()
    assert [answer.state for answer in history.scale(3)] == ["accepted", "running"]
    assert Rescale(3) in history.commands
    assert [start.name for start in history.starts][-2:] == ["swing-1", "swing-2"]
    history.tell(Assigned(version=7, shards=3))
    for name in ("swing-0", "swing-1"):
        history.tell(Swept(name, 7))
    assert history.answers[-1].state == "running"
    history.tell(Swept("swing-2", 7))
    assert history.answers[-1].state == "done"
    assert _ended(history) == []
    assert history.child("swing-0").generation == 1


def test_a_shard_that_goes_drains_until_the_others_have_its_symbols() -> None:
    history = History(*SHARDS, "maintenance").begin()
    history.scale(2)
    history.tell(Swept("swing-0", 6))
    history.tell(Swept("swing-1", 6))
    history.tell(Assigned(version=6, shards=3))
    assert _ended(history) == [], "an assignment over the former number decides nothing"
    history.tell(Assigned(version=7, shards=2))
    history.tell(Swept("swing-0", 7))
    history.tell(Swept("swing-1", 6))
    assert _ended(history) == []
    history.tell(Swept("swing-1", 7))
    assert _ended(history) == ["swing-2"]
    assert history.answers[-1].state == "running"
    history.die("swing-2", 0)
    assert history.answers[-1].state == "done"
    assert set(history.tree.children) == {"swing-0", "swing-1", "maintenance"}
    assert {history.child(name).generation for name in ("swing-0", "swing-1")} == {1}


def test_without_an_assignment_nobody_is_ended_however_long_it_takes() -> None:
    history = History(*SHARDS, "maintenance").begin()
    history.scale(1)
    history.wait(600)
    assert _ended(history) == []


def test_a_survivor_that_does_not_sweep_holds_the_drained_one_back_for_a_limited_time() -> None:
    history = History(*SHARDS, "maintenance").begin()
    history.scale(2)
    history.tell(Assigned(version=7, shards=2))
    history.tell(Swept("swing-0", 7))
    history.wait(history.limits.handover_s - 1)
    assert _ended(history) == []
    history.wait(2)
    history.die("swing-2", 0)
    assert history.answers[-1].state == "done"
    assert "swing-1" in history.answers[-1].text


def test_paused_survivors_are_not_waited_for() -> None:
    history = History(*SHARDS, "maintenance").begin()
    history.order(Verb.PAUSE, "swing-1", "t-0")
    history.scale(2)
    history.tell(Assigned(version=7, shards=2))
    history.tell(Swept("swing-0", 7))
    assert _ended(history) == ["swing-2"]


def test_a_later_order_takes_the_place_of_an_unfinished_one() -> None:
    history = History(*SHARDS, "maintenance").begin()
    history.scale(1, "t-1")
    answers = history.scale(3, "t-2")
    assert [(answer.order.ticket, answer.state) for answer in answers] == [
        ("t-1", "failed"),
        ("t-2", "accepted"),
        ("t-2", "running"),
    ]
    history.tell(Assigned(version=8, shards=3))
    for name in SHARDS:
        history.tell(Swept(name, 8))
    assert history.answers[-1].state == "done"
    assert _ended(history) == []


def test_what_cannot_be_remembered_is_not_done() -> None:
    history = History("swing-0", "maintenance").begin()
    history.disk_problem = "No space left on device"
    history.scale(2)
    assert history.answers[-1].state == "failed"
    assert "No space left" in history.answers[-1].text
    assert set(history.tree.children) == {"swing-0", "maintenance"}


def test_orders_that_cannot_be_carried_out_say_why() -> None:
    history = History("swing-0").begin()
    assert "1 to 64" in history.scale(0)[0].text
    assert "1 to 64" in history.scale(65, "t-2")[0].text
    assert history.scale(1, "t-3")[0].text == "there are 1 already"
    order = history.answers[-1].order
    none: SpecOf | None = None
    assert scale_refusal(order, none, stopping=False) is not None
    assert scale_refusal(order, shard_spec, stopping=True) == "the supervisor is stopping"


def test_a_stop_ends_everything_in_the_middle_of_scaling() -> None:
    history = History(*SHARDS, "maintenance").begin()
    history.scale(2)
    history.tell(StopRequested())
    for name in [*history.live]:
        if name in history.live and name in _ended(history):
            history.die(name, 0)
    history.tell(Assigned(version=7, shards=2))
    assert set(_ended(history)) == {*SHARDS, "maintenance"}
