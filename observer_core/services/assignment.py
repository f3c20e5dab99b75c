"""The files between the universe and the shards: the day's snapshot, and who collects what.

Maintenance writes, shards read; a file is replaced as a whole, so a reader sees the old or the new one.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from observer_core.ids import DayNumber, ShardName
from observer_core.journal.files import replace_durably
from observer_core.market.universe import Universe, decode_universe, encode_universe
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


def universe_file(paths: Paths, day: DayNumber) -> Path:
    """Return the snapshot file of a day."""
    return paths.universe / f"{day}.json"


def read_universe(paths: Paths, day: DayNumber) -> Universe | None:
    """Return a day's snapshot, None when there is none or it is damaged (which is logged)."""
    path = universe_file(paths, day)
    try:
        return decode_universe(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("universe snapshot not readable", extra={"file": str(path), "error": str(error)})
        return None


def newest_universe(paths: Paths, before: DayNumber) -> Universe | None:
    """Return the newest readable snapshot of an earlier day."""
    days = sorted((int(path.stem) for path in paths.universe.glob("[0-9]*.json") if path.stem.isdigit()), reverse=True)
    found = (read_universe(paths, DayNumber(day)) for day in days if day < before)
    return next((universe for universe in found if universe is not None), None)


def write_universe(paths: Paths, universe: Universe) -> None:
    """Write a day's snapshot, once and for all."""
    paths.universe.mkdir(parents=True, exist_ok=True)
    replace_durably(universe_file(paths, universe.day), encode_universe(universe))


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
