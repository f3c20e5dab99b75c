"""Histories of several children: order, stops, incidents, orders."""

import signal

from observer_core.exit_codes import ExitCode
from observer_core.orders import Verb
from supervisor.limits import Limits
from supervisor.orders import Begun, End, ReloadRequested, StopRequested, Tell
from supervisor.states import State
from tests.fixtures.histories import History

ALL = ("swing-0", "swing-1", "scalp-0", "jsonl", "postgres", "hub", "maintenance", "exchange", "database")


def _terminated(history: History) -> list[str]:
    return [sent.name for sent in history.signals if sent.signal == signal.SIGTERM]


def test_groups_start_one_after_the_other() -> None:
    history = History(*ALL).begin()
    order = [start.name for start in history.starts]
    assert order[:2] == ["exchange", "database"]
    assert order[2:4] == ["hub", "jsonl"]
    assert order[5] == "maintenance"
    assert set(order[6:]) == {"swing-0", "swing-1", "scalp-0"}


def test_collection_does_not_wait_for_a_sink_that_is_not_ready_or_dead() -> None:
    history = History("jsonl", "postgres", "swing-0")
    history.tell(Begun())
    assert set(history.live) == {"jsonl", "postgres"}
    history.report("jsonl", ready=True)
    history.wait(2, reporting=())
    assert "swing-0" in history.live
    dead = History("hub", "swing-0")
    dead.tell(Begun())
    dead.die("hub", 64)
    assert "swing-0" in dead.live


def test_stop_goes_group_by_group_and_ends_with_ok() -> None:
    history = History(*ALL).begin()
    history.tell(StopRequested())
    stopped: list[str] = []
    while history.live:
        batch = [name for name in _terminated(history) if name not in stopped]
        assert batch
        for name in batch:
            history.die(name, 0)
        stopped += batch
    assert set(stopped[:3]) == {"swing-0", "swing-1", "scalp-0"}
    assert stopped[3] == "maintenance"
    assert set(stopped[4:6]) == {"jsonl", "postgres"}
    assert stopped[6] == "hub"
    assert history.commands[-1] == End(ExitCode.OK)
    assert set(history.states().values()) == {State.STOPPED}


def test_stop_keeps_to_one_deadline_and_leaves_time_for_the_writers() -> None:
    history = History("swing-0", "jsonl").begin()
    began_ns = history.monotonic_ns
    history.tell(StopRequested())
    history.wait(4)
    assert [sent.name for sent in history.signals if sent.signal == signal.SIGKILL] == ["swing-0"]
    history.die("swing-0")
    assert _terminated(history) == ["swing-0", "jsonl"]
    history.wait(3)
    assert history.signals[-1].name == "jsonl"
    assert history.signals[-1].signal == signal.SIGKILL
    assert history.monotonic_ns - began_ns < 8e9
    history.die("jsonl")
    assert history.commands[-1] == End(ExitCode.UNCLEAN)


def test_process_that_survives_the_kill_is_left_behind_in_the_end() -> None:
    history = History("swing-0").begin()
    history.tell(StopRequested())
    history.wait(8.5)
    assert End(ExitCode.UNCLEAN) not in history.commands
    history.wait(1)
    assert End(ExitCode.UNCLEAN) in history.commands
    assert sum(isinstance(command, End) for command in history.commands) == 1


def test_death_during_the_stop_is_not_restarted() -> None:
    history = History("swing-0", "jsonl").begin()
    history.tell(StopRequested())
    history.die("jsonl", 1)
    history.die("swing-0", 0)
    assert len(history.starts) == 2
    assert history.commands[-1] == End(ExitCode.UNCLEAN)


def test_second_signal_tells_everybody_and_the_third_kills() -> None:
    history = History("swing-0", "jsonl", "hub").begin()
    history.tell(StopRequested())
    assert _terminated(history) == ["swing-0"]
    history.tell(StopRequested())
    assert set(_terminated(history)) == {"swing-0", "jsonl", "hub"}
    history.tell(StopRequested())
    history.wait(0.5)
    killed = {sent.name for sent in history.signals if sent.signal == signal.SIGKILL}
    assert killed == {"swing-0", "jsonl", "hub"}


def test_stop_while_everything_waits_ends_at_once() -> None:
    history = History("swing-0").begin()
    history.die("swing-0", 64)
    history.tell(StopRequested())
    assert history.commands[-1] == End(ExitCode.OK)


def test_same_cause_in_several_children_is_one_incident() -> None:
    history = History("swing-0", "swing-1", "swing-2", "jsonl").begin()
    for name in ("swing-0", "swing-1", "swing-2"):
        history.die(name, ExitCode.CONNECT)
    opened = [notice for notice in history.notices if notice.event == "incident_opened"]
    assert len(opened) == 1
    assert "connect" in opened[0].text
    assert "suspect the broker's REST service" in opened[0].text
    # The first two were restarted before the third death made it an incident; now they die again and wait.
    for name in ("swing-0", "swing-1"):
        history.die(name, ExitCode.CONNECT)
    starts = len(history.starts)
    history.wait(29)
    assert len(history.starts) == starts
    assert "jsonl" in history.live
    history.wait(2)
    assert set(history.live) == {"swing-0", "swing-1", "swing-2", "jsonl"}
    # Still broken: a longer pause, no second notice, and nobody in quarantine for it.
    for _ in range(6):
        for name in ("swing-0", "swing-1", "swing-2"):
            if name in history.live:
                history.die(name, ExitCode.CONNECT)
        history.wait(301)
    assert len([notice for notice in history.notices if notice.event == "incident_opened"]) == 1
    assert State.QUARANTINED not in history.states().values()
    for name in history.live:
        history.report(name, ready=True)
    history.wait(11)
    assert [notice.event for notice in history.notices].count("incident_resolved") == 1


def test_recovery_of_one_releases_the_others() -> None:
    history = History("swing-0", "swing-1", "swing-2").begin()
    history.wait(11)
    for name in ("swing-0", "swing-1", "swing-2"):
        history.die(name, ExitCode.CONNECT)
    assert history.child("swing-2").state is State.BACKOFF
    history.report("swing-0", ready=True)
    history.wait(13)
    assert "swing-2" in history.live


def test_kills_from_outside_and_different_causes_are_no_incident() -> None:
    history = History("swing-0", "swing-1", "swing-2", "swing-3").begin()
    history.wait(11)
    for name in ("swing-0", "swing-1", "swing-2", "swing-3"):
        history.die(name)
    assert all(state is State.STARTING for state in history.states().values())
    history.die("swing-0", 1)
    history.die("swing-1", ExitCode.CONNECT)
    history.die("swing-2", -signal.SIGSEGV)
    assert not [notice for notice in history.notices if notice.event == "incident_opened"]


def test_restart_order_runs_through_its_states() -> None:
    history = History("swing-0", "swing-1").begin()
    other = history.live["swing-1"]
    answers = history.order(Verb.RESTART, "swing-0", generation=1)
    assert [answer.state for answer in answers] == ["accepted", "running"]
    assert {sent.name for sent in history.signals} == {"swing-0"}
    history.die("swing-0", 0)
    assert history.answers[-1].state == "running"
    history.report("swing-0")
    assert history.answers[-1].state == "done"
    assert history.live["swing-1"] == other
    assert history.child("swing-0").deaths[-1].cause == "commanded"


def test_repeated_ticket_is_answered_but_not_carried_out_again() -> None:
    history = History("swing-0").begin()
    history.order(Verb.RESTART, "swing-0")
    history.die("swing-0", 0)
    history.report("swing-0")
    again = history.order(Verb.RESTART, "swing-0")
    assert [answer.state for answer in again] == ["done"]
    assert len(history.starts) == 2


def test_restart_whose_new_process_dies_has_failed() -> None:
    history = History("swing-0").begin()
    history.order(Verb.RESTART, "swing-0")
    history.die("swing-0", 0)
    history.die("swing-0", 64, last_words="no key")
    assert history.answers[-1].state == "failed"
    assert "no key" in history.answers[-1].text


def test_restart_of_a_process_that_does_not_stop_kills_it_at_the_deadline() -> None:
    history = History("swing-0", limits=Limits(stop_deadline_s=2)).begin()
    history.order(Verb.RESTART, "swing-0")
    history.wait(2)
    assert history.signals[-1].signal == signal.SIGKILL
    history.die("swing-0")
    assert "did not stop in time" in history.child("swing-0").deaths[-1].text


def test_order_ends_quarantine_with_a_fresh_count() -> None:
    history = History("swing-0").begin()
    history.die("swing-0", 64)
    history.order(Verb.RESTART, "swing-0", generation=1)
    assert "swing-0" in history.live
    history.report("swing-0")
    assert history.answers[-1].state == "done"


def test_orders_are_refused_with_words() -> None:
    history = History("swing-0", "hub").begin()
    assert history.order(Verb.RESTART, "swing-9", "a")[0].text.startswith("there is no process 'swing-9'")
    assert "start 1, you saw 5" in history.order(Verb.RESTART, "swing-0", "b", generation=5)[0].text
    assert "only shards can" in history.order(Verb.PAUSE, "hub", "c")[0].text
    history.order(Verb.RESTART, "swing-0", "d")
    assert "by ticket d" in history.order(Verb.RESTART, "swing-0", "e")[0].text
    history.tell(StopRequested())
    assert history.order(Verb.RESTART, "hub", "f")[0].text == "the supervisor is stopping"
    assert [answer.state for answer in history.answers].count("refused") == 5


def test_pause_is_told_and_remembered() -> None:
    history = History("swing-0", "swing-1").begin()
    history.order(Verb.PAUSE, "swing-0", "a")
    assert Tell("swing-0", "pause") in history.commands
    history.die("swing-0")
    history.order(Verb.RESUME, "swing-0", "b")
    assert Tell("swing-0", "resume") in history.commands
    history.die("swing-0")
    while history.child("swing-0").state is State.BACKOFF:
        history.wait(1)
    assert [start.paused for start in history.starts if start.name == "swing-0"] == [False, True, False]
    history.die("swing-1", 64)
    assert history.order(Verb.PAUSE, "swing-1", "c")[-1].state == "done"
    history.wait(400)
    assert [start.paused for start in history.starts if start.name == "swing-1"] == [False, True]


def test_reload_reaches_whoever_lives() -> None:
    history = History("swing-0", "swing-1").begin()
    history.die("swing-1", 64)
    assert history.tell(ReloadRequested()) == [Tell("swing-0", "reload")]
