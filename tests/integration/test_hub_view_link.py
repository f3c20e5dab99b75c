"""The console's link against a real hub: holes, silence, restarts, several clients, and what it says meanwhile."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq
import zmq.asyncio

from observer_core.bus.request import new_request_id
from observer_core.bus.view_link import VIEW_TOPIC, LinkState, ViewLink
from observer_core.clock import NS_PER_S
from observer_core.errors import LinkError
from observer_core.messages import encode
from observer_core.paths import Paths
from observer_core.questions import AcquireLease, Answer, GetView, Hello, decode_question
from observer_core.view import Delta, SystemView, apply, decode_delta, follows
from tests.fixtures.hub import CLOCK, HubProcess, process_report, short_directory, tree_of
from tests.fixtures.patience import PATIENCE_S, slowness

pytestmark = pytest.mark.integration


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as found:
        yield found


async def until(true: Callable[[], object], what: str, deadline_s: float = PATIENCE_S) -> None:
    end_ns = CLOCK.monotonic_ns() + int(deadline_s * NS_PER_S)
    while not true():
        assert CLOCK.monotonic_ns() < end_ns, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def following(paths: Paths) -> Any:
    link = ViewLink(paths, CLOCK, client="test", operator="lee")
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_a_link_follows_deltas_without_fetching_again(directory: Path) -> None:
    async def follow(hub: HubProcess) -> None:
        async with following(hub.paths) as link:
            await until(lambda: link.status.state is LinkState.LIVE, "the first view")
            hub.tell(tree_of(process_report("swing-0")))
            await until(lambda: link.view.supervisor_pid is not None, "the tree")
            fetched = link.refetched_total
            for restarts in range(1, 4):
                hub.tell(tree_of(process_report("swing-0", restarts=restarts)))
                await until(lambda: link.view.processes[0].restarts == restarts, "the new row")  # noqa: B023
            assert link.refetched_total == fetched
            await until(lambda: link.age_s() < 2.0, "a delta that has just come is young")
            await until(lambda: link.view.viewers == 1, "this viewer is counted")
            asked = await link.ask(GetView(request_id=new_request_id()))
            assert _rows(asked.view) == _rows(link.view)

    with HubProcess(directory) as hub:
        asyncio.run(follow(hub))
        hub.view_when(lambda view: view.viewers == 0, "a viewer that left is no longer counted")


def test_two_clients_see_the_same_and_one_lease_is_the_askers_only(directory: Path) -> None:
    async def follow(hub: HubProcess) -> None:
        async with following(hub.paths) as one, following(hub.paths) as two:
            await until(lambda: one.view and two.view, "both views")
            answer = await one.ask(AcquireLease(request_id=new_request_id(), operator="lee", reason="watch"))
            assert answer.lease is not None
            for link in (one, two):
                await until(lambda: link.view.leases and link.view.viewers == 2, "the lease is shown to all")  # noqa: B023
            assert one.view.leases == two.view.leases == (answer.lease,)

    with HubProcess(directory) as hub:
        asyncio.run(follow(hub))


def test_a_restarted_hub_is_found_again_and_the_old_view_stays_meanwhile(directory: Path) -> None:
    async def follow() -> None:
        with HubProcess(directory) as hub:
            paths = hub.paths
            async with following(paths) as link:
                await until(lambda: link.status.state is LinkState.LIVE, "the first view")
                before = link.view
                await asyncio.to_thread(hub.kill)
                await until(lambda: link.status.state is LinkState.DOWN, "the death is noticed")
                assert "the hub is down" in link.status.reason
                assert link.view.hub_epoch == before.hub_epoch
                with pytest.raises(LinkError, match="nobody listens"):
                    await link.ask(GetView(request_id="1"))
                second = HubProcess(directory)
                second.start()
                try:
                    await until(lambda: link.status.state is LinkState.LIVE, "the new hub is found")
                    assert link.view.hub_epoch != before.hub_epoch
                finally:
                    await asyncio.to_thread(second.kill)

    asyncio.run(follow())


def test_a_hanging_hub_makes_the_link_stale_and_its_return_makes_it_live(directory: Path) -> None:
    async def follow(hub: HubProcess) -> None:
        async with following(hub.paths) as link:
            await until(lambda: link.status.state is LinkState.LIVE, "the first view")
            os.kill(hub.process.pid, signal.SIGSTOP)
            try:
                await until(lambda: link.status.state is LinkState.STALE, "the silence is noticed")
                assert link.age_s() >= 1.9
            finally:
                os.kill(hub.process.pid, signal.SIGCONT)
            await until(lambda: link.status.state is LinkState.LIVE, "life is noticed")

    with HubProcess(directory) as hub:
        asyncio.run(follow(hub))


def test_nobody_there_is_down_with_a_reason(directory: Path) -> None:
    async def follow() -> None:
        async with following(HubProcess(directory).paths) as link:
            await until(lambda: link.status.state is LinkState.DOWN, "the missing socket is said")
            assert "start observer-supervisor" in link.status.reason
            assert link.view is None
            assert link.age_s() is None

    asyncio.run(follow())


class ScriptedHub:
    """The hub's three sockets in this process, so that a test can leave deltas out."""

    def __init__(self, paths: Paths, view: SystemView) -> None:
        paths.run.mkdir()
        self._context = zmq.asyncio.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.bind(paths.viewer_endpoint)
        self._publish = self._context.socket(zmq.XPUB)
        self._publish.bind(paths.publish_endpoint)
        self.view = view
        self.fetches = 0
        self.on_wire: Callable[[bytes], bytes] = lambda raw: raw
        """What another version makes of an answer or a delta."""

    async def answer(self) -> None:
        while True:
            identity, raw = await self._router.recv_multipart()
            question = decode_question(raw)
            if isinstance(question, Hello):
                answer = Answer(request_id=question.request_id)
            else:
                self.fetches += 1
                answer = Answer(request_id=question.request_id, view=self.view)
            await self._router.send_multipart([identity, self.on_wire(encode(answer))])

    async def subscribed(self) -> None:
        assert await self._publish.recv() == b"\x01" + VIEW_TOPIC

    async def publish(self, delta: Delta, *, lost: bool = False) -> None:
        self.view = apply(self.view, delta)
        if not lost:
            await self._publish.send_multipart([VIEW_TOPIC, self.on_wire(encode(delta))])

    def next(self, viewers: int, age_s: float = 0.0) -> Delta:
        return Delta(
            seq=self.view.seq + 1,
            as_of_ns=CLOCK.now_ns() - int(age_s * NS_PER_S),
            hub_epoch=self.view.hub_epoch,
            viewers=viewers,
        )

    def close(self) -> None:
        self._context.destroy(linger=0)


def _scripted(directory: Path, play: Callable[[ScriptedHub, ViewLink], Coroutine[Any, Any, None]]) -> None:
    with HubProcess(directory) as hub:
        view = hub.view()

    async def perform() -> None:
        with short_directory() as place:
            paths = HubProcess(place).paths
            scripted = ScriptedHub(paths, view)
            answering = asyncio.create_task(scripted.answer())
            try:
                async with following(paths) as link:
                    await scripted.subscribed()
                    await until(lambda: link.view is not None, "the first view")
                    await play(scripted, link)
            finally:
                answering.cancel()
                with suppress(asyncio.CancelledError):
                    await answering
                scripted.close()

    asyncio.run(perform())


def test_a_hole_makes_the_link_fetch_the_view(directory: Path) -> None:
    async def play(hub: ScriptedHub, link: ViewLink) -> None:
        await hub.publish(hub.next(1))
        await until(lambda: link.view == hub.view, "the next delta is applied")
        assert hub.fetches == 1
        await hub.publish(hub.next(2), lost=True)
        await hub.publish(hub.next(3))
        await until(lambda: link.view == hub.view, "the view is fetched again")
        assert hub.fetches == 2
        assert link.refetched_total == 2

    _scripted(directory, play)


def test_old_deltas_are_never_shown_as_live(directory: Path) -> None:
    async def play(hub: ScriptedHub, link: ViewLink) -> None:
        for viewers in (5, 6, 7):
            await hub.publish(hub.next(viewers, age_s=60.0))
        await until(lambda: hub.fetches >= 2, "old deltas are not believed")
        await until(lambda: link.view == hub.view, "the fetched view is shown")

    _scripted(directory, play)


def _viewers(link: ViewLink) -> int | None:
    return None if link.view is None else link.view.viewers


def _seq(link: ViewLink) -> int | None:
    return None if link.view is None else link.view.seq


def _changed(raw: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    message = msgspec.msgpack.decode(raw)
    change(message)
    return msgspec.msgpack.encode(message)


def test_a_newer_minor_version_is_followed_and_what_is_new_in_it_skipped(directory: Path) -> None:
    def newer(message: dict[str, Any]) -> None:
        message["invented"] = [1, {"two": 3}]
        if "protocol" in message:
            message["protocol"] = [1, 99]
        for row in (message.get("view") or message).get("processes") or ():
            row["mood"] = "fine"

    async def play(hub: ScriptedHub, link: ViewLink) -> None:
        hub.on_wire = lambda raw: _changed(raw, newer)
        fetched = hub.fetches
        await hub.publish(hub.next(2), lost=True)
        await hub.publish(hub.next(3))
        await until(lambda: link.view == hub.view and hub.fetches == fetched + 1, "the newer hub's view is taken")
        await hub.publish(hub.next(4))
        await until(lambda: _viewers(link) == 4, "the newer hub's delta is applied")
        assert hub.fetches == fetched + 1
        assert link.status.state is LinkState.LIVE

    _scripted(directory, play)


def test_an_older_minor_version_is_followed_and_what_it_lacks_has_its_default(directory: Path) -> None:
    def older(message: dict[str, Any]) -> None:
        view = message.get("view") or message
        for name in ("leases", "viewers"):
            view.pop(name, None)
        for row in (*(view.get("disk") or ()), *(view.get("processes") or ())):
            row.pop("level", None)
            row.pop("deaths", None)

    async def play(hub: ScriptedHub, link: ViewLink) -> None:
        hub.on_wire = lambda raw: _changed(raw, older)
        fetched = hub.fetches
        await hub.publish(hub.next(2), lost=True)
        await hub.publish(hub.next(3))
        await until(lambda: hub.fetches == fetched + 1 and _seq(link) == hub.view.seq, "the older view is taken")
        assert _viewers(link) == 0
        assert link.status.state is LinkState.LIVE

    _scripted(directory, play)


def test_another_major_version_is_said_and_its_return_is_noticed(directory: Path) -> None:
    def other(message: dict[str, Any]) -> None:
        message["protocol"] = [2, 0]

    async def play(hub: ScriptedHub, link: ViewLink) -> None:
        before = link.view
        hub.on_wire = lambda raw: _changed(raw, other)
        await hub.publish(hub.next(2), lost=True)
        await hub.publish(hub.next(3))
        await until(lambda: link.status.state is LinkState.SKEW, "the other version is said")
        assert link.status.reason == "the hub speaks protocol 2, this program 1: install the same version"
        assert link.view is before
        hub.on_wire = lambda raw: raw
        await until(lambda: link.status.state is LinkState.LIVE, "the right version is back")

    _scripted(directory, play)


def test_a_killed_hub_is_said_at_once_not_after_its_silence(directory: Path) -> None:
    async def follow(hub: HubProcess) -> None:
        async with following(hub.paths) as link:
            await until(lambda: link.view is not None and link.view.seq > 1, "deltas come")
            os.kill(hub.process.pid, signal.SIGKILL)
            begun_ns = CLOCK.monotonic_ns()
            await until(lambda: link.status.state is LinkState.DOWN, "the death is noticed")
            # Silence alone would need two seconds.
            assert CLOCK.monotonic_ns() - begun_ns < NS_PER_S * slowness()

    with HubProcess(directory) as hub:
        asyncio.run(follow(hub))


def test_every_delta_of_a_hub_leads_from_its_view_to_its_next_view(directory: Path) -> None:
    """The contract of deltas, by another path than the link: plain sockets and `apply`."""
    context = zmq.Context()
    deltas = context.socket(zmq.SUB)
    deltas.setsockopt(zmq.SUBSCRIBE, VIEW_TOPIC)
    try:
        with HubProcess(directory) as hub:
            deltas.connect(hub.paths.publish_endpoint)
            hub.tell(tree_of(process_report("swing-0")))
            assert deltas.poll(int(PATIENCE_S * 1_000))
            view = hub.view_when(lambda view: view.supervisor_pid is not None, "the tree")
            while view.seq < hub.view().seq + 4 and deltas.poll(int(PATIENCE_S * 1_000)):
                delta = decode_delta(deltas.recv_multipart()[1])
                if delta.seq <= view.seq:
                    continue
                assert follows(view, delta)
                view = apply(view, delta)
                hub.tell(tree_of(process_report("swing-0", restarts=delta.seq)))
                fetched = hub.view()
                if fetched.seq == view.seq:
                    assert fetched == view
                if delta.seq > 8:
                    break
            assert view.seq > 8
    finally:
        deltas.close(linger=0)
        context.term()


def _rows(view: SystemView | None) -> list[tuple[str, int]]:
    assert view is not None
    return [(row.name, row.restarts) for row in view.processes]
