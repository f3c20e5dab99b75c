"""The templates are plain env files and say what the code says."""

import itertools
from pathlib import Path

import pytest

from observer_core.settings import APP_KEY_LENGTH, APP_SECRET_LENGTH, load_settings
from observer_core.variables import DEPRECATED, VARIABLES, env_template
from tests.fixtures.deployment import COMPOSE_TEMPLATE, ROOT, template_values

TEMPLATE = ROOT / "env.template"


def test_the_template_is_what_the_schema_renders() -> None:
    assert TEMPLATE.read_text(encoding="utf-8") == env_template()


@pytest.mark.parametrize("path", [TEMPLATE, COMPOSE_TEMPLATE], ids=["process", "compose"])
def test_templates_are_plain_env_files_whose_variables_are_all_explained(path: Path) -> None:
    assert template_values(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    unexplained = [line for before, line in itertools.pairwise(lines) if line[:1].isalpha() and before[:1] != "#"]
    assert unexplained == []


def test_the_template_names_every_variable_once_and_no_deprecated_one() -> None:
    values = template_values(TEMPLATE)
    assert list(values) == [variable.name for variable in VARIABLES]
    assert not set(values) & set(DEPRECATED)


def test_no_template_carries_a_credential() -> None:
    secrets = {variable.name for variable in VARIABLES if variable.secret}
    assert {name: value for name, value in template_values(TEMPLATE).items() if name in secrets and value} == {}


def test_the_template_as_env_file_means_the_defaults(tmp_path: Path) -> None:
    keys = {"KIS_APP_KEY": "k" * APP_KEY_LENGTH, "KIS_APP_SECRET": "s" * APP_SECRET_LENGTH}
    # A configuration directory of the test's own: the machine's may hold a deployment_config.json.
    directory = {"OBSERVER_CONFIG_DIR": str(tmp_path)}
    assert load_settings({"OBSERVER_ENV_FILE": str(TEMPLATE)} | keys | directory) == load_settings(keys | directory)
