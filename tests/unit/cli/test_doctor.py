"""`observerctl doctor` on broken set-ups: each is found, named with cause and remedy, and costs the exit code."""

import fcntl
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from observer_core.archive.volumes import Usage
from observer_core.cli import doctor_facts
from observer_core.cli.doctor_checks import Finding, examine
from observer_core.cli.doctor_facts import Facts
from observer_core.cli.observerctl import app
from observer_core.clock import NS_PER_S
from observer_core.ids import DayNumber
from observer_core.market.universe import Member, Rules, Universe, encode_universe
from observer_core.settings import load_settings
from tests.fixtures.views import NOW_NS

Environment = dict[str, str]
BreakIt = Callable[[Path, Environment], None]
DIRECTORIES = {
    "OBSERVER_DATA_DIR": "data",
    "OBSERVER_LOG_DIR": "logs",
    "OBSERVER_CONFIG_DIR": "config",
    "OBSERVER_RUN_DIR": "run",
    "KIS_TOKEN_CACHE_DIR": "secrets",
}


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return a set-up in which nothing is wrong."""
    for part in DIRECTORIES.values():
        (tmp_path / part).mkdir(mode=0o700)
    return {
        **{name: str(tmp_path / part) for name, part in DIRECTORIES.items()},
        "KIS_APP_KEY": "k" * 36,
        "KIS_APP_SECRET": "s" * 180,
        "OBSERVER_HTTP_PORT": "0",
        "OBSERVER_VIEWERS_GROUP": "root",
        "OBSERVER_OPERATORS_GROUP": "root",
        "OBSERVER_DISK_LADDER": "97,98,99,100",
        "OBSERVER_ALLOW_CONTAINER_LAYER": "true",
    }


def setting(**values: str) -> BreakIt:
    """Return a set-up with other variables."""
    return lambda _root, environment: environment.update(values)


def file(part: str, content: str | bytes, mode: int = 0o600) -> BreakIt:
    """Return a set-up with a file."""

    def write(root: Path, _environment: Environment) -> None:
        path = root / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)

    return write


def env_file(content: str, mode: int = 0o600) -> BreakIt:
    """Return a set-up with an env file."""

    def write(root: Path, environment: Environment) -> None:
        file("observer.env", content, mode)(root, environment)
        environment["OBSERVER_ENV_FILE"] = str(root / "observer.env")

    return write


def instead_of_directory(variable: str) -> BreakIt:
    """Return a set-up with a file where a directory should be."""

    def write(root: Path, environment: Environment) -> None:
        Path(environment[variable]).rmdir()
        Path(environment[variable]).write_text("in the way")

    return write


def open_token_directory(root: Path, _environment: Environment) -> None:
    (root / "secrets").chmod(0o755)


def data_in_config(root: Path, environment: Environment) -> None:
    environment["OBSERVER_DATA_DIR"] = str(root / "config" / "data")


def below_a_file(root: Path, environment: Environment) -> None:
    (root / "file").touch()
    environment["OBSERVER_DATA_DIR"] = str(root / "file" / "data")


def snapshot(day: int, members: int) -> bytes:
    codes = [f"{number:06d}" for number in range(members)]
    found = tuple(Member(code=code, name=code, board="kospi", previous_close=1, turnover=1) for code in codes)
    return encode_universe(Universe(day=DayNumber(day), rules=Rules(), listings=members, dropped={}, members=found))


def collapsed_universe(root: Path, environment: Environment) -> None:
    file("data/universe/20261119.json", snapshot(20261119, 1_562))(root, environment)
    file("data/universe/20261120.json", snapshot(20261120, 7))(root, environment)


def dead_hub(root: Path, environment: Environment) -> None:
    file("data/state/locks/supervisor.lock", "1 supervisor\n")(root, environment)
    environment["TEST_HOLD_LOCK"] = "data/state/locks/supervisor.lock"


BROKEN: dict[str, tuple[BreakIt, str, str, str]] = {
    "no appkey": (setting(KIS_APP_KEY="", KIS_APP_SECRET=""), "config", "KIS_APP_KEY", "are empty"),
    "appkey cut off": (setting(KIS_APP_KEY="short"), "config", "KIS_APP_KEY", "has 5 characters"),
    "secret cut off": (setting(KIS_APP_SECRET="short"), "config", "KIS_APP_SECRET", "has 5 characters"),
    "one appkey twice": (
        setting(KIS_APP_KEY_2="k" * 36, KIS_APP_SECRET_2="s" * 180),
        "config",
        "KIS_APP_KEY_2",
        "same appkey",
    ),
    "word for a number": (setting(OBSERVER_SWING_SHARDS="many"), "config", "OBSERVER_SWING_SHARDS", "whole number"),
    "relative directory": (setting(OBSERVER_DATA_DIR="data"), "config", "OBSERVER_DATA_DIR", "not an absolute path"),
    "too many registrations": (
        setting(OBSERVER_SCALP_BOOKS="5"),
        "config",
        "OBSERVER_SCALP_TRADES",
        "46 registrations",
    ),
    "socket path too long": (setting(OBSERVER_RUN_DIR="/" + "r" * 90), "config", "OBSERVER_RUN_DIR", "80 characters"),
    "address without scheme": (setting(KIS_REST_URL="host:9443"), "config", "KIS_REST_URL", "does not begin with"),
    "falling disk ladder": (setting(OBSERVER_DISK_LADDER="90,80,70,60"), "config", "OBSERVER_DISK_LADDER", "rising"),
    "env file missing": (setting(OBSERVER_ENV_FILE="/nowhere/e"), "config", "OBSERVER_ENV_FILE", "cannot be read"),
    "env file not KEY=VALUE": (env_file("a: yaml file\n"), "config", "observer.env:1", "not KEY=VALUE"),
    "env file open to all": (env_file("TZ=Asia/Seoul\n", 0o644), "permissions", "observer.env", "mode 0644"),
    "deployment file damaged": (file("config/deployment_config.json", "{"), "config", "deployment_config", "not JSON"),
    "data directory is a file": (
        instead_of_directory("OBSERVER_DATA_DIR"),
        "paths",
        "OBSERVER_DATA_DIR",
        "not a directory",
    ),
    "config directory is a file": (
        instead_of_directory("OBSERVER_CONFIG_DIR"),
        "config",
        "deployment_config.json",
        "cannot be read",
    ),
    "log directory is a file": (
        instead_of_directory("OBSERVER_LOG_DIR"),
        "paths",
        "OBSERVER_LOG_DIR",
        "not a directory",
    ),
    "data cannot be made": (below_a_file, "paths", "OBSERVER_DATA_DIR", "not a directory"),
    "data inside config": (data_in_config, "paths", "OBSERVER_DATA_DIR", "inside OBSERVER_CONFIG_DIR"),
    "token directory open": (open_token_directory, "permissions", "secrets", "mode 0755"),
    "token open": (file("secrets/token-ab.json", "{}", 0o644), "token cache", "token-ab.json", "mode 0644"),
    "token damaged": (file("secrets/token-ab.json", b"\x00\xff"), "token cache", "token-ab.json", "damaged"),
    "universe.toml with an error": (file("config/universe.toml", "[rules\n"), "universe", "universe.toml:1", ""),
    "unknown universe rule": (
        file("config/universe.toml", "[rules]\nminimum = 3\n[guard]\n"),
        "universe",
        "universe.toml:2",
        "minimum",
    ),
    "calendar override wrong": (
        file("config/calendar_overrides.toml", '[[day]]\nday = 2026-11-23\naction = "shut"\n'),
        "calendar",
        "calendar_overrides.toml:",
        "shut",
    ),
    "listing file damaged": (
        file("data/symbols/20261120-kospi_code.mst.zip", "PK no"),
        "listing files",
        "OBSERVER_DATA_DIR",
        "20261120",
    ),
    "universe collapsed": (collapsed_universe, "universe", "universe.toml", "7 symbols, the one before 1562"),
    "snapshot damaged": (file("data/universe/20261120.json", "{"), "universe", "snapshot", "20261120.json"),
    "database refuses": (
        setting(OBSERVER_POSTGRES_DSN="postgresql://u:topsecret@127.0.0.1:1/none"),
        "postgres",
        "OBSERVER_POSTGRES_DSN",
        "",
    ),
    "database address wrong": (
        setting(OBSERVER_POSTGRES_DSN="postgres ql"),
        "postgres",
        "OBSERVER_POSTGRES_DSN",
        "no database address",
    ),
    "supervisor without a hub": (dead_hub, "sockets", "OBSERVER_RUN_DIR", "no socket at"),
}


@contextmanager
def lock_held(root: Path, environment: Environment) -> Iterator[None]:
    part = environment.pop("TEST_HOLD_LOCK", "")
    if not part:
        yield
        return
    with (root / part).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def diagnose(root: Path, environment: Environment) -> tuple[int, list[Finding], str]:
    with lock_held(root, environment):
        done = CliRunner().invoke(app, ["doctor", "--json"], env=environment)
        people = CliRunner().invoke(app, ["doctor"], env=environment)
    assert done.exit_code == people.exit_code
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    findings = msgspec.convert(json.loads(done.output)["findings"], list[Finding])
    return done.exit_code, findings, done.output + people.output


def test_a_sound_set_up_is_in_order(tmp_path: Path, environment: Environment) -> None:
    code, findings, text = diagnose(tmp_path, environment)
    assert (code, findings) == (0, [])
    assert "everything is in order; no supervisor runs" in text


def test_a_running_supervisor_is_found_without_the_keys_that_only_it_needs(
    tmp_path: Path, environment: Environment
) -> None:
    dead_hub(tmp_path, environment)
    environment.update(KIS_APP_KEY="", KIS_APP_SECRET="")
    code, _, text = diagnose(tmp_path, environment)
    assert code == 1
    assert "a supervisor runs here" in text
    assert '"running": true' in text
    _, _, text = diagnose(tmp_path, environment)
    assert "no supervisor runs on this data directory" in text


def test_a_data_directory_that_is_not_known_is_not_called_idle(tmp_path: Path, environment: Environment) -> None:
    environment["OBSERVER_DATA_DIR"] = "data"
    _, _, text = diagnose(tmp_path, environment)
    assert "no supervisor runs" not in text
    assert "whether a supervisor runs is not known" in text


def test_there_are_at_least_twenty_broken_set_ups() -> None:
    assert len(BROKEN) >= 20


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_set_up_is_named_with_cause_and_remedy(name: str, tmp_path: Path, environment: Environment) -> None:
    break_it, check, subject, cause = BROKEN[name]
    break_it(tmp_path, environment)
    code, findings, text = diagnose(tmp_path, environment)
    errors = [finding for finding in findings if finding.severity == "error"]
    assert code == 1
    assert [finding for finding in errors if finding.check == check and subject in finding.subject], errors
    assert any(cause in finding.cause for finding in errors), errors
    assert all(finding.remedy for finding in findings)
    assert "Traceback" not in text
    assert "topsecret" not in text


def test_a_taken_port_is_named(tmp_path: Path, environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        environment["OBSERVER_HTTP_PORT"] = str(holder.getsockname()[1])
        code, (finding,), _ = diagnose(tmp_path, environment)
    assert (code, finding.check, finding.cause[:25]) == (1, "sockets", "cannot be listened on: Ad")


def test_missing_groups_and_old_names_are_warnings_only(tmp_path: Path, environment: Environment) -> None:
    environment.update(OBSERVER_VIEWERS_GROUP="no-such-group", QTS_OBSERVER_STANDALONE="true")
    code, findings, _ = diagnose(tmp_path, environment)
    assert code == 0
    assert {finding.subject for finding in findings} == {"no-such-group", "QTS_OBSERVER_STANDALONE"}


def test_a_full_volume_is_an_error_and_a_filling_one_a_warning(
    tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for used, code in ((99.5, 0), (100.0, 1)):
        usage = Usage(used_percent=used, free_bytes=1, total_bytes=2)
        monkeypatch.setattr(doctor_facts, "measure", lambda _path, usage=usage: usage)
        found, findings, _ = diagnose(tmp_path, environment)
        assert (found, {finding.check for finding in findings}) == (code, {"disk"})


def test_facts_that_no_file_can_stage(environment: Environment) -> None:
    settings = load_settings(environment)
    sound = Facts(now_ns=NOW_NS, settings=settings)
    assert examine(sound) == []
    tables = {
        "clock": (replace(sound, now_ns=0), "it says 1970"),
        "clock back": (replace(sound, newest_file=(Path("/d/f"), NOW_NS + 600 * NS_PER_S)), "600 s in the future"),
        "mounted file": (replace(sound, mounted_files=(Path("/c/u.toml"),)), "mounted as a single file"),
        "old listing": (replace(sound, listing_day=20261101), "20 days old"),
        "calendar ends": (replace(sound, calendar_ends=date(2026, 11, 25)), "ends 2026-11-25"),
    }
    for name, (facts, words) in tables.items():
        (finding,) = examine(facts)
        assert words in finding.cause, name
