"""What a supervisor restart keeps and what it does not."""

from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S
from observer_core.orders import Verb
from supervisor.memory import load, recall, remember, save
from supervisor.orders import Begun, Moment, StopRequested
from supervisor.policy import Child
from supervisor.states import State
from tests.fixtures.histories import History, spec


def _later(history: History, seconds: float) -> Moment:
    """Return a moment after a reboot: the monotonic clock began anew, the wall clock went on."""
    return Moment(1_000 * NS_PER_S, history.now.wall_ns + int(seconds * NS_PER_S))


def _recalled(history: History, seconds: float) -> dict[str, Child]:
    specs = [child.spec for child in history.tree.children.values()]
    content = remember(history.tree.children.values(), history.now)
    return recall(content, specs, history.limits, _later(history, seconds))


def _crash_loop(history: History, name: str) -> None:
    while history.child(name).state is not State.QUARANTINED:
        history.die(name, 1)
        while history.child(name).state is State.BACKOFF:
            history.wait(0.5)


@pytest.mark.parametrize("gracefully", [True, False])
def test_quarantine_is_served_to_its_end(gracefully: bool) -> None:
    history = History("swing-0", "swing-1").begin()
    _crash_loop(history, "swing-0")
    if gracefully:
        history.tell(StopRequested())
    again = History("swing-0", "swing-1", remembered=_recalled(history, 100)).begin()
    assert again.child("swing-0").state is State.QUARANTINED
    assert "deaths in a row" in again.child("swing-0").reason
    assert len(again.child("swing-0").deaths) == 5
    assert set(again.live) == {"swing-1"}
    again.wait(280)
    assert "swing-0" in again.live


def test_back_off_goes_on_where_it_was() -> None:
    history = History("swing-0").begin()
    history.die("swing-0", 1)
    history.die("swing-0", 1)
    delay_s = history.child("swing-0").delay_s
    again = History("swing-0", remembered=_recalled(history, 0.0))
    again.tell(Begun())
    assert again.child("swing-0").state is State.BACKOFF
    again.wait(delay_s + 0.5)
    assert again.starts[0].generation == 3
    again.die("swing-0", 1)
    assert again.child("swing-0").delay_s > 0


def test_wrong_configuration_is_forgotten_because_it_was_read_anew() -> None:
    history = History("swing-0").begin()
    history.die("swing-0", 64)
    again = History("swing-0", remembered=_recalled(history, 1)).begin()
    assert again.child("swing-0").state is State.RUNNING


def test_pause_and_generation_are_kept() -> None:
    history = History("swing-0").begin()
    history.order(Verb.PAUSE, "swing-0")
    again = History("swing-0", remembered=_recalled(history, 5)).begin()
    assert again.starts[0].paused is True
    assert again.starts[0].generation == 2


def test_clock_set_back_by_a_year_does_not_hold_a_child_for_a_year() -> None:
    history = History("swing-0").begin()
    _crash_loop(history, "swing-0")
    remembered = _recalled(history, -365 * 86_400)
    next_start_ns = remembered["swing-0"].next_start_ns
    assert next_start_ns is not None
    assert next_start_ns - 1_000 * NS_PER_S <= 600 * NS_PER_S


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"version":99,"children":{}}', b"\xff\xfe", b'{"version":1}'])
def test_unreadable_file_is_as_good_as_none(content: bytes) -> None:
    history = History("swing-0")
    assert recall(content, [spec("swing-0")], history.limits, history.now) == {}


def test_file_is_replaced_whole_and_a_lost_directory_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.json"
    history = History("swing-0")
    assert recall(load(path), [spec("swing-0")], history.limits, history.now) == {}
    save(path, b"first")
    save(path, b"second")
    assert load(path) == b"second"
    assert [file.name for file in tmp_path.iterdir()] == ["supervisor.json"]
    save(tmp_path / "missing" / "supervisor.json", b"third")
