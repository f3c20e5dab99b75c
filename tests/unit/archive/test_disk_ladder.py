"""The ladder: up at once, down with a margin, never flapping at an edge."""

import pytest

from observer_core.archive.disk_ladder import MEASURES, RELEASE_BELOW_PERCENT, Ladder, Level, worst

LADDER = Ladder()


@pytest.mark.parametrize(
    ("used", "level"),
    [
        (0.0, Level.NORMAL),
        (74.9, Level.NORMAL),
        (75.0, Level.WARN),
        (85.0, Level.TRIM),
        (90.0, Level.SEAL),
        (94.99, Level.SEAL),
        (95.0, Level.DROP),
        (100.0, Level.DROP),
    ],
)
def test_steps_are_reached_at_their_thresholds_from_below_in_one_go(used: float, level: Level) -> None:
    assert LADDER.next_level(Level.NORMAL, used) is level


@pytest.mark.parametrize("level", [Level.WARN, Level.TRIM, Level.SEAL, Level.DROP])
def test_a_step_is_left_only_well_below_its_threshold(level: Level) -> None:
    threshold = (75.0, 85.0, 90.0, 95.0)[level - 1]
    assert LADDER.next_level(level, threshold - RELEASE_BELOW_PERCENT) is level
    below = LADDER.next_level(level, threshold - RELEASE_BELOW_PERCENT - 0.1)
    assert below is Level(level - 1)


def test_space_that_comes_back_at_once_leads_all_the_way_down() -> None:
    assert LADDER.next_level(Level.DROP, 10.0) is Level.NORMAL


def test_a_volume_at_the_edge_does_not_flap() -> None:
    level, changes = Level.NORMAL, 0
    for turn in range(100):
        after = LADDER.next_level(level, 95.0 + (0.5 if turn % 2 else -0.5))
        changes += after is not level
        level = after
    assert (level, changes) == (Level.DROP, 2)


def test_every_step_says_what_is_done() -> None:
    assert set(MEASURES) == set(Level)
    assert all(MEASURES[level] for level in Level if level is not Level.NORMAL)


def test_the_worst_of_several_volumes() -> None:
    assert worst([Level.WARN, Level.DROP, Level.NORMAL]) is Level.DROP
    assert worst([]) is Level.NORMAL
    assert Level.SEAL.word == "seal"
