"""Sending status to the hub: cumulative figures, a few times a second; a lost one costs smoothness only.

What says the same as before goes out once a second, as a sign of life: most of the day nothing changes.
"""

import logging
import threading
from collections.abc import Callable

import zmq
from msgspec.structs import replace

from observer_core.clock import NS_PER_S
from observer_core.messages import ProcessStatus, StatusMessage, encode

logger = logging.getLogger(__name__)

_QUEUE_MESSAGES = 16
_SAME_AGAIN_NS = NS_PER_S


class StatusSender:
    """A PUB socket connected to the hub; owned by one thread."""

    def __init__(self, endpoint: str, context: "zmq.Context[zmq.Socket[bytes]] | None" = None) -> None:
        """Connect, in a context of its own unless one is given; a hub that is not there yet is tried again."""
        self._context = context or zmq.Context()
        self._context_is_own = context is None
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, _QUEUE_MESSAGES)
        self._socket.setsockopt(zmq.LINGER, 100)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 50)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        self._socket.connect(endpoint)
        self._sent: ProcessStatus | None = None

    def send(self, status: StatusMessage) -> None:
        """Send one status message, unless it says nothing new since less than a second; never waits."""
        if isinstance(status, ProcessStatus):
            if self._sent is not None and _says_the_same(self._sent, status):
                return
            self._sent = status
        self._socket.send(encode(status), zmq.NOBLOCK)

    def close(self) -> None:
        """Close; the last message gets a moment to leave."""
        self._socket.close()
        if self._context_is_own:
            self._context.term()


def _says_the_same(before: ProcessStatus, now: ProcessStatus) -> bool:
    if not 0 <= now.as_of_ns - before.as_of_ns < _SAME_AGAIN_NS:
        return False
    return replace(now, status_seq=before.status_seq, as_of_ns=before.as_of_ns) == before


class StatusReporter:
    """A thread that sends what `snapshot` returns, for processes whose own loop blocks on a sink.

    `snapshot` runs in that thread: it reads plain attributes and touches no file or socket.
    """

    def __init__(self, endpoint: str, interval_s: float, snapshot: Callable[[], StatusMessage]) -> None:
        self._endpoint = endpoint
        self._interval_s = interval_s
        self._snapshot = snapshot
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send once more, then end; waits for the thread."""
        self._stop.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        sender = StatusSender(self._endpoint)
        try:
            while True:
                stopping = self._stop.wait(self._interval_s)
                try:
                    sender.send(self._snapshot())
                except Exception:
                    # The edge of a thread whose death would only be noticed as silence.
                    logger.exception("status not sent")
                if stopping:
                    return
        finally:
            sender.close()
