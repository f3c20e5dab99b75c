"""Deaths in a word and in a sentence."""

import signal

import pytest

from observer_core.exit_codes import ExitCode
from supervisor.causes import Cause, Exit, fleet_key, judge, suspect


@pytest.mark.parametrize(
    ("end", "cause", "text"),
    [
        (Exit(0), Cause.FINISHED, "exit code 0 OK"),
        (Exit(1), Cause.CRASH, "exit code 1 FAILED"),
        (Exit(77), Cause.CRASH, "exit code 77"),
        (Exit(ExitCode.CONFIG, last_words="no key"), Cause.CONFIG, "exit code 64 CONFIG: no key"),
        (Exit(ExitCode.CONNECT), Cause.CONNECT, "exit code 65 CONNECT"),
        (Exit(ExitCode.LOCKED), Cause.LOCKED, "exit code 66 LOCKED"),
        (Exit(-signal.SIGSEGV), Cause.SIGNAL, "signal 11 SIGSEGV"),
        (Exit(-99), Cause.SIGNAL, "signal 99"),
        (Exit(-signal.SIGKILL, out_of_memory=True), Cause.OOM, "out of memory (signal 9 SIGKILL)"),
        (Exit(-signal.SIGSEGV, out_of_memory=True), Cause.SIGNAL, "signal 11 SIGSEGV"),
    ],
)
def test_death_is_classified(end: Exit, cause: Cause, text: str) -> None:
    assert judge(end) == (cause, text)


def test_our_own_doing_comes_first() -> None:
    assert judge(Exit(-9, out_of_memory=True), hung=True)[0] is Cause.HANG
    assert judge(Exit(1), commanded=True)[0] is Cause.COMMANDED


def test_only_faults_make_an_incident() -> None:
    assert fleet_key(Cause.SIGNAL, -signal.SIGKILL) is None
    assert fleet_key(Cause.COMMANDED, 0) is None
    assert fleet_key(Cause.SIGNAL, -signal.SIGABRT) == "signal 6 SIGABRT"
    assert fleet_key(Cause.CRASH, 1) != fleet_key(Cause.CRASH, 3)
    assert fleet_key(Cause.CONNECT, 65) == "connect"


@pytest.mark.parametrize(
    ("kinds", "texts", "expected"),
    [
        ({"swing", "scalp"}, ["exit code 65 CONNECT: EGW00103 appkey is not valid"], "access tokens"),
        ({"swing"}, ["exit code 65 CONNECT: refused"], "REST"),
        ({"scalp"}, ["exit code 65 CONNECT: refused"], "stream"),
        ({"swing", "scalp"}, ["exit code 65 CONNECT: refused"], "exchange"),
        ({"writer"}, ["exit code 65 CONNECT: refused"], "database"),
        ({"writer", "hub"}, ["exit code 65 CONNECT"], "exchange or the database"),
        ({"swing"}, ["exit code 65 CONNECT: SQLSTATE 28P01"], "database"),
    ],
)
def test_an_incident_names_the_dependency(kinds: set[str], texts: list[str], expected: str) -> None:
    assert expected in suspect(Cause.CONNECT, kinds, texts)


def test_what_no_sentence_tells_is_not_made_up() -> None:
    assert suspect(Cause.CRASH, {"swing"}, ["exit code 1 FAILED"]) == "something they share"
    assert "memory" in suspect(Cause.OOM, {"swing"}, [])
