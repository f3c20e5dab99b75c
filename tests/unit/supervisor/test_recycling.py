"""Histories of recycling: who, when, and never two at once."""

from observer_core.clock import NS_PER_S
from supervisor.causes import Cause
from supervisor.limits import Limits
from supervisor.orders import Measured
from supervisor.policy import Child
from supervisor.recycling import overdue
from supervisor.states import State
from tests.fixtures.histories import History, spec

MIB = 1 << 20
LIMITS = Limits(recycle_memory_bytes=100 * MIB, recycle_age_s=86_400)


def _calm(*names: str) -> History:
    history = History(*names, limits=LIMITS).begin()
    history.wait(LIMITS.stable_after_s + 1)
    return history


def test_the_largest_goes_first_and_alone() -> None:
    history = _calm("swing-0", "swing-1", "jsonl")
    sizes = Measured({"swing-0": 120 * MIB, "swing-1": 150 * MIB, "jsonl": 20 * MIB})
    history.tell(sizes)
    history.tell(sizes)
    assert {sent.name for sent in history.signals} == {"swing-1"}
    history.die("swing-1", 0)
    child = history.child("swing-1")
    assert (child.generation, child.failures) == (2, 0)
    assert child.deaths[-1].cause is Cause.RECYCLED
    history.tell(sizes)
    assert {sent.name for sent in history.signals} == {"swing-1"}, "the renewed one has not proved itself yet"
    history.report("swing-1", ready=True)
    history.wait(LIMITS.stable_after_s + 1)
    history.tell(Measured({"swing-0": 120 * MIB, "swing-1": 20 * MIB}))
    assert {sent.name for sent in history.signals} == {"swing-0", "swing-1"}


def test_nobody_is_recycled_while_anything_is_wrong() -> None:
    history = _calm("swing-0", "swing-1")
    history.die("swing-0", 1)
    history.tell(Measured({"swing-1": 500 * MIB}))
    assert history.signals == []


def test_recycling_is_no_step_towards_quarantine() -> None:
    history = _calm("swing-0")
    for _ in range(10):
        history.tell(Measured({"swing-0": 500 * MIB}))
        history.die("swing-0", -15)
        history.report("swing-0", ready=True)
        history.wait(LIMITS.stable_after_s + 1)
    child = history.child("swing-0")
    assert child.state is State.RUNNING
    assert [death.cause for death in child.deaths] == [Cause.RECYCLED] * 10


def test_limits_of_zero_mean_never() -> None:
    history = History("swing-0", limits=Limits()).begin()
    history.wait(60)
    history.tell(Measured({"swing-0": 10**12}))
    assert history.signals == []


def test_children_of_one_age_are_due_at_different_times() -> None:
    history = _calm(*(f"swing-{index}" for index in range(8)))
    due_h: set[int] = set()
    for minute in range(24 * 60):
        now = history.now._replace(monotonic_ns=history.monotonic_ns + minute * 60 * NS_PER_S)
        found = overdue(_without(history, due_h), {}, LIMITS, now)
        if found is not None:
            assert minute >= 24 * 60 * 0.75 - 1
            due_h.add(int(found.name.removeprefix("swing-")))
    assert len(due_h) >= 6
    assert overdue([Child(spec=spec("swing-9"))], {}, LIMITS, history.now._replace(monotonic_ns=1)) is None


def _without(history: History, gone: set[int]) -> list[Child]:
    return [child for child in history.tree.children.values() if child.spec.index not in gone]
