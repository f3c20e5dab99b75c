"""The remembered number of sweeping shards, and what an assignment moved."""

from dataclasses import replace
from pathlib import Path

from observer_core.ids import ShardName
from observer_core.services.assignment import moves
from observer_core.services.scaling import scale_file, shards_in_force, write_order
from tests.fixtures.supervised import settings_in

A, B, C = ShardName("swing-0"), ShardName("swing-1"), ShardName("swing-2")


def test_an_order_is_remembered_until_the_configuration_changes(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.paths.state.mkdir(parents=True)
    assert shards_in_force(settings) == settings.swing_shards
    write_order(settings, 7)
    assert shards_in_force(settings) == 7
    assert shards_in_force(replace(settings, swing_shards=2)) == 2
    assert [file.name for file in settings.paths.state.iterdir()] == ["scale.json"]


def test_a_damaged_order_is_as_good_as_none(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.paths.state.mkdir(parents=True)
    for content in (b"", b"{", b'{"swing":0,"configured":4}', b'{"swing":"two","configured":4}'):
        scale_file(settings.paths).write_bytes(content)
        assert shards_in_force(settings) == settings.swing_shards


def test_moves_name_the_former_owner() -> None:
    before = {A: ("1", "2"), B: ("3", "4"), C: ("5",)}
    assert moves(before, before) == {}
    after = {A: ("1", "2", "5"), B: ("3", "4", "6")}
    assert moves(before, after) == {A: {C: ("5",)}}
    assert moves(before, {A: ("3", "5", "4"), B: ("1",)}) == {A: {B: ("3", "4"), C: ("5",)}, B: {A: ("1",)}}
    assert moves({}, after) == {}
