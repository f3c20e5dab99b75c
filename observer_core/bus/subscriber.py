"""A writer's end of the bus: bind, and take what has arrived in one go.

The caller holds the sink's lock first: a second bind of an ipc path would steal it from its holder silently.
"""

import os
from pathlib import Path
from typing import NamedTuple

import zmq

from observer_core.errors import JournalError, LinkError
from observer_core.ids import ShardName
from observer_core.journal.format import Position, unpack_position
from observer_core.paths import socket_path

QUEUE_BATCHES = 250
"""High-water mark per shard; what does not fit waits in the shard, then is read from the journal."""
_SOCKET_UMASK = 0o177


class LiveBatch(NamedTuple):
    """A batch as it came off the bus, not decoded."""

    shard: ShardName
    position: Position
    payload: bytes


class BatchSubscriber:
    """A SUB socket that shards connect to; owned by one thread of one process."""

    def __init__(self, endpoint: str) -> None:
        """Build a context of this process's own and bind, owner-only.

        Raises:
            LinkError: the endpoint cannot be bound.
        """
        self.malformed_total = 0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, QUEUE_BATCHES)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        try:
            bind_private(self._socket, endpoint)
        except LinkError:
            self.close()
            raise

    def drain(self, limit: int, timeout_ms: int) -> list[LiveBatch]:
        """Wait up to `timeout_ms` for a batch, then return at most `limit` of those that have arrived."""
        found: list[LiveBatch] = []
        if not self._socket.poll(timeout_ms):
            return found
        while len(found) < limit:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            try:
                shard, position, payload = parts
                found.append(LiveBatch(ShardName(shard.decode()), unpack_position(position), payload))
            except (ValueError, JournalError):
                self.malformed_total += 1
        return found

    def close(self) -> None:
        """Close; what has not been taken stays in the journals."""
        self._socket.close()
        self._context.term()


def bind_private(socket: "zmq.Socket[bytes]", endpoint: str) -> None:
    """Bind an ipc endpoint so that only the owner may connect; makes its directory.

    Raises:
        LinkError: the endpoint cannot be bound.
    """
    directory: Path = socket_path(endpoint).parent
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        before = os.umask(_SOCKET_UMASK)
        try:
            socket.bind(endpoint)
        finally:
            os.umask(before)
    except (OSError, zmq.ZMQError) as error:
        raise LinkError(f"{endpoint} cannot be bound: {error}") from error
