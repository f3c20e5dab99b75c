"""Asking the hub from a script: one question, one answer, a deadline, and an error that says what to do.

Synchronous and separate from `view_link`, which follows the view for as long as a console runs. Nothing here is
ever sent twice: who does not know what became of a command asks with `GetTicket`.
"""

import errno
import os
import socket
from types import TracebackType
from typing import Any

import zmq

from observer_core.clock import NS_PER_MS, NS_PER_S, Clock
from observer_core.errors import LinkError, MalformedMessage, VersionMismatch
from observer_core.messages import encode
from observer_core.paths import socket_path
from observer_core.questions import PROTOCOL_MAJOR, Answer, Question, decode_answer

HEARTBEAT_MS = 1_000
"""How often a link asks whether its peer still lives (ZMTP PING)."""

HEARTBEAT_TIMEOUT_MS = 3_000
"""After this long without an answer the peer counts as gone."""

_PROBE_TIMEOUT_S = 0.5


def new_request_id() -> str:
    """Return a fresh identity for a question; for a command it is also the ticket."""
    return os.urandom(8).hex()


def probe(endpoint: str) -> None:
    """Check that something listens behind an ipc endpoint: ZeroMQ itself would wait in silence.

    Raises:
        LinkError: nothing listens there, or this user may not connect; the text says what to do.
    """
    path = socket_path(endpoint)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(_PROBE_TIMEOUT_S)
        try:
            attempt.connect(str(path))
        except OSError as error:
            raise LinkError(_explain(endpoint, error)) from error


def _explain(endpoint: str, error: OSError) -> str:
    path = socket_path(endpoint)
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"no socket at {path}: start observer-supervisor, or set OBSERVER_RUN_DIR to its run directory"
    if error.errno == errno.ECONNREFUSED:
        return f"nobody listens at {path}: the hub is down; the supervisor starts it again, else see its log"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"permission denied at {path}: become a member of its group (ls -l), or run as its owner"
    return f"{path} does not answer: {error.strerror or error}"


def silence_text(endpoint: str, timeout_s: float) -> str:
    """Return what to say when the hub has not answered within `timeout_s`."""
    return f"the hub at {socket_path(endpoint)} did not answer within {timeout_s:g} s: see the hub's log"


def set_link_options(link: "zmq.Socket[Any]") -> None:
    """Set what every asking socket needs: bounded queues, no lingering, heartbeats, quick reconnects."""
    link.setsockopt(zmq.LINGER, 0)
    link.setsockopt(zmq.SNDHWM, 16)
    link.setsockopt(zmq.RCVHWM, 16)
    link.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    link.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    link.setsockopt(zmq.RECONNECT_IVL, 100)
    link.setsockopt(zmq.RECONNECT_IVL_MAX, 2_000)


def checked_answer(raw: bytes, request_id: str) -> Answer | None:
    """Decode an answer; None when it belongs to another question (one that was given up).

    Raises:
        VersionMismatch: the hub speaks another protocol, or not ours at all.
    """
    try:
        answer = decode_answer(raw)
    except MalformedMessage as error:
        text = f"the hub's answer cannot be read ({error.reason}): install the hub's version here"
        raise VersionMismatch(text) from error
    if answer.protocol[0] != PROTOCOL_MAJOR:
        raise VersionMismatch(
            f"the hub speaks protocol {answer.protocol[0]}, this program {PROTOCOL_MAJOR}: install the same version"
        )
    return answer if answer.request_id == request_id else None


class Requester:
    """A synchronous link to one of the hub's question sockets; use it as a context manager."""

    def __init__(self, endpoint: str, clock: Clock, *, timeout_s: float = 2.0) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._timeout_s = timeout_s
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._link: zmq.Socket[bytes] | None = None

    def __enter__(self) -> "Requester":
        """Return the requester itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the link."""
        self.close()

    def close(self) -> None:
        """Close the link; what was not sent yet is dropped."""
        if self._link is not None:
            self._link.close(linger=0)
            self._link = None
        self._context.term()

    def ask(self, question: Question) -> Answer:
        """Send one question and return its answer, which may carry `error`.

        Raises:
            LinkError: nobody listens, this user may not ask, or no answer came in time; says what to do.
        """
        link = self._connected()
        link.send(encode(question))
        deadline_ns = self._clock.monotonic_ns() + int(self._timeout_s * NS_PER_S)
        while (left_ns := deadline_ns - self._clock.monotonic_ns()) > 0:
            if not link.poll(max(1, left_ns // NS_PER_MS)):
                continue
            answer = checked_answer(link.recv(), question.request_id)
            if answer is not None:
                return answer
        raise LinkError(silence_text(self._endpoint, self._timeout_s))

    def _connected(self) -> "zmq.Socket[bytes]":
        if self._link is None:
            probe(self._endpoint)
            link = self._context.socket(zmq.DEALER)
            set_link_options(link)
            link.connect(self._endpoint)
            self._link = link
        return self._link
