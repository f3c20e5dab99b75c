"""The bus between shards and writers, over real ipc sockets."""

import stat
from pathlib import Path

import pytest
import zmq

from observer_core.bus.publisher import BatchPublisher
from observer_core.bus.status import StatusReporter
from observer_core.bus.subscriber import BatchSubscriber, LiveBatch, bind_private
from observer_core.errors import LinkError
from observer_core.ids import Epoch, ShardName
from observer_core.journal.format import Position
from observer_core.messages import ServiceStatus, decode_status
from observer_core.paths import socket_path
from tests.fixtures.journals import wait_until
from tests.fixtures.patience import PATIENCE_S

pytestmark = pytest.mark.integration

SHARD = ShardName("swing-0")


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/run/sink.sock"


def first_batches(publisher: BatchPublisher, *subscribers: BatchSubscriber) -> None:
    """Publish until every subscriber has heard something, then empty them."""
    waiting = list(subscribers)

    def all_heard() -> bool:
        publisher.publish(Position(Epoch(1), 0, 0), b"hello")
        waiting[:] = [subscriber for subscriber in waiting if not subscriber.drain(100, 20)]
        return not waiting

    wait_until(all_heard, "every subscriber hears the publisher")
    for subscriber in subscribers:
        while subscriber.drain(100, 50):
            pass


def test_every_writer_gets_the_very_same_bytes_in_order(endpoint: str) -> None:
    first, second = BatchSubscriber(endpoint), BatchSubscriber(endpoint + "2")
    publisher = BatchPublisher(SHARD, [endpoint, endpoint + "2"])
    first_batches(publisher, first, second)
    sent = [LiveBatch(SHARD, Position(Epoch(3), 1, n), b"payload %d" % n) for n in range(100)]
    for one in sent:
        publisher.publish(one.position, one.payload)
    for subscriber in (first, second):
        found: list[LiveBatch] = []

        def all_came(subscriber: BatchSubscriber = subscriber, found: list[LiveBatch] = found) -> bool:
            # A greeting of the beginning may have been on its way still.
            found += [one for one in subscriber.drain(7, 20) if one.payload != b"hello"]
            return len(found) >= len(sent)

        wait_until(all_came, "everything that was published")
        assert found == sent
        assert subscriber.drain(7, 200) == []
        subscriber.close()
    publisher.close()


def test_a_writer_that_comes_back_is_connected_again(endpoint: str) -> None:
    publisher = BatchPublisher(SHARD, [endpoint])
    for _ in range(3):
        subscriber = BatchSubscriber(endpoint)
        first_batches(publisher, subscriber)
        subscriber.close()
    publisher.close()


def test_the_socket_is_the_owners_alone(endpoint: str) -> None:
    subscriber = BatchSubscriber(endpoint)
    mode = socket_path(endpoint).stat().st_mode
    assert stat.S_IMODE(mode) & 0o077 == 0
    subscriber.close()


def test_an_endpoint_that_cannot_be_bound_is_a_link_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkError):
        BatchSubscriber(f"ipc://{tmp_path}/file/sink.sock")


def test_what_is_no_batch_is_counted(endpoint: str) -> None:
    subscriber = BatchSubscriber(endpoint)
    context = zmq.Context()
    stranger = context.socket(zmq.PUB)
    stranger.setsockopt(zmq.LINGER, 0)
    stranger.connect(endpoint)

    def both_counted() -> bool:
        stranger.send_multipart([b"one part"])
        stranger.send_multipart([b"shard", b"no position", b"payload"])
        assert subscriber.drain(10, 20) == []
        return subscriber.malformed_total >= 2

    wait_until(both_counted, "malformed messages are counted")
    stranger.close()
    context.term()
    subscriber.close()


def test_status_is_sent_from_a_thread_of_its_own_until_stopped(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/status.sock"
    context = zmq.Context()
    hub = context.socket(zmq.SUB)
    hub.setsockopt(zmq.SUBSCRIBE, b"")
    hub.setsockopt(zmq.LINGER, 0)
    bind_private(hub, endpoint)
    calls: list[int] = []

    def snapshot() -> ServiceStatus:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("a snapshot that fails does not end the thread")
        return ServiceStatus(name="x", kind="y", pid=1, status_seq=len(calls), as_of_ns=1, state="live")

    reporter = StatusReporter(endpoint, 0.02, snapshot)
    reporter.start()
    assert hub.poll(int(PATIENCE_S * 1_000))
    status = decode_status(hub.recv())
    assert status.name == "x"
    reporter.stop()
    hub.close()
    context.term()
