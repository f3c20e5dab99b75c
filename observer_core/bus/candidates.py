"""Candidates on their way from the sweeping shards to the streaming ones. What is dropped here is a chance, not data.

The streaming shard binds and every sweeping shard connects to all of them, so that either side comes and goes alone.
"""

import logging
from collections.abc import Sequence

import zmq

from observer_core.bus.subscriber import bind_private
from observer_core.errors import LinkError, MalformedMessage
from observer_core.messages import decode_candidates, encode
from observer_core.slot_messages import Candidate, Candidates

logger = logging.getLogger(__name__)

QUEUE_MESSAGES = 1000
"""High-water mark of either side; each message holds what one sweep call or less proposed."""


class CandidateSender:
    """A PUB socket connected to every streaming shard; owned by one thread."""

    def __init__(self, source: str, endpoints: Sequence[str], context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        """Connect, in the process's context; a shard that is not there yet is tried again."""
        self._source = source
        self._socket = context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, QUEUE_MESSAGES)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 50)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        for endpoint in endpoints:
            self._socket.connect(endpoint)

    def send(self, candidates: Sequence[Candidate]) -> None:
        """Propose; never waits."""
        self._socket.send(encode(Candidates(source=self._source, candidates=tuple(candidates))), zmq.NOBLOCK)

    def close(self) -> None:
        """Close; what is queued is dropped."""
        self._socket.close()


class CandidateReceiver:
    """A SUB socket that sweeping shards connect to; owned by one thread, and by one process at a time."""

    def __init__(self, endpoint: str, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        """Bind, owner-only, in the process's context; the caller holds the shard's lock.

        Raises:
            LinkError: the endpoint cannot be bound.
        """
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, QUEUE_MESSAGES)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        try:
            bind_private(self._socket, endpoint)
        except LinkError:
            self.close()
            raise

    def drain(self, limit: int) -> list[Candidate]:
        """Return what has arrived, at most about `limit`; never waits."""
        found: list[Candidate] = []
        while len(found) < limit:
            try:
                found += decode_candidates(self._socket.recv(zmq.NOBLOCK)).candidates
            except zmq.Again:
                break
            except MalformedMessage as error:
                logger.warning("candidates not understood", extra={"reason": error.reason})
        return found

    def close(self) -> None:
        """Close; what was not taken is dropped."""
        self._socket.close()
