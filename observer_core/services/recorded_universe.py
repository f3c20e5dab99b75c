"""The universe of a replay: the recording's own, adopted once; nothing is downloaded and nothing changes.

It answers maintenance as `UniverseKeeper` does.
"""

from pathlib import Path

from observer_core.ids import DayNumber
from observer_core.market.universe import Universe
from observer_core.paths import Paths
from observer_core.services.assignment import Assignment, read_assignment, write_assignment
from observer_core.services.universe_files import newest_universe, read_universe, snapshot_file, write_universe

REST_S = 1.0


class RecordedUniverse:
    """Puts the universe and the assignment of a recording in force."""

    rest_s = REST_S
    failures_total = 0

    def __init__(self, recording: Path, day: DayNumber, paths: Paths) -> None:
        self._recorded = Paths(*(recording,) * 5)
        self._day = day
        self._paths = paths
        self.in_force: Universe | None = None
        self.assignment: Assignment | None = None
        self.note = ""
        """What is wrong at this moment, "" = nothing."""

    async def keep(self, _today: DayNumber) -> bool:
        """Adopt what the recording has; return whether all is in force."""
        if self.in_force is not None:
            return True
        universe = read_universe(self._recorded, self._day) or newest_universe(self._recorded)
        assignment = read_assignment(self._recorded)
        if universe is None or assignment is None:
            self.note = "the recording has no universe beside it; its shards replay what they recorded"
            return False
        if not snapshot_file(self._paths, universe).exists():
            write_universe(self._paths, universe)
        write_assignment(self._paths, assignment)
        self.in_force, self.assignment = universe, assignment
        return True
