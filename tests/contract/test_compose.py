"""The compose file: data cannot land in the container layer, limits hold, and the host's names stay on the host."""

import json
import os
import re
import subprocess
from pathlib import PurePosixPath
from typing import Any

import pytest

from observer_core.variables import VARIABLES
from supervisor.limits import Limits
from tests.fixtures.deployment import (
    COMPOSE_FILE,
    COMPOSE_TEMPLATE,
    REQUIRED_VARIABLE,
    ROOT,
    VARIABLE,
    compose,
    console_scripts,
    final_stage,
    mounts,
    single,
    template_values,
)

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OBSERVER = SERVICES["observer"]
DEFAULTS = {variable.name: variable.default for variable in VARIABLES}


def own_services() -> dict[str, dict[str, Any]]:
    """Return the services that run this project's image."""
    return {name: service for name, service in SERVICES.items() if "IMAGE_TAG" in service["image"]}


@pytest.mark.parametrize("name", SERVICES)
def test_mounts_are_required_host_variables_and_existing_directories(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        assert volume["type"] == "bind"
        match = REQUIRED_VARIABLE.fullmatch(volume["source"])
        assert match is not None, volume
        assert re.fullmatch(r"OBSERVER_HOST_[A-Z]+_DIR", match["name"])
        assert PurePosixPath(volume["target"]).is_absolute()
        assert volume["bind"]["create_host_path"] is False
    assert "volumes" not in compose(), "a named volume hides the data below the engine's own directory"


def test_no_two_mounts_share_a_host_directory() -> None:
    # The standby stands in for observer, and monitoring reads one directory of files.
    names = [name for name in SERVICES if name != "standby"]
    sources = [source for name in names for source in mounts(name).values() if source != "tmpfs"]
    shared = {source for source in sources if "OBSERVER_HOST_MONITORING_DIR" in source}
    assert len(set(sources)) == len([source for source in sources if source not in shared]) + len(shared)


def test_files_of_secrets_lie_in_the_secrets_directory() -> None:
    secrets_directory = mounts("observer")[PurePosixPath("/app/secrets")]
    for secret in compose()["secrets"].values():
        assert re.fullmatch(re.escape(secrets_directory) + r"/[a-z_]+", secret["file"])


def test_the_image_tag_must_be_given() -> None:
    assert list(own_services()) == ["observer", "standby"]
    tag = OBSERVER["image"].partition("}:")[2]
    match = REQUIRED_VARIABLE.fullmatch(tag)
    assert match is not None
    assert match["name"] == "IMAGE_TAG"


def test_the_resources_are_those_of_the_small_server() -> None:
    resources = OBSERVER["deploy"]["resources"]
    assert resources["limits"] == {"cpus": "1.0", "memory": "512M", "pids": 512}
    assert resources["reservations"] == {"cpus": "0.5", "memory": "256M"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_restarts_is_bounded_and_unprivileged(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped" or name == "standby"
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


def test_observer_has_a_read_only_root_and_no_capability() -> None:
    assert OBSERVER["read_only"] is True
    assert "cap_add" not in OBSERVER
    assert "privileged" not in OBSERVER
    assert "user" not in OBSERVER, "the image's own user is the one whose directories are mounted"


def test_the_grace_period_covers_the_drain() -> None:
    grace_s = float(OBSERVER["stop_grace_period"].removesuffix("s"))
    limits = Limits()
    assert grace_s > limits.stop_deadline_s + limits.kill_again_s


def test_the_temporary_file_systems_are_bounded_and_the_sockets_private_to_the_user() -> None:
    options = {entry.partition(":")[0]: entry.partition(":")[2].split(",") for entry in OBSERVER["tmpfs"]}
    assert set(options) == {"/tmp", DEFAULTS["OBSERVER_RUN_DIR"]}  # noqa: S108 - a mount point, not a file
    assert all(any(option.startswith("size=") for option in entry) for entry in options.values())
    user = single("USER")
    (setup,) = (found.arguments for found in final_stage() if "groupadd" in found.arguments)
    assert f"groupadd --gid {user} observer " in setup
    assert {f"uid={user}", f"gid={user}", "mode=0750"} <= set(options[DEFAULTS["OBSERVER_RUN_DIR"]])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{OBSERVER_HOST_[A-Z]+_PORT:-\d+\}:\d+", port), port


def test_the_published_port_is_the_one_that_the_process_and_the_health_check_use() -> None:
    (published,) = OBSERVER["ports"]
    container_port = published.rpartition(":")[2]
    assert container_port == OBSERVER["environment"]["OBSERVER_HTTP_PORT"] == single("EXPOSE")
    assert OBSERVER["environment"]["OBSERVER_HTTP_HOST"] == "0.0.0.0"  # noqa: S104 - inside the container only
    assert "healthcheck" not in OBSERVER, "the image's own check is the one that is tested"


@pytest.mark.parametrize("name", SERVICES)
def test_no_host_name_and_no_variable_reaches_a_process(name: str) -> None:
    service = SERVICES[name]
    assert "env_file" not in service
    assert [pair for pair in service.get("environment", {}).items() if "OBSERVER_HOST" in "=".join(pair)] == []
    assert [value for value in service.get("environment", {}).values() if "$" in value] == []


def test_the_environment_is_known_to_the_schema_and_says_the_paths_of_the_image() -> None:
    environment: dict[str, str] = OBSERVER["environment"]
    assert set(environment) <= set(DEFAULTS)
    fixed = {name: value for name, value in environment.items() if DEFAULTS[name].startswith("/")}
    assert fixed == {name: default for name, default in DEFAULTS.items() if default.startswith("/")}
    assert environment["TZ"] == DEFAULTS["TZ"]
    secret = {variable.name for variable in VARIABLES if variable.secret}
    assert not secret & set(environment), "credentials belong into observer.env"


def test_commands_are_console_scripts() -> None:
    for name, service in own_services().items():
        assert "entrypoint" not in service
        command = service.get("command", ["observer-supervisor"])
        assert command[0] in console_scripts(), name


def test_the_start_order_waits_only_for_services_that_report_health() -> None:
    for name, service in SERVICES.items():
        for target, rule in service.get("depends_on", {}).items():
            assert rule["condition"] == "service_healthy", name
            assert "healthcheck" in SERVICES[target] or target in own_services()
            assert rule["required"] is not bool(SERVICES[target].get("profiles"))


def test_every_service_has_its_profile() -> None:
    assert {name: service.get("profiles") for name, service in SERVICES.items()} == {
        "observer": ["core"],
        "standby": ["handover"],
        "postgres": ["postgres"],
        "prometheus": ["monitoring"],
        "alertmanager": ["monitoring"],
        "grafana": ["monitoring"],
    }


def test_the_standby_is_observer_but_for_name_port_and_restart() -> None:
    own = {"profiles", "container_name", "restart", "ports"}
    standby, observer = SERVICES["standby"], OBSERVER
    assert {key: value for key, value in standby.items() if key not in own} == {
        key: value for key, value in observer.items() if key not in own
    }
    assert standby["ports"] != observer["ports"]
    assert standby["restart"] == "no", "it bridges one upgrade; the deployment script removes it"


def test_the_template_has_exactly_the_variables_of_the_file_with_their_defaults() -> None:
    template = template_values(COMPOSE_TEMPLATE)
    used = list(VARIABLE.finditer(COMPOSE_FILE.read_text(encoding="utf-8")))
    # Read by compose itself, not by the file.
    assert {match["name"] for match in used} == set(template) - {"COMPOSE_PROFILES"}
    assert {match["operator"] for match in used} == {":-", ":?"}, "every variable has a default or is required"
    for match in used:
        if match["operator"] == ":-":
            assert template[match["name"]] == match["text"]


def test_the_directories_of_the_template_are_absolute_and_apart() -> None:
    directories = [PurePosixPath(v) for k, v in template_values(COMPOSE_TEMPLATE).items() if k.endswith("_DIR")]
    assert all(directory.is_absolute() for directory in directories)
    assert not any(one != two and one.is_relative_to(two) for one in directories for two in directories)
    assert len(set(directories)) == len(directories)


def _resolve(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run `docker compose config` over the template and these variables; no engine is asked."""
    command = ["docker", "compose", "--env-file", str(COMPOSE_TEMPLATE), "--file", str(COMPOSE_FILE)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    return subprocess.run(
        [*command, "--profile", "*", "config", "--format", "json"],
        env=kept | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _has_compose() -> bool:
    try:
        return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


needs_compose = pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed")


@needs_compose
def test_compose_itself_resolves_the_file_with_the_directories_of_the_template() -> None:
    run = _resolve(IMAGE_TAG="build-1")
    assert run.returncode == 0, run.stderr
    observer = json.loads(run.stdout)["services"]["observer"]
    assert observer["image"].endswith(":build-1")
    template = template_values(COMPOSE_TEMPLATE)
    assert {volume["target"]: volume["source"] for volume in observer["volumes"]} == {
        "/app/data": template["OBSERVER_HOST_DATA_DIR"],
        "/app/logs": template["OBSERVER_HOST_LOG_DIR"],
        "/app/config": template["OBSERVER_HOST_CONFIG_DIR"],
        "/app/secrets": template["OBSERVER_HOST_SECRETS_DIR"],
    }
    assert observer["environment"] == OBSERVER["environment"]


@needs_compose
@pytest.mark.parametrize("name", ["IMAGE_TAG", "OBSERVER_HOST_DATA_DIR"])
def test_compose_refuses_a_variable_left_empty_and_names_it(name: str) -> None:
    run = _resolve(**({"IMAGE_TAG": "build-1"} | {name: ""}))
    assert run.returncode != 0
    assert f"set {name}" in run.stderr


def test_nothing_of_an_app_is_fixed_that_a_second_app_needs() -> None:
    """Two apps on one server run from the same file: names and ports come from variables."""
    assert OBSERVER["container_name"] == "${COMPOSE_PROJECT_NAME:-observer}"
    assert SERVICES["standby"]["container_name"] == "${COMPOSE_PROJECT_NAME:-observer}-standby"
    assert [name for name, service in SERVICES.items() if "container_name" in service] == ["observer", "standby"]
    assert "networks" not in compose()
