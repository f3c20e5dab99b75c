"""What the hub knows of the tick slots: the newest word of every streaming shard, put together for the view. Pure.

Separate from the fold because slots are told at a pace of their own, and rows of several shards make one part.
"""

from observer_core.clock import NS_PER_S
from observer_core.slot_messages import OVERFLOW_SHOWN, SlotStatus
from observer_core.view import SlotView

SENT_EVERY_NS = NS_PER_S
"""The part is large and changes with every trade: it is sent no more often than this."""


class SlotBoard:
    """The slots of every streaming shard as it last told them."""

    def __init__(self) -> None:
        self._told: dict[str, SlotStatus] = {}
        self._sent_ns = 0

    def add(self, status: SlotStatus) -> None:
        """Take what a shard says; one that was overtaken is dropped."""
        known = self._told.get(status.name)
        if known is None or status.pid != known.pid or status.status_seq > known.status_seq:
            self._told[status.name] = status

    def forget(self, name: str) -> None:
        """Drop a shard that is not among the processes any more."""
        self._told.pop(name, None)

    def take_changed(self) -> SlotView | None:
        """Return the part if a shard told something new since it was last taken, long enough ago."""
        newest_ns = max((status.as_of_ns for status in self._told.values()), default=0)
        if not newest_ns or abs(newest_ns - self._sent_ns) < SENT_EVERY_NS:
            return None
        self._sent_ns = newest_ns
        return slot_view(tuple(self._told.values()))


def slot_view(told: tuple[SlotStatus, ...]) -> SlotView | None:
    """Return the slots of all shards together; None when none has told."""
    if not told:
        return None
    worst = max(told, key=lambda status: status.mitigation_level)
    losers = [row for status in told for row in status.newest_overflow]
    return SlotView(
        slots=tuple(sorted((row for status in told for row in status.slots), key=lambda row: (row.appkey, row.slot))),
        capacity=sum(status.capacity for status in told),
        candidates_total=sum(status.candidates_total for status in told),
        overflow_total=sum(status.overflow_total for status in told),
        newest_overflow=tuple(sorted(losers, key=lambda row: -row.at_ns)[:OVERFLOW_SHOWN]),
        mitigation_level=worst.mitigation_level,
        mitigation_reason=worst.mitigation_reason,
        as_of_ns=min(status.as_of_ns for status in told),
    )
