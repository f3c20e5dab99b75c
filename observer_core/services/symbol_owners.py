"""Which shards collect a symbol, from the assignment in force and the slots: what HTTP and `explain` need of it.

Separate from `assignment`, which the shards read, because this one is asked at any time and remembers nothing.
"""

from observer_core.http.symbols import OwnersOf
from observer_core.ids import ShardName
from observer_core.paths import Paths
from observer_core.services.assignment import Assignment, read_assignment
from observer_core.services.slot_file import read_slots


def streamed_symbols(paths: Paths, assignment: Assignment, shard: ShardName) -> tuple[str, ...]:
    """Return who holds the slots of a streaming shard; before it ever ran, whom the assignment gives it."""
    held = tuple(holder.symbol for holder in read_slots(paths.slots(shard)).holders)
    return held or assignment.scalp.get(shard, ())


def symbol_owners(paths: Paths) -> OwnersOf:
    """Return the question "who collects this symbol", answered from the file at every call."""

    def owners_of(symbol: str) -> tuple[ShardName, ...]:
        assignment = read_assignment(paths)
        if assignment is None:
            return ()
        streaming = (shard for shard in assignment.scalp if symbol in streamed_symbols(paths, assignment, shard))
        return (*streaming, *(shard for shard, symbols in assignment.swing.items() if symbol in symbols))

    return owners_of
