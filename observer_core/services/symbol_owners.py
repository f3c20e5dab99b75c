"""Which shards collect a symbol, from the assignment in force: what HTTP and `explain` need of it.

Separate from `assignment`, which the shards read, because this one is asked at any time and remembers nothing.
"""

from observer_core.http.symbols import OwnersOf
from observer_core.ids import ShardName
from observer_core.paths import Paths
from observer_core.services.assignment import read_assignment


def symbol_owners(paths: Paths) -> OwnersOf:
    """Return the question "who collects this symbol", answered from the file at every call."""

    def owners_of(symbol: str) -> tuple[ShardName, ...]:
        assignment = read_assignment(paths)
        if assignment is None:
            return ()
        tracks = (assignment.scalp, assignment.swing)
        return tuple(shard for track in tracks for shard, symbols in track.items() if symbol in symbols)

    return owners_of
