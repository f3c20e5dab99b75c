"""Reports to a hub that is quick, slow, absent or new."""

import os
from collections.abc import Iterator

import pytest

from observer_core.messages import encode
from observer_core.orders import Order, Verb
from observer_core.pipes import FrameBuffer, open_pipe, read_available, write_frame
from observer_core.tree_messages import SupervisorEvent, TicketUpdate, TreeReport, decode_supervisor_message
from supervisor.hub_link import HubLink, supervisor_event, tree_report
from supervisor.orders import Notice
from tests.fixtures.histories import History


class _Hub:
    """The hub's ends of the two pipes."""

    def __init__(self) -> None:
        self.order_r, self.order_w = open_pipe()
        self.tree_r, self.tree_w = open_pipe()
        self._buffer = FrameBuffer()

    def read(self) -> list[object]:
        messages: list[object] = []
        while data := read_available(self.tree_r):
            messages += [decode_supervisor_message(raw) for raw in self._buffer.feed(data)]
        return messages

    def close(self) -> None:
        for fd in (self.order_r, self.order_w, self.tree_r, self.tree_w):
            os.close(fd)


@pytest.fixture
def hub() -> Iterator[_Hub]:
    """Give a hub's pipes."""
    pipes = _Hub()
    yield pipes
    pipes.close()


def _event(number: int) -> SupervisorEvent:
    return supervisor_event(Notice("order", "info", "swing-0", f"{number} {'x' * 1000}"), number)


def _report(history: History) -> TreeReport:
    return tree_report(history.tree.children.values(), 1, 2, history.now)


def test_notices_before_the_first_hub_wait_for_it(hub: _Hub) -> None:
    link = HubLink()
    link.send(_event(1))
    assert not link.blocked
    ticket = TicketUpdate(ticket="t", state="done", text="", at_ns=1)
    link.attach(hub.order_r, hub.tree_w, [ticket])
    link.send(_event(2))
    assert hub.read() == [_event(1), ticket, _event(2)]


def test_slow_hub_gets_the_newest_state_not_every_one(hub: _Hub) -> None:
    link = HubLink()
    history = History("swing-0").begin()
    link.attach(hub.order_r, hub.tree_w, [])
    number = 0
    while not link.blocked:
        number += 1
        link.send(_event(number))
    assert link.send_tree(_report(history)) is False
    history.die("swing-0", 64)
    seen = hub.read()
    assert link.send_tree(_report(history)) is True
    seen += hub.read()
    assert seen[-1] == _report(history)
    assert seen[:-1] == [_event(at + 1) for at in range(number)]


def test_dead_hub_is_forgotten_until_the_next(hub: _Hub) -> None:
    link = HubLink()
    read_end, write_end = open_pipe()
    link.attach(hub.order_r, write_end, [])
    os.close(read_end)
    link.send(_event(1))
    assert link.tree_fd == -1
    assert link.send_tree(_report(History("swing-0"))) is True
    os.close(write_end)
    link.attach(hub.order_r, hub.tree_w, [])
    link.send(_event(2))
    assert hub.read()[-1] == _event(2)


def test_orders_arrive_and_rubbish_is_skipped(hub: _Hub) -> None:
    link = HubLink()
    link.attach(hub.order_r, hub.tree_w, [])
    order = Order(ticket="t", verb=Verb.PAUSE, target="swing-0", who="kim", reason="x")
    write_frame(hub.order_w, b"rubbish")
    write_frame(hub.order_w, encode(order))
    assert link.receive() == [order]
    assert link.receive() == []
    os.write(hub.order_w, b"\xff\xff\xff\xff")
    assert link.receive() == []
    assert link.order_fd == -1


def test_report_says_what_is_known(hub: _Hub) -> None:
    history = History("swing-0", "jsonl").begin()
    history.die("swing-0", 64, last_words="no key")
    rows = {row.name: row for row in _report(history).processes}
    assert rows["jsonl"].state == "running"
    assert rows["jsonl"].pid == history.live["jsonl"]
    assert rows["swing-0"].state == "quarantined"
    assert rows["swing-0"].pid is None
    assert rows["swing-0"].last_exit == "config: exit code 64 CONFIG: no key"
    assert rows["swing-0"].next_start_ns is not None
    assert 300e9 <= rows["swing-0"].next_start_ns - history.now.wall_ns <= 375e9
    assert rows["swing-0"].generation == 1
