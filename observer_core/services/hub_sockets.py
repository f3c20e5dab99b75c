"""The hub's sockets: where they are, who may connect, who is at the other end.

Separate because the roles live here: a socket's file mode is the permission, the kernel's word the identity. The
caller holds the hub's lock first: a second bind of an ipc path would steal it from its holder silently.
"""

import contextlib
import grp
import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from observer_core.bus.request import HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS
from observer_core.bus.subscriber import BatchSubscriber, bind_private
from observer_core.ids import SinkName
from observer_core.paths import Paths, socket_path
from observer_core.services.hub_leases import Peer

logger = logging.getLogger(__name__)

FEED = SinkName("hub")
"""Shards publish to the hub as to a writer; it picks gaps and events out of what passes."""

_QUESTION_LIMIT_BYTES = 64 * 1024
_VIEWER_QUEUE = 64
"""Deltas that wait for a slow viewer before it loses some and fetches the view again."""

_PEER_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Groups:
    """Names of the groups that may watch and that may give orders."""

    viewers: str
    operators: str


class HubSockets:
    """Every socket of the hub; opened and closed together."""

    def __init__(self, paths: Paths, groups: Groups) -> None:
        """Prepare the run directory and bind.

        Raises:
            LinkError: an endpoint cannot be bound.
        """
        prepare_run_directory(paths.run, groups.viewers)
        self._context = zmq.asyncio.Context()
        self._closing = contextlib.ExitStack()
        self._closing.callback(self._context.destroy, linger=0)
        try:
            self.feed = BatchSubscriber(paths.sink_endpoint(FEED))
            self._closing.callback(self.feed.close)
            # Status and subscriptions are drained at every turn: plain sockets, no wake-up per message.
            plain: zmq.Context[zmq.Socket[bytes]] = zmq.Context.shadow(self._context)
            # A shadow does not tell its original of its sockets: they are closed here, before the context ends.
            self.status = plain.socket(zmq.SUB)
            self._closing.callback(self.status.close, linger=0)
            self.status.setsockopt(zmq.RCVHWM, 1_000)
            self.status.setsockopt(zmq.SUBSCRIBE, b"")
            bind_private(self.status, paths.status_endpoint)
            self.publish = plain.socket(zmq.XPUB)
            self._closing.callback(self.publish.close, linger=0)
            self.publish.setsockopt(zmq.SNDHWM, _VIEWER_QUEUE)
            # Every subscription and its end is reported, also a viewer's that died: that is how they are counted.
            self.publish.setsockopt(zmq.XPUB_VERBOSER, 1)
            _set_heartbeats(self.publish)
            bind_for_group(self.publish, paths.publish_endpoint, groups.viewers)
            self.viewers = self._router(paths.viewer_endpoint, groups.viewers)
            self.operators = self._router(paths.operator_endpoint, groups.operators)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every socket; queued answers and deltas are dropped."""
        self._closing.close()

    def _router(self, endpoint: str, group: str) -> zmq.asyncio.Socket:
        router = self._context.socket(zmq.ROUTER)
        router.setsockopt(zmq.SNDHWM, _VIEWER_QUEUE)
        router.setsockopt(zmq.RCVHWM, _VIEWER_QUEUE)
        # Questions are small: whoever sends more is disconnected.
        router.setsockopt(zmq.MAXMSGSIZE, _QUESTION_LIMIT_BYTES)
        _set_heartbeats(router)
        bind_for_group(router, endpoint, group)
        return router


def _set_heartbeats(socket: "zmq.Socket[Any]") -> None:
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)


def bind_for_group(socket: "zmq.Socket[Any]", endpoint: str, group: str) -> None:
    """Bind an ipc endpoint for the owner and, where that group exists and is ours to give, for a group.

    Raises:
        LinkError: the endpoint cannot be bound.
    """
    bind_private(socket, endpoint)
    path = socket_path(endpoint)
    # Owner only until the group is right: there is no instant at which another group could connect.
    if _give_to_group(path, group):
        path.chmod(0o660)


def prepare_run_directory(directory: Path, group: str) -> None:
    """Make the run directory and close it to others; the viewers' group may enter it."""
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    facts = directory.stat()
    if facts.st_mode & stat.S_ISVTX or facts.st_uid != os.geteuid():
        logger.warning("run directory is shared, its mode is left alone", extra={"directory": str(directory)})
        return
    directory.chmod(0o750)
    _give_to_group(directory, group)


def _give_to_group(path: Path, group: str) -> bool:
    """Return whether the path now belongs to the group."""
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except KeyError:
        logger.info("group does not exist, owner only", extra={"path": str(path), "group": group})
        return False
    except OSError as error:
        logger.warning(
            "group not given, owner only", extra={"path": str(path), "group": group, "error": str(error.strerror)}
        )
        return False
    return True


def peer_of(frame: zmq.Frame) -> Peer | None:
    """Return who sent a frame as the kernel knows it ("name:uid:gid:pid" on ipc); None where it does not say."""
    try:
        text = frame.get("Peer-Address")
    except zmq.ZMQError:
        return None
    parts = str(text).split(":")
    if len(parts) != _PEER_FIELDS or not all(part.isdigit() for part in parts[1:]):
        return None
    return Peer(*map(int, parts[1:]))
