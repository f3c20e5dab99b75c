"""What a file of rules would do, worked out on the files alone: nothing runs, nothing changes.

Separate from the keeper so that an operator can look before saving, also while maintenance is down.
"""

from typing import NamedTuple

from msgspec.structs import replace

from observer_core.errors import ConfigError, ObserverError
from observer_core.ids import ShardName
from observer_core.market.universe import Universe, build_universe
from observer_core.market.universe_plan import Plan, judge_size, make_plan
from observer_core.paths import Paths
from observer_core.services.assignment import Collectors, deal_out
from observer_core.services.universe_files import cached_listings, in_force, read_pins
from observer_core.services.universe_listings import parse_listings
from observer_core.services.universe_rules import Source, read_wish


class Preview(NamedTuple):
    """A plan, the universe it leads to, and why it would be refused ("" = it would not)."""

    plan: Plan
    universe: Universe
    refusal: str


def preview(paths: Paths, source: Source, file: str) -> Preview:
    """Return what a file of rules would change.

    Raises:
        ConfigFileError: the file is wrong; every problem with its line.
        ConfigError: there is nothing in force to compare with.
    """
    before, assignment = in_force(paths)
    wish = read_wish(source, file, read_pins(paths), replace(before.rules, pins=()))
    files = cached_listings(paths, before.day)
    if files is None:
        raise ConfigError(f"the listing files of {before.day} are not in {paths.listings}")
    try:
        universe = build_universe(parse_listings(files), wish.rules, before.day)
    except ObserverError as error:
        raise ConfigError(f"{paths.listings}: {error}") from error
    collectors = Collectors(
        swing=tuple(sorted(assignment.swing, key=_ordinal)),
        scalp=tuple(sorted(assignment.scalp, key=_ordinal)),
        slots=assignment.scalp_slots,
    )
    after = deal_out(universe, collectors, assignment, assignment.made_ns)
    plan = make_plan(before.codes, universe.codes, assignment.placements, after.placements)
    refusal = judge_size(universe, before, wish.guard)
    return Preview(plan, universe, "" if refusal is None else wish.located(refusal))


def _ordinal(shard: ShardName) -> int:
    return int(shard.rpartition("-")[2])
