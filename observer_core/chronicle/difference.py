"""The delta that leads from one view to a later one: the inverse of `observer_core.view.apply`. Pure.

Separate from the hub's own deltas, which go out four times a second and are not kept: here any two views are compared.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from observer_core.messages import Event
from observer_core.tree_messages import TicketUpdate
from observer_core.view import EVENTS_KEPT, Delta, ProcessRow, SystemView, WriterRow, apply

_Row = TypeVar("_Row")

_PARTS = tuple(field.name for field in msgspec.structs.fields(Delta) if field.default is None)
"""Parts of a delta that are told whole, or not at all."""
_name: Callable[[ProcessRow | WriterRow], str] = attrgetter("name")
_ticket: Callable[[TicketUpdate], str] = attrgetter("ticket")


def difference(before: SystemView, after: SystemView) -> Delta | None:
    """Return the delta from `before` to `after`; None where no delta leads there and the whole view must be told."""
    former = {row.name for row in before.processes}
    delta = Delta(
        seq=after.seq,
        as_of_ns=after.as_of_ns,
        hub_epoch=after.hub_epoch,
        processes=_changed(before.processes, after.processes, _name),
        processes_gone=tuple(sorted(former - {row.name for row in after.processes})),
        writers=_changed(before.writers, after.writers, _name),
        events=_later(before.events, after.events),
        tickets=_changed(before.tickets, after.tickets, _ticket),
        **{part: _news(getattr(before, part), getattr(after, part)) for part in _PARTS},
    )
    # Whatever a delta cannot say (another hub, rows in another order, a part that went) shows here.
    return delta if apply(before, delta) == after else None


def _changed(before: Iterable[_Row], after: Iterable[_Row], name: Callable[[_Row], str]) -> tuple[_Row, ...]:
    """Return the rows that are new or differ."""
    former = {name(row): row for row in before}
    return tuple(row for row in after if former.get(name(row)) != row)


def _news(before: object, after: object) -> Any:
    return None if after is before or after == before else after


def _later(before: tuple[Event, ...], after: tuple[Event, ...]) -> tuple[Event, ...]:
    """Return what was appended to the log; nothing where the log is not a continuation."""
    if before == after:
        return ()
    for added in range(1, len(after) + 1):
        kept = len(after) - added
        # The log is cut at its front only when it is full.
        if (kept == len(before) or len(after) == EVENTS_KEPT) and after[:kept] == before[len(before) - kept :]:
            return after[kept:]
    return ()
