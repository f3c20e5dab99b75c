"""Status over a real socket: what changed at once, what says the same once a second."""

from itertools import count
from pathlib import Path

import zmq

from observer_core.bus.status import StatusSender
from observer_core.clock import NS_PER_S
from observer_core.ids import ProcessName
from observer_core.messages import ServiceStatus, decode_status
from tests.fixtures.journals import NINE_OCLOCK_NS, wait_until


def status(seq: int, second: float, state: str = "running") -> ServiceStatus:
    as_of_ns = NINE_OCLOCK_NS + int(second * NS_PER_S)
    return ServiceStatus(
        name=ProcessName("maintenance"), kind="maintenance", pid=1, status_seq=seq, as_of_ns=as_of_ns, state=state
    )


def test_what_says_the_same_is_sent_once_a_second(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/status"
    with zmq.Context() as context, context.socket(zmq.SUB) as hub:
        hub.setsockopt(zmq.SUBSCRIBE, b"")
        hub.bind(endpoint)
        sender = StatusSender(endpoint)
        number = count()

        def met() -> int:
            # What is sent before the sockets have met goes nowhere; nothing is the same, so that all of it is sent.
            sender.send(status(0, 0.0, f"number {next(number)}"))
            return hub.poll(10)

        wait_until(met, "the sockets do not meet")
        while hub.poll(200):
            hub.recv()
        for seq, second, state in (
            (1, 1.0, "running"), (2, 1.25, "running"), (3, 1.5, "waiting"), (4, 1.75, "waiting"), (5, 2.25, "waiting"),
            (6, 2.5, "waiting"), (7, 1.0, "waiting"),
        ):  # fmt: skip
            sender.send(status(seq, second, state))
        heard: list[int] = []
        while hub.poll(2_000 if len(heard) < 4 else 200):
            message = decode_status(hub.recv())
            assert isinstance(message, ServiceStatus)
            heard.append(message.status_seq)
        sender.close()
    # A clock that was set back is news as well.
    assert heard == [1, 3, 6, 7]
