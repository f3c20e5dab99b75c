"""Who is collected, with names and pins, from the files of the universe and the assignment.

Separate from `hub_symbols`, which folds the stream: this one reads files, only when they changed, in a thread.
"""

from typing import NamedTuple

from observer_core.details import SYMBOLS_LIMIT, SymbolList
from observer_core.paths import Paths
from observer_core.services.assignment import Assignment, AssignmentWatch
from observer_core.services.symbol_owners import streamed_symbols
from observer_core.services.universe_files import newest_universe, read_pins

_NO_OWNER = 255


class Roster(NamedTuple):
    """The collected symbols in the order of the columns: by sweeping shard, then by code."""

    version: str
    listing: SymbolList
    boards: dict[str, str]
    streamed: dict[str, str]
    """Symbol → streaming shard that it has a slot of."""
    pinned: frozenset[str]

    def owners_of(self, code: str) -> tuple[str, ...]:
        """Return who collects a symbol, the streaming shard first; none = it is not collected."""
        streaming = (self.streamed[code],) if code in self.streamed else ()
        if code not in self.boards:
            return streaming
        owner = self.listing.owners[self.listing.codes.index(code)]
        return (*streaming, self.listing.shards[owner]) if owner != _NO_OWNER else streaming

    def name_of(self, code: str) -> str:
        """Return a symbol's Korean name, "" when it is not known."""
        return self.listing.names[self.listing.codes.index(code)] if code in self.boards else ""


NOBODY = Roster("", SymbolList(codes=(), names=(), shards=(), owners=b""), {}, {}, frozenset())


class RosterFiles:
    """Reads the roster again when another assignment is in force. Blocks: call it in a thread."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._watch = AssignmentWatch(paths)
        self._roster = NOBODY
        self._assignment: Assignment | None = None
        self._slots_ns: tuple[int, ...] = ()

    def current(self) -> Roster:
        """Return the roster in force; a few `stat` while nothing changed."""
        assignment = self._watch.changed()
        if assignment is not None:
            self._roster, self._assignment = _read(self._paths, assignment), assignment
        elif self._assignment is not None and self._slots_changed():
            self._roster = self._roster._replace(streamed=_streamed(self._paths, self._assignment))
        return self._roster

    def _slots_changed(self) -> bool:
        before, self._slots_ns = self._slots_ns, self._slot_times()
        return self._slots_ns != before

    def _slot_times(self) -> tuple[int, ...]:
        files = [self._paths.slots(shard) for shard in (self._assignment.scalp if self._assignment else ())]
        return tuple(file.stat().st_mtime_ns for file in files if file.exists())


def _streamed(paths: Paths, assignment: Assignment) -> dict[str, str]:
    return {code: shard for shard in assignment.scalp for code in streamed_symbols(paths, assignment, shard)}


def _read(paths: Paths, assignment: Assignment) -> Roster:
    universe = newest_universe(paths)
    members = {} if universe is None else {member.code: member for member in universe.members}
    shards = tuple(sorted(assignment.swing, key=lambda shard: (len(shard), shard)))
    placed = [
        (code, place) for place, shard in enumerate(shards) for code in sorted(assignment.swing[shard])
    ][:SYMBOLS_LIMIT]  # fmt: skip
    codes = tuple(code for code, _ in placed)
    pins = {pin.symbol for pin in read_pins(paths)}
    return Roster(
        version=f"{assignment.day}.{assignment.version}",
        listing=SymbolList(
            codes=codes,
            names=tuple(members[code].name if code in members else "" for code in codes),
            shards=shards,
            owners=bytes(min(place, _NO_OWNER) for _, place in placed),
        ),
        boards={code: members[code].board if code in members else "" for code in codes},
        streamed=_streamed(paths, assignment),
        pinned=frozenset(pins if universe is None else pins | set(universe.rules.pins)),
    )
