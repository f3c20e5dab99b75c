"""Settings: precedence, every problem at once, deprecated names, and secrets that never show."""

from pathlib import Path

import pytest

from observer_core.errors import ConfigError
from observer_core.ids import DayNumber
from observer_core.settings import Replay, Secret, load_settings
from observer_core.variables import VARIABLES, env_template

KEYS = {"KIS_APP_KEY": "k" * 36, "KIS_APP_SECRET": "s" * 180}


def test_defaults_are_valid_with_credentials(tmp_path: Path) -> None:
    settings = load_settings({**KEYS, "OBSERVER_CONFIG_DIR": str(tmp_path)})
    assert settings.swing_shards == 4
    assert settings.postgres_dsn is None
    assert settings.system_log_dir == settings.log_dir / "system"
    assert len(settings.app_keys) == 1


def test_environment_beats_env_file_beats_deployment_config(tmp_path: Path) -> None:
    env_file = tmp_path / "observer.env"
    env_file.write_text("OBSERVER_SWING_SHARDS=2\nKIS_REST_LIMIT_PER_S='12'\n# comment\n\n")
    (tmp_path / "deployment_config.json").write_text(
        '{"deployment": "lab", "environment": {"OBSERVER_SWING_SHARDS": 7, "OBSERVER_SCALP_TRADES": 20}}'
    )
    settings = load_settings(
        {
            **KEYS,
            "OBSERVER_CONFIG_DIR": str(tmp_path),
            "OBSERVER_ENV_FILE": str(env_file),
            "KIS_REST_LIMIT_PER_S": "9",
        }
    )
    assert (settings.rest_limit_per_s, settings.swing_shards, settings.scalp_trades) == (9.0, 2, 20)


def test_all_problems_are_reported_at_once_and_hide_secrets(tmp_path: Path) -> None:
    env_file = tmp_path / "broken.env"
    env_file.write_text("this line says nothing\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(
            {
                "KIS_APP_KEY": "tooshort-and-secret",
                "OBSERVER_CONFIG_DIR": str(tmp_path),
                "OBSERVER_ENV_FILE": str(env_file),
                "OBSERVER_DATA_DIR": "relative/data",
                "OBSERVER_SWING_SHARDS": "many",
                "OBSERVER_SCALP_BOOKS": "30",
                "KIS_WS_URL": "http://wrong",
            }
        )
    problems = "\n".join(caught.value.problems)
    for word in (
        "broken.env:1",
        "OBSERVER_DATA_DIR",
        "OBSERVER_SWING_SHARDS='many'",
        "71 registrations",
        "KIS_WS_URL",
        "KIS_APP_KEY has 19 characters",
        "KIS_APP_SECRET has 0",
    ):
        assert word in problems
    assert "tooshort-and-secret" not in problems


def test_deprecated_names_are_accepted_with_a_warning(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "KIS_API_KEY": KEYS["KIS_APP_KEY"],
            "KIS_API_SECRET": KEYS["KIS_APP_SECRET"],
            "QTS_OBSERVER_STANDALONE": "false",
            "OBSERVER_CONFIG_DIR": str(tmp_path),
        }
    )
    assert settings.standalone is False
    assert len(settings.warnings) == 3


def test_several_appkeys(tmp_path: Path) -> None:
    settings = load_settings(
        {
            **KEYS,
            "KIS_APP_KEY_2": "q" * 36,
            "KIS_APP_SECRET_2": "r" * 180,
            "OBSERVER_CONFIG_DIR": str(tmp_path),
        }
    )
    assert [pair.key.reveal()[0] for pair in settings.app_keys] == ["k", "q"]


@pytest.mark.parametrize("text", ["[1]", "{", '{"other": 1}', '{"environment": {"NOT_OURS": 1}}'])
def test_a_broken_deployment_config_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "deployment_config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"deployment_config\.json"):
        load_settings({**KEYS, "OBSERVER_CONFIG_DIR": str(tmp_path)})


def test_a_secret_never_shows() -> None:
    secret = Secret("very secret")
    assert "very" not in f"{secret!r} {secret} {[secret]}"
    assert secret == Secret("very secret")


def test_the_template_is_a_plain_env_file() -> None:
    lines = [line for line in env_template().splitlines() if line and not line.startswith("#")]
    assert [line.partition("=")[0] for line in lines] == [variable.name for variable in VARIABLES]


def _replay(tmp_path: Path, **changes: str) -> dict[str, str]:
    directories = {"OBSERVER_CONFIG_DIR": str(tmp_path), "OBSERVER_REPLAY_DIR": "/srv/recorded"}
    return {**directories, "OBSERVER_SOURCE": "replay", "OBSERVER_REPLAY_DAY": "2026-11-20", **changes}


def test_a_replay_needs_no_keys_and_never_the_collection_s_database(tmp_path: Path) -> None:
    settings = load_settings(_replay(tmp_path, OBSERVER_POSTGRES_DSN="host=here", OBSERVER_REPLAY_SPEED="10"))
    assert settings.replay == Replay(Path("/srv/recorded"), DayNumber(20261120), 10.0)
    assert (settings.app_keys, settings.postgres_dsn, settings.force_open) == ((), None, True)
    settings = load_settings(_replay(tmp_path, OBSERVER_REPLAY_POSTGRES_DSN="host=there"))
    assert settings.postgres_dsn == Secret("host=there")


def test_what_a_replay_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(
            _replay(
                tmp_path,
                OBSERVER_REPLAY_DIR="",
                OBSERVER_REPLAY_DAY="yesterday",
                OBSERVER_POSTGRES_DSN="host=here password=hidden",
                OBSERVER_REPLAY_POSTGRES_DSN="host=here password=hidden",
            )
        )
    problems = "\n".join(caught.value.problems)
    for word in ("OBSERVER_REPLAY_DIR=", "OBSERVER_REPLAY_DAY='yesterday'", "give a replay its own database"):
        assert word in problems
    assert "hidden" not in problems


def test_a_line_that_cannot_be_read_costs_that_line_alone(tmp_path: Path) -> None:
    env_file = tmp_path / "observer.env"
    env_file.write_bytes(b"OBSERVER_SWING_SHARDS=many\nsome \xff bytes\nKIS_REST_LIMIT_PER_S=0\n")
    env_file.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        load_settings({**KEYS, "OBSERVER_CONFIG_DIR": str(tmp_path), "OBSERVER_ENV_FILE": str(env_file)})
    assert [problem.partition("=")[0].partition(" ")[0] for problem in caught.value.problems] == [
        f"{env_file}:2", "KIS_REST_LIMIT_PER_S", "OBSERVER_SWING_SHARDS",
    ]  # fmt: skip


def test_misspelt_names_and_open_files_are_named(tmp_path: Path) -> None:
    env_file = tmp_path / "observer.env"
    env_file.write_text("OBSERVER_SWING_SHARD=9\nKIS_APPKEY=x\nOBSERVER_HOST_HTTP_PORT=1\nKIS_APP_KEY_2=\n")
    env_file.chmod(0o644)
    assert not any("mode" in text for text in _warnings(tmp_path, env_file)), "it holds no credential"
    env_file.write_text(env_file.read_text() + "OBSERVER_POSTGRES_DSN=host=/x\n")
    near, swing, mode = sorted(_warnings(tmp_path, env_file), key=lambda text: ("mode" in text, text))
    assert "is KIS_APP_KEY meant?" in near
    assert swing.endswith("is OBSERVER_SWING_SHARDS meant?")
    assert "mode 0644" in mode
    assert f"chmod 600 {env_file}" in mode


def _warnings(config: Path, env_file: Path) -> tuple[str, ...]:
    return load_settings({**KEYS, "OBSERVER_CONFIG_DIR": str(config), "OBSERVER_ENV_FILE": str(env_file)}).warnings
