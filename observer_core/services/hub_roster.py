"""Who is collected, with names and pins, from the files of the universe and the assignment.

Separate from `hub_symbols`, which folds the stream: this one reads files, only when they changed, in a thread.
"""

from typing import NamedTuple

from observer_core.details import SYMBOLS_LIMIT, SymbolList
from observer_core.paths import Paths
from observer_core.services.assignment import Assignment, AssignmentWatch
from observer_core.services.universe_files import newest_universe, read_pins

_NO_OWNER = 255


class Roster(NamedTuple):
    """The collected symbols in the order of the columns: by sweeping shard, then by code."""

    version: str
    listing: SymbolList
    boards: dict[str, str]
    streamed: dict[str, str]
    """Symbol → streaming shard, as assigned."""
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

    def current(self) -> Roster:
        """Return the roster in force; one `stat` while nothing changed."""
        assignment = self._watch.changed()
        if assignment is not None:
            self._roster = _read(self._paths, assignment)
        return self._roster


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
        streamed={code: shard for shard, symbols in assignment.scalp.items() for code in symbols},
        pinned=frozenset(pins if universe is None else pins | set(universe.rules.pins)),
    )
