"""Which children a configuration means, when sessions open, and what the command says about it."""

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from observer_core.clock import KST
from observer_core.exit_codes import ExitCode
from observer_core.market.calendar import parse_overrides, shipped_calendar
from observer_core.settings import AppKey, Secret
from supervisor import linux
from supervisor.__main__ import main
from supervisor.children import compose, next_opening_ns
from tests.fixtures.hub import short_directory
from tests.fixtures.supervised import REPOSITORY, settings_in


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=KST).timestamp()) * 10**9


def test_children_follow_the_settings(tmp_path: Path) -> None:
    settings = dataclasses.replace(settings_in(tmp_path), swing_shards=2, postgres_dsn=None)
    assert [child.name for child in compose(settings)] == [
        "swing-0",
        "swing-1",
        "scalp-0",
        "jsonl",
        "hub",
        "maintenance",
    ]
    key = AppKey(Secret("a" * 36), Secret("b" * 180))
    richer = dataclasses.replace(settings, postgres_dsn=Secret("postgresql://x"), app_keys=(key, key))
    children = {str(child.name): child for child in compose(richer)}
    assert {"scalp-0", "scalp-1", "postgres"} <= children.keys()
    assert (children["scalp-1"].kind, children["scalp-1"].index) == ("scalp", 1)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-09-21T03:00:00", "2026-09-21T08:00:00"),
        ("2026-09-21T08:00:00", "2026-09-22T08:00:00"),
        ("2026-09-25T21:00:00", "2026-09-28T08:00:00"),
    ],
)
def test_next_opening_skips_nights_and_weekends(now: str, opens: str) -> None:
    assert next_opening_ns(_ns(now), shipped_calendar()) == _ns(opens)


def test_next_opening_heeds_overrides_and_late_openings() -> None:
    overrides = parse_overrides((REPOSITORY / "docs" / "calendar_overrides.example.toml").read_bytes(), "example")
    calendar = shipped_calendar().with_overrides(overrides)
    assert next_opening_ns(_ns("2026-06-02T21:00:00"), shipped_calendar()) == _ns("2026-06-03T08:00:00")
    assert next_opening_ns(_ns("2026-06-02T21:00:00"), calendar) == _ns("2026-06-04T08:00:00")
    assert next_opening_ns(_ns("2026-07-16T21:00:00"), calendar) == _ns("2026-07-20T08:00:00")


@pytest.fixture
def run_directory() -> Iterator[Path]:
    """Give a directory whose path is short enough for sockets, whatever the test's own path is."""
    with short_directory() as directory:
        yield directory


def test_check_config_tells_every_problem(
    tmp_path: Path, run_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KIS_APP_KEY", "short")
    monkeypatch.setenv("OBSERVER_SWING_SHARDS", "many")
    monkeypatch.setenv("OBSERVER_RUN_DIR", str(run_directory))
    directories = ("DATA_DIR", "LOG_DIR", "CONFIG_DIR")
    for name in (*(f"OBSERVER_{part}" for part in directories), "KIS_TOKEN_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    assert main(["--check-config"]) == ExitCode.CONFIG
    problems = capsys.readouterr().err
    assert "KIS_APP_KEY has 5 characters" in problems
    assert "OBSERVER_SWING_SHARDS='many'" in problems
    monkeypatch.setenv("KIS_APP_KEY", "k" * 36)
    monkeypatch.setenv("KIS_APP_SECRET", "s" * 180)
    monkeypatch.setenv("OBSERVER_SWING_SHARDS", "1")
    assert main(["--check-config"]) == ExitCode.OK
    assert "swing-0, scalp-0, jsonl" in capsys.readouterr().out
    (tmp_path / "observer_data_dir").write_text("in the way")
    (tmp_path / "observer_log_dir").write_text("in the way")
    assert main([]) == ExitCode.CONFIG
    problems = capsys.readouterr().err
    assert "OBSERVER_DATA_DIR=" in problems
    assert "OBSERVER_LOG_DIR=" in problems


def test_out_of_memory_kills_are_read_from_the_own_group(tmp_path: Path) -> None:
    file = linux.memory_events_file("12:cpu:/x\n0::/app/one\n", tmp_path)
    assert file == tmp_path / "app" / "one" / "memory.events"
    file.parent.mkdir(parents=True)
    file.write_text("low 0\noom 4\noom_kill 3\n")
    assert linux.out_of_memory_kills(file) == 3
    file.write_text("rubbish here now\n")
    assert linux.out_of_memory_kills(file) == 0
    assert linux.out_of_memory_kills(tmp_path / "none") == 0
    assert linux.memory_events_file("1:name=x:/y\n", tmp_path) is None


def test_every_problem_is_told_at_once_values_directories_and_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("a file")
    (tmp_path / "observer.env").write_text("no equals sign\nOBSERVER_SWING_SHARD=3\nOBSERVER_SWING_SHARDS=x\n")
    for name in ("DATA", "LOG", "CONFIG", "RUN"):
        monkeypatch.setenv(f"OBSERVER_{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.setenv("KIS_TOKEN_CACHE_DIR", str(tmp_path / "secrets"))
    monkeypatch.setenv("KIS_APP_KEY", "k" * 36)
    monkeypatch.setenv("KIS_APP_SECRET", "s" * 180)
    monkeypatch.setenv("OBSERVER_ENV_FILE", str(tmp_path / "observer.env"))
    assert main(["--check-config"]) == ExitCode.CONFIG
    told = capsys.readouterr().err
    for words in ("observer.env:1 is not KEY=VALUE", "OBSERVER_SWING_SHARDS='x'", "data is not a directory", "meant?"):
        assert words in told
