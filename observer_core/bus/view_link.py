"""Following the hub's view for as long as a console runs (the Clone pattern of the ZeroMQ guide, chapter 5).

Subscribe first, fetch the view, apply the deltas that follow; on a hole, on old deltas or on 2 s of silence fetch
again; reconnect for ever. Separate from `request`, which serves one-shot scripts synchronously.
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import zmq
import zmq.asyncio

from observer_core.bus.request import (
    HEARTBEAT_MS,
    HEARTBEAT_TIMEOUT_MS,
    checked_answer,
    new_request_id,
    probe,
    set_link_options,
    silence_text,
)
from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import LinkError, MalformedMessage, VersionMismatch
from observer_core.messages import encode
from observer_core.paths import Paths
from observer_core.questions import (
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    AcquireLease,
    Answer,
    Command,
    GetView,
    Hello,
    Question,
)
from observer_core.view import Delta, SystemView, apply, decode_delta, follows

logger = logging.getLogger(__name__)

VIEW_TOPIC = b"view"
"""Topic of the deltas on the hub's publishing socket."""

SILENCE_S = 2.0
"""A view that nothing confirmed for so long is stale: the hub sends at least one delta a second."""

_RETRY_FIRST_S = 0.1
_RETRY_LONGEST_S = 0.5
"""A hub that is back is seen within a second; looking costs one connect to a local socket."""


class LinkState(StrEnum):
    """How far the latest view can be believed."""

    CONNECTING = "connecting"
    """No view yet."""
    LIVE = "live"
    STALE = "stale"
    """Connected, but silent for more than `SILENCE_S`."""
    DOWN = "down"
    """Nobody listens, or this user may not connect."""
    SKEW = "skew"
    """The hub speaks another protocol: this program must be the hub's version."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """State of the link, why, and since when (wall clock)."""

    state: LinkState
    reason: str
    since_ns: int


class ViewLink:
    """One console's link to the hub: run `run()` as a task, read `view`, `status` and `age_s()`.

    `changed` is set whenever view or status changed; whoever waits for it clears it.
    """

    def __init__(self, paths: Paths, clock: Clock, *, client: str, operator: str = "") -> None:
        self._paths = paths
        self._clock = clock
        self._client = client
        self._operator = operator
        self._context: zmq.asyncio.Context | None = None
        self._viewer = _Asker(paths.viewer_endpoint)
        self._orders = _Asker(paths.operator_endpoint)
        self._confirmed_ns: int | None = None
        self._retry_s = _RETRY_FIRST_S
        self.view: SystemView | None = None
        self.status = LinkStatus(LinkState.CONNECTING, "not connected yet", clock.now_ns())
        self.changed = asyncio.Event()
        self.refetched_total = 0
        """How often the whole view was fetched; more than once means holes, silence or reconnects."""

    def age_s(self) -> float | None:
        """Return the seconds since the hub last confirmed the view; None before the first."""
        if self._confirmed_ns is None:
            return None
        return (self._clock.monotonic_ns() - self._confirmed_ns) / NS_PER_S

    async def ask(self, question: Question, *, timeout_s: float = SILENCE_S) -> Answer:
        """Ask the hub; commands and leases go to the operators' socket, everything else to the viewers'.

        Raises:
            LinkError: nobody listens, this user may not ask, or no answer came in time; says what to do.
        """
        asker = self._orders if isinstance(question, Command | AcquireLease) else self._viewer
        return await asker.ask(self._zmq(), question, timeout_s)

    async def run(self) -> None:
        """Follow the view until cancelled; the last view stays readable whatever happens to the hub."""
        try:
            while True:
                try:
                    await self._session()
                except VersionMismatch as error:
                    self._set(LinkState.SKEW, str(error))
                except LinkError as error:
                    self._lost(str(error))
                await asyncio.sleep(self._retry_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
                self._retry_s = min(self._retry_s * 2, _RETRY_LONGEST_S)
        finally:
            self.close()

    def close(self) -> None:
        """Close every socket; `run` does it when it is cancelled."""
        self._viewer.close()
        self._orders.close()
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None

    def _zmq(self) -> zmq.asyncio.Context:
        if self._context is None:
            self._context = zmq.asyncio.Context()
        return self._context

    async def _session(self) -> None:
        """Connect, then follow until the link breaks; ends with `LinkError` only."""
        probe(self._paths.viewer_endpoint)
        deltas = self._zmq().socket(zmq.SUB)
        try:
            deltas.setsockopt(zmq.LINGER, 0)
            deltas.setsockopt(zmq.RCVHWM, 64)
            deltas.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
            deltas.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
            deltas.setsockopt(zmq.SUBSCRIBE, VIEW_TOPIC)
            # The kernel tells a dead hub's end at once; only a hung one has to be waited for.
            ended = deltas.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            deltas.connect(self._paths.publish_endpoint)
            await self._greet()
            await self._fetch()
            news = zmq.asyncio.Poller()
            news.register(deltas, zmq.POLLIN)
            news.register(ended, zmq.POLLIN)
            while True:
                await self._follow(deltas, {one for one, _ in await news.poll(int(SILENCE_S * 1000))})
        finally:
            deltas.disable_monitor()
            deltas.close(linger=0)
            # A socket that lost its peer waits longer and longer before it looks again: the next one looks at once.
            self._viewer.close()

    async def _greet(self) -> None:
        hello = Hello(
            request_id=new_request_id(),
            protocol=(PROTOCOL_MAJOR, PROTOCOL_MINOR),
            client=self._client,
            operator=self._operator,
        )
        answer = await self.ask(hello)
        if answer.error is not None:
            raise VersionMismatch(answer.error)

    async def _fetch(self) -> None:
        answer = await self.ask(GetView(request_id=new_request_id()))
        if answer.view is None:
            raise LinkError(answer.error or "the hub answered without a view")
        self.refetched_total += 1
        self._confirm(answer.view)

    async def _follow(self, deltas: zmq.asyncio.Socket, ready: set[Any]) -> None:
        """Take one delta, or notice the silence or the end."""
        if ready and deltas not in ready:
            raise LinkError("the hub ended its link")
        if not ready:
            self._set(LinkState.STALE, f"no word from the hub for {SILENCE_S:g} s")
            probe(self._paths.viewer_endpoint)
            await self._fetch()
            return
        delta = _decoded(await deltas.recv_multipart())
        view = self.view
        if delta is None or view is None:
            await self._fetch()
        elif self._clock.now_ns() - delta.as_of_ns > SILENCE_S * NS_PER_S:
            # This console slept: whatever else is queued is as old.
            await _drain(deltas)
            await self._fetch()
        elif follows(view, delta):
            self._confirm(apply(view, delta))
        elif delta.hub_epoch != view.hub_epoch or delta.seq > view.seq:
            await _drain(deltas)
            await self._fetch()

    def _confirm(self, view: SystemView) -> None:
        self.view = view
        self._confirmed_ns = self._clock.monotonic_ns()
        self._retry_s = _RETRY_FIRST_S
        self._set(LinkState.LIVE, "")
        self.changed.set()

    def _lost(self, reason: str) -> None:
        """Say why there is no news: the hub is gone, or it is there and does not answer."""
        try:
            probe(self._paths.viewer_endpoint)
        except LinkError as error:
            self._set(LinkState.DOWN, str(error))
            return
        self._set(LinkState.CONNECTING if self.view is None else LinkState.STALE, reason)

    def _set(self, state: LinkState, reason: str) -> None:
        if (state, reason) == (self.status.state, self.status.reason):
            return
        same = state == self.status.state
        self.status = LinkStatus(state, reason, self.status.since_ns if same else self._clock.now_ns())
        self.changed.set()
        if not same:
            logger.info("link changed", extra={"state": state.value, "reason": reason})


class _Asker:
    """One question at a time on one DEALER socket, connected when first needed."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._link: zmq.asyncio.Socket | None = None
        self._turn = asyncio.Lock()

    def close(self) -> None:
        if self._link is not None:
            self._link.close(linger=0)
            self._link = None

    async def ask(self, context: zmq.asyncio.Context, question: Question, timeout_s: float) -> Answer:
        async with self._turn:
            # Each time: a hub that went away is then said so at once, not after the deadline.
            probe(self._endpoint)
            if self._link is None:
                self._link = context.socket(zmq.DEALER)
                set_link_options(self._link)
                self._link.connect(self._endpoint)
            link = self._link
            try:
                async with asyncio.timeout(timeout_s):
                    await link.send(encode(question))
                    while True:
                        answer = checked_answer(await link.recv(), question.request_id)
                        if answer is not None:
                            return answer
            except TimeoutError as error:
                # A queued question must not reach the hub later, when nobody waits for it any more.
                self.close()
                raise LinkError(silence_text(self._endpoint, timeout_s)) from error
            except zmq.ZMQError as error:
                self.close()
                raise LinkError(f"the link to the hub was closed: {error}") from error


def _decoded(frames: list[bytes]) -> Delta | None:
    try:
        return decode_delta(frames[-1])
    except MalformedMessage as error:
        logger.warning("delta cannot be read", extra={"reason": error.reason})
        return None


async def _drain(deltas: zmq.asyncio.Socket) -> None:
    """Drop what is queued: the view that is fetched next is newer."""
    while await deltas.poll(0):
        await deltas.recv_multipart()
