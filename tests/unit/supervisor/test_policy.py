"""Histories of one child: back-off, quarantine, hangs, stops."""

import signal

import pytest

from observer_core.clock import NS_PER_S
from observer_core.errors import ProcessError
from observer_core.exit_codes import ExitCode
from supervisor.causes import Cause
from supervisor.limits import Limits
from supervisor.orders import Passed, SessionOpened, Silenced, Slept, SpawnFailed
from supervisor.policy import TALLY_KEPT
from supervisor.states import State, transition
from tests.fixtures.histories import History


def _waits(history: History, name: str) -> float:
    next_start_ns = history.child(name).next_start_ns
    return 0.0 if next_start_ns is None else (next_start_ns - history.monotonic_ns) / 1e9


def test_death_after_a_stable_period_restarts_at_once() -> None:
    history = History("swing-0").begin()
    history.wait(11)
    for kill in range(20):
        history.die("swing-0")
        assert history.child("swing-0").state is State.STARTING
        assert len(history.starts) == kill + 2
        history.report("swing-0", ready=True)
        history.wait(11)
    assert history.child("swing-0").restarts == 20


def test_deaths_without_stability_wait_longer_and_end_in_quarantine() -> None:
    history = History("swing-0", limits=Limits(crash_window_s=1000)).begin()
    delays = []
    while history.child("swing-0").state is not State.QUARANTINED:
        history.die("swing-0", 1)
        delays.append(_waits(history, "swing-0"))
        while history.child("swing-0").state is State.BACKOFF:
            history.wait(0.5)
    assert len(delays) == 5
    assert delays[0] == 0
    assert all(0.5 <= delay <= 60 for delay in delays[1:4])
    assert 300 <= delays[4] <= 375
    assert "5 deaths in a row, the last by exit code 1 FAILED" in history.child("swing-0").reason


def test_slow_deaths_reach_the_cap_of_the_back_off_and_stay_below() -> None:
    history = History("swing-0", seed=3).begin(ready=False)
    delays = []
    for _ in range(40):
        # Never ready, so never stable, but too rare for a crash loop.
        history.wait(20)
        history.die("swing-0", 1)
        delays.append(_waits(history, "swing-0"))
        while history.child("swing-0").state is State.BACKOFF:
            history.wait(1)
    assert delays[0] == 0
    assert min(delays[1:]) >= 0.5
    assert max(delays) == 60


def test_stability_counts_from_readiness() -> None:
    history = History("swing-0").begin(ready=False)
    history.wait(30)
    assert history.child("swing-0").stable is False
    history.report("swing-0", ready=True)
    history.wait(9)
    assert history.child("swing-0").stable is False
    history.wait(1.5)
    assert history.child("swing-0").stable is True


def test_wrong_configuration_is_quarantined_at_once_with_its_words() -> None:
    history = History("swing-0").begin()
    history.wait(11)
    history.die("swing-0", ExitCode.CONFIG, last_words="KIS_APP_KEY is empty")
    assert history.child("swing-0").state is State.QUARANTINED
    assert history.child("swing-0").reason == "exit code 64 CONFIG: KIS_APP_KEY is empty"
    history.wait(200)
    assert len(history.starts) == 1


def test_failed_probe_goes_back_to_quarantine_and_a_good_one_ends_it() -> None:
    history = History("swing-0").begin()
    history.die("swing-0", ExitCode.CONFIG)
    history.wait(380)
    assert history.child("swing-0").state is State.STARTING
    history.die("swing-0", 1)
    assert history.child("swing-0").state is State.QUARANTINED
    # The same quarantine goes on: it was announced when it began.
    assert [notice.event for notice in history.notices].count("process_quarantined") == 1
    history.wait(380)
    history.report("swing-0", ready=True)
    history.wait(11)
    history.die("swing-0", 1)
    assert history.child("swing-0").state is State.STARTING
    assert history.child("swing-0").reason == ""


def test_session_opening_gives_the_quarantined_another_chance() -> None:
    history = History("swing-0", "swing-1").begin()
    history.die("swing-0", ExitCode.CONFIG)
    history.tell(SessionOpened())
    history.wait(2.5)
    assert history.child("swing-0").state is State.STARTING
    assert [start.name for start in history.starts] == ["swing-0", "swing-1", "swing-0"]


def test_silence_becomes_a_stack_dump_then_a_kill() -> None:
    history = History("swing-0", "swing-1").begin()
    pid = history.live["swing-0"]
    history.wait(19.5, reporting={"swing-1"})
    assert history.signals == []
    history.wait(0.5, reporting={"swing-1"})
    assert [sent.signal for sent in history.signals] == [signal.SIGUSR1, signal.SIGCONT]
    history.wait(0.5, reporting={"swing-1"})
    assert history.signals[-1].signal == signal.SIGKILL
    assert {sent.pid for sent in history.signals} == {pid}
    history.die("swing-0")
    assert history.child("swing-0").deaths[-1].cause is Cause.HANG
    # It had been stable: the replacement does not wait.
    assert history.child("swing-0").state is State.STARTING


def test_child_that_never_says_anything_hangs_too() -> None:
    history = History("swing-0").begin(ready=False)
    history.wait(20, reporting=())
    assert history.child("swing-0").state is State.STOPPING


def test_what_was_heard_after_standing_still_is_not_put_into_the_future() -> None:
    history = History("swing-0").begin()
    history.tell(Slept(3600 * 10**9))
    heard_ns = history.child("swing-0").heard_ns
    assert heard_ns is not None
    assert heard_ns <= history.monotonic_ns


def test_standing_still_of_the_whole_machine_kills_nobody() -> None:
    history = History("swing-0", "swing-1").begin()
    history.monotonic_ns += 3600 * 10**9
    history.tell(Slept(3600 * 10**9))
    history.tell(Passed())
    assert history.signals == []
    history.wait(60)
    assert history.signals == []
    # The control: the same hour without the explanation.
    history.monotonic_ns += 3600 * 10**9
    history.tell(Passed())
    assert {sent.name for sent in history.signals} == {"swing-0", "swing-1"}


def test_child_that_became_a_program_is_ready_and_never_hung() -> None:
    history = History("exchange").begin(ready=False)
    history.tell(Silenced("exchange", history.live["exchange"]))
    assert history.child("exchange").state is State.RUNNING
    history.wait(120, reporting=())
    assert history.signals == []
    # The next life begins as Python again and is expected to speak until it becomes the program, too.
    history.die("exchange")
    history.wait(20, reporting=())
    assert [sent.signal for sent in history.signals] == [signal.SIGUSR1, signal.SIGCONT]


def test_failed_fork_is_tried_again_but_never_at_once() -> None:
    history = History("swing-0").begin()
    history.die("swing-0")
    history.live.clear()
    history.tell(SpawnFailed("swing-0", "no memory"))
    assert history.child("swing-0").state is State.BACKOFF
    assert _waits(history, "swing-0") >= 0.5
    assert history.child("swing-0").deaths[-1].cause is Cause.SPAWN


def test_messages_of_an_earlier_process_are_ignored() -> None:
    history = History("swing-0").begin()
    former = history.live["swing-0"]
    history.die("swing-0")
    history.live["swing-0"], current = former, history.live["swing-0"]
    history.report("swing-0", ready=True)
    assert history.child("swing-0").state is State.STARTING
    history.die("swing-0")
    assert history.child("swing-0").pid == current


def test_tally_keeps_the_last_hundred() -> None:
    history = History("swing-0").begin()
    for _ in range(TALLY_KEPT + 20):
        history.wait(11)
        history.die("swing-0", 3)
        history.report("swing-0", ready=True)
    deaths = history.child("swing-0").deaths
    assert len(deaths) == TALLY_KEPT
    assert {death.cause for death in deaths} == {Cause.CRASH}


def test_transition_table_refuses_what_it_does_not_list() -> None:
    assert transition(State.STARTING, State.RUNNING) is State.RUNNING
    with pytest.raises(ProcessError, match="cannot go from quarantined to running"):
        transition(State.QUARANTINED, State.RUNNING)


def test_a_death_right_after_the_stable_period_counts_as_after_it() -> None:
    history = History("swing-0").begin()
    for _ in range(4):
        # Nothing wakes the supervisor between the end of the period and the death.
        history.monotonic_ns += int((history.limits.stable_after_s + 0.001) * NS_PER_S)
        history.die("swing-0", 1)
        assert history.child("swing-0").state is State.STARTING
        history.report("swing-0", ready=True)
    assert history.child("swing-0").unstable_ns == ()
