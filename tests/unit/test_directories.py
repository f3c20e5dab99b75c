"""Directories that are not fit for their purpose, and the mounts under them."""

from dataclasses import replace
from pathlib import Path

import pytest

from observer_core.directories import directory_problems, mount_of
from observer_core.settings import Settings
from tests.fixtures.supervised import settings_in


def mountinfo(tmp_path: Path, *mounts: tuple[Path, str]) -> Path:
    file = tmp_path / "mountinfo"
    lines = [f"{30 + n} 1 0:{n} / {point} rw - {kind} none rw" for n, (point, kind) in enumerate(mounts)]
    file.write_text("\n".join(["36 35 98:0 / / rw,noatime - overlay overlay rw,lowerdir=/a", *lines]) + "\n")
    return file


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def test_data_in_the_container_layer_is_refused_unless_allowed(settings: Settings, tmp_path: Path) -> None:
    (problem,) = directory_problems(settings, mountinfo(tmp_path))
    assert problem.fatal
    assert "OBSERVER_DATA_DIR" in problem.text
    assert "container's own layer (overlay at /)" in problem.text
    assert "OBSERVER_ALLOW_CONTAINER_LAYER=true" in problem.remedy
    assert directory_problems(replace(settings, allow_container_layer=True), mountinfo(tmp_path)) == []


def test_a_mount_outlives_the_container(settings: Settings, tmp_path: Path) -> None:
    assert directory_problems(settings, mountinfo(tmp_path, (settings.data_dir.parent, "ext4"))) == []


def test_the_deepest_and_newest_mount_counts(tmp_path: Path) -> None:
    deep = tmp_path / "a b"
    deep.mkdir()
    escaped = Path(str(deep).replace(" ", "\\040"))
    mounts = mountinfo(tmp_path, (tmp_path, "ext4"), (escaped, "tmpfs"), (escaped, "xfs"))
    assert mount_of(deep / "not" / "there", mounts) == (deep, "xfs")
    assert mount_of(Path("/"), mounts) == (Path("/"), "overlay")
    assert mount_of(deep, tmp_path / "no-such-file") == (Path("/"), "")


def test_every_problem_is_told_at_once(settings: Settings, tmp_path: Path) -> None:
    for directory in (settings.data_dir, settings.log_dir, settings.config_dir):
        directory.write_text("in the way")
    found = directory_problems(settings, mountinfo(tmp_path, (tmp_path, "ext4")))
    assert [problem.variable for problem in found] == [
        "OBSERVER_DATA_DIR",
        "OBSERVER_LOG_DIR",
        "OBSERVER_SYSTEM_LOG_DIR",
        "OBSERVER_MAINTENANCE_LOG_DIR",
        "OBSERVER_CONFIG_DIR",
    ]
    assert all(problem.remedy for problem in found)
