"""The operator edits the rules of the universe while everything runs: well, and badly."""

from random import Random

from tests.chaos.faults import fault
from tests.chaos.system import ChaosSystem
from tests.fixtures.universe_files import broken_files, config_text, save_by_rename

TAKEN_UP_S = (3.0, 6.0)
FEWEST, MOST = 0.90, 1.0
"""Parts of the market's symbols that the rules let in."""


@fault("universe changed")
def changed(system: ChaosSystem, random: Random) -> None:
    """Save other rules: some symbols go, some come, and some change their shard."""
    top = int(system.symbols * random.uniform(FEWEST, MOST))
    save_by_rename(system.paths.config / "universe.toml", config_text(top=top))
    system.sleep(random.uniform(*TAKEN_UP_S))


@fault("universe file broken")
def broken(system: ChaosSystem, random: Random) -> None:
    """Save something that is no such file: what is in force stays in force."""
    target = system.paths.config / "universe.toml"
    target.unlink(missing_ok=True)
    random.choice(broken_files(config_text(top=system.symbols))).save(target)
    system.sleep(random.uniform(*TAKEN_UP_S))
