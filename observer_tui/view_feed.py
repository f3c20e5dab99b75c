"""The feed over the bus: adapts `ViewLink`, which follows the hub's view, to the console's port."""

import asyncio
import contextlib

from observer_core.bus.view_link import ViewLink
from observer_core.questions import Answer, Question
from observer_core.view import SystemView
from observer_tui.feed import LinkFacts, LinkState


class ViewFeed:
    """A feed that follows the hub of one run directory."""

    def __init__(self, link: ViewLink) -> None:
        self._link = link
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._link.run())

    async def close(self) -> None:
        """Stop following and close the sockets."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def view(self) -> SystemView | None:
        """The newest complete view."""
        return self._link.view

    @property
    def meters(self) -> None:
        """None: rates are counted as views come."""

    @property
    def link(self) -> LinkFacts:
        """The state of the link now."""
        status = self._link.status
        return LinkFacts(LinkState(status.state.value), status.reason, status.since_ns, self._link.age_s())

    async def wait_change(self) -> None:
        """Return when view or link changed."""
        await self._link.changed.wait()
        self._link.changed.clear()

    async def ask(self, question: Question) -> Answer:
        """Ask the hub once."""
        return await self._link.ask(question)

    async def reconnect(self) -> None:
        """Drop the sockets and follow anew."""
        await self.close()
        await self.start()
