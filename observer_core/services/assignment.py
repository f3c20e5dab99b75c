"""Who collects what: the file between maintenance, which writes it, and the shards, which read it.

It is replaced as a whole, so a reader sees the old or the new one.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from observer_core.ids import DayNumber, ShardName
from observer_core.journal.files import replace_durably
from observer_core.market.sharding import assign, deal, preferred
from observer_core.market.universe import Universe, hottest
from observer_core.market.universe_plan import Placements
from observer_core.paths import Paths

logger = logging.getLogger(__name__)


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """The symbols of every shard."""

    day: DayNumber
    version: int
    """Grows with every change."""
    swing: dict[ShardName, tuple[str, ...]]
    scalp: dict[ShardName, tuple[str, ...]]
    made_ns: int = 0
    """When this version was made (wall clock), 0 = not known."""
    moved: dict[ShardName, dict[ShardName, tuple[str, ...]]] = {}
    """What this version moved between sweeping shards: new owner → former owner → symbols."""
    scalp_slots: int = 0
    """Trade registrations of each streaming shard."""
    pins: tuple[str, ...] = ()
    """Symbols that an operator wants in the streams, whatever the triggers say."""

    def home_symbols(self, shard: ShardName) -> frozenset[str]:
        """Return the symbols that may hold a slot of a streaming shard: each symbol has one such shard.

        Its own choice of the universe, and of what no shard was dealt a part by hash.
        """
        dealt = {symbol: owner for owner, symbols in self.scalp.items() for symbol in symbols}
        sessions = tuple(self.scalp)
        swept = (symbol for symbols in self.swing.values() for symbol in symbols)
        return frozenset(
            symbol
            for symbol in (*dealt, *swept)
            if (dealt[symbol] if symbol in dealt else preferred(symbol, sessions)) == shard
        )

    @property
    def placements(self) -> Placements:
        """Return who collects what, for plans."""
        return Placements(self.swing, self.scalp)


class Collectors(NamedTuple):
    """The shards among which a universe is dealt out."""

    swing: tuple[ShardName, ...]
    scalp: tuple[ShardName, ...]
    slots: int
    """Trade registrations of each streaming shard."""


def moves(
    before: Mapping[ShardName, Sequence[str]], after: Mapping[ShardName, Sequence[str]]
) -> dict[ShardName, dict[ShardName, tuple[str, ...]]]:
    """Return new owner → former owner → symbols for every symbol that had another owner before."""
    owner = {symbol: shard for shard, symbols in before.items() for symbol in symbols}
    moved: dict[ShardName, dict[ShardName, tuple[str, ...]]] = {}
    for shard, symbols in after.items():
        for symbol in symbols:
            former = owner.get(symbol, shard)
            if former != shard:
                taken = moved.setdefault(shard, {})
                taken[former] = (*taken.get(former, ()), symbol)
    return moved


def deal_out(universe: Universe, collectors: Collectors, before: Assignment | None, now_ns: int) -> Assignment:
    """Assign a universe to its collectors, moving as little as possible; the same version when nothing changes."""
    assignment = Assignment(
        day=universe.day,
        version=before.version if before else 1,
        swing=assign(universe.codes, collectors.swing, before.swing if before else None),
        scalp=deal(hottest(universe), collectors.scalp, collectors.slots, before.scalp if before else None),
        made_ns=before.made_ns if before else now_ns,
        moved=before.moved if before else {},
        scalp_slots=collectors.slots,
        pins=tuple(sorted(universe.codes.intersection(universe.rules.pins))),
    )
    if assignment == before:
        return before
    moved = moves(before.swing, assignment.swing) if before else {}
    return replace(assignment, version=assignment.version + 1, made_ns=now_ns, moved=moved)


_decoder = msgspec.json.Decoder(Assignment)


def assignment_file(paths: Paths) -> Path:
    """Return the file that holds the assignment in force."""
    return paths.state / "assignment.json"


def read_assignment(paths: Paths) -> Assignment | None:
    """Return the assignment in force, None when there is none yet."""
    try:
        return _decoder.decode(assignment_file(paths).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("assignment not readable", extra={"error": str(error)})
        return None


def write_assignment(paths: Paths, assignment: Assignment) -> None:
    """Put an assignment in force."""
    paths.state.mkdir(parents=True, exist_ok=True)
    replace_durably(assignment_file(paths), msgspec.json.encode(assignment))


class AssignmentWatch:
    """Tells a shard when another assignment came into force: one `stat` a question."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._seen: tuple[int, int] | None = None

    def changed(self) -> Assignment | None:
        """Return the assignment if it is new since the last call."""
        try:
            found = assignment_file(self._paths).stat()
        except FileNotFoundError:
            return None
        mark = (found.st_mtime_ns, found.st_ino)
        if mark == self._seen:
            return None
        assignment = read_assignment(self._paths)
        if assignment is not None:
            self._seen = mark
        return assignment
