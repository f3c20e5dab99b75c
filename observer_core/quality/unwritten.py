"""What a shard still owes its journal while that takes nothing: gap records and a few events, in bounded memory. Pure.

A full disk may last for hours while streams are cut and symbols come and go. A gap is kept once, in its newest form;
gaps that began and ended unwritten are merged beyond a limit: the record then covers a little more, never less.
"""

from collections import Counter, deque
from collections.abc import Iterable

from msgspec.structs import replace

from observer_core.messages import Event, Gap, Record

ENDED_LIMIT = 200
"""So many gaps that both began and ended unwritten are kept apart."""
EVENTS_LIMIT = 50


class Unwritten:
    """The records that go before any other as soon as the journal takes one."""

    def __init__(self) -> None:
        self._gaps: dict[str, Gap] = {}
        self._born_here: set[str] = set()
        """Gaps of which the journal has not even the beginning: only these may lose their identity."""
        self._events: deque[Event] = deque(maxlen=EVENTS_LIMIT)
        self._left_out: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many records are owed."""
        return len(self._gaps) + len(self._events) + len(self._left_out)

    @property
    def left_out(self) -> str:
        """Return how many records were not kept, by kind; "" for none."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self._left_out.items()))

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Return the gap records that are owed."""
        return tuple(self._gaps.values())

    def add(self, records: Iterable[Record]) -> None:
        """Owe gap records and events; other records are not for keeping and only counted."""
        for record in records:
            if isinstance(record, Event):
                self._left_out.update(["event"] * (len(self._events) == EVENTS_LIMIT))
                self._events.append(record)
            elif isinstance(record, Gap):
                if record.until_ns is None and record.gap_id not in self._gaps:
                    self._born_here.add(record.gap_id)
                self._gaps[record.gap_id] = record
            else:
                self._left_out[type(record).__name__.lower()] += 1
        ended = [gap for gap_id, gap in self._gaps.items() if gap.until_ns is not None and gap_id in self._born_here]
        if len(ended) > ENDED_LIMIT:
            self._merge(ended)

    def records(self) -> tuple[Record, ...]:
        """Return what is owed, in the order in which it came up."""
        return (*self._gaps.values(), *self._events)

    def clear(self) -> None:
        """Owe nothing any more."""
        self._gaps.clear()
        self._born_here.clear()
        self._events.clear()
        self._left_out.clear()

    def _merge(self, ended: list[Gap]) -> None:
        first = ended[0]
        merged = replace(
            first,
            symbols=tuple(sorted({symbol for gap in ended for symbol in gap.symbols})),
            from_ns=min(gap.from_ns for gap in ended),
            until_ns=max(gap.until_ns or 0 for gap in ended),
            opened_ns=min(gap.opened_ns for gap in ended),
            detail="several gaps in one, because the journal took no record",
        )
        for gap in ended:
            del self._gaps[gap.gap_id]
            self._born_here.discard(gap.gap_id)
        self._gaps = {merged.gap_id: merged, **self._gaps}
        self._born_here.add(merged.gap_id)
