"""Publishing a shard's batches to the writers. Delivery is advisory: what is dropped here is read from the journal.

The publisher connects and the writers bind, so that shards come and go without either side's configuration.
"""

from collections.abc import Sequence

import zmq

from observer_core.bus.status import StatusSender
from observer_core.ids import ShardName
from observer_core.journal.format import Position

QUEUE_BATCHES = 250
"""High-water mark per writer; beyond it batches are dropped for that writer only.

Of some 10 kB each: a writer that is gone costs a shard 2.5 MB, and what was dropped costs the writer one read.
"""
_RECONNECT_MS = 50
_RECONNECT_MAX_MS = 500
_LINGER_MS = 200


class BatchPublisher:
    """A PUB socket connected to every writer; owned by one thread of one process."""

    def __init__(self, shard: ShardName, endpoints: Sequence[str]) -> None:
        """Open nothing yet: `connect` does, or the first batch."""
        self._shard = shard.encode()
        self._endpoints = endpoints
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None

    def connect(self) -> "zmq.Socket[bytes]":
        """Build a context of this process's own and connect, once; a writer that is not there yet is tried again."""
        if self._socket is None:
            self._context = zmq.Context()
            self._socket = self._context.socket(zmq.PUB)
            self._socket.setsockopt(zmq.SNDHWM, QUEUE_BATCHES)
            self._socket.setsockopt(zmq.LINGER, _LINGER_MS)
            self._socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
            self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
            for endpoint in self._endpoints:
                self._socket.connect(endpoint)
        return self._socket

    def publish(self, position: Position, payload: bytes) -> None:
        """Hand one journalled batch to every connected writer; never waits."""
        socket = self._socket or self.connect()
        socket.send_multipart((self._shard, position.pack(), payload), zmq.NOBLOCK)

    @property
    def context(self) -> "zmq.Context[zmq.Socket[bytes]]":
        """Return the context of this process, for sockets that share its threads; close them before the publisher."""
        return self.connect().context

    def status_sender(self, endpoint: str) -> StatusSender:
        """Return a sender of status that shares this context and its threads; close it before the publisher."""
        return StatusSender(endpoint, self.context)

    def close(self) -> None:
        """Send what is queued, for a moment at most, and close."""
        if self._socket is not None and self._context is not None:
            self._socket.close()
            self._context.term()
            self._socket = self._context = None
