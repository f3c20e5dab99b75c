"""docs/path-contract.md lists every path of the container, and nothing else: code, image and compose agree with it."""

import ast
import inspect
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from observer_core.paths import Paths
from observer_core.variables import VARIABLES
from tests.fixtures.deployment import REQUIRED_VARIABLE, ROOT, compose, created_directories, mounts, pyproject

DOCUMENT = ROOT / "docs" / "path-contract.md"
DEFAULTS = {variable.name: variable.default for variable in VARIABLES}
TMPFS = "tmpfs"
NO_VARIABLE = "-"


class Row(NamedTuple):
    """One row of the table."""

    path: str
    purpose: str
    mount: str
    host_variable: str


def rows() -> list[Row]:
    """Return the table of the document, its head and code marks removed."""
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["Container path", "Purpose", "Mount", "Host variable"]
    return [Row(*cell) for cell in cells[2:]]


def paths_of_the_code() -> set[str]:
    """Return every path that `Paths` knows, with the placeholders of its parameters, and its roots."""
    roots = {
        "data": DEFAULTS["OBSERVER_DATA_DIR"],
        "logs": DEFAULTS["OBSERVER_LOG_DIR"],
        "config": DEFAULTS["OBSERVER_CONFIG_DIR"],
        "run": DEFAULTS["OBSERVER_RUN_DIR"],
        "token_cache": DEFAULTS["KIS_TOKEN_CACHE_DIR"],
    }
    paths = Paths(**{name: Path(root) for name, root in roots.items()})
    found = set(roots.values())
    for name, member in inspect.getmembers(Paths):
        if name.startswith("_") or name in roots:
            continue
        value = getattr(paths, name)
        if inspect.isfunction(member):
            parameters = list(inspect.signature(member).parameters)[1:]
            value = value(*(f"<{parameter}>" for parameter in parameters))
        found.add(str(value).removeprefix("ipc://"))
    return found


def paths_of_the_settings() -> set[str]:
    """Return every absolute path among the defaults and in the environment that compose sets."""
    values = [*DEFAULTS.values(), *compose()["services"]["observer"]["environment"].values()]
    return {value for value in values if value.startswith("/")}


def test_the_table_lists_every_path_and_no_other() -> None:
    directories = {str(path) for path in created_directories()}
    targets = {str(path) for path in mounts("observer")}
    expected = paths_of_the_code() | paths_of_the_settings() | directories | targets
    listed = [row.path for row in rows()]
    assert len(set(listed)) == len(listed)
    assert {"missing": expected - set(listed), "stale": set(listed) - expected} == {"missing": set(), "stale": set()}
    assert all(row.purpose for row in rows())


def test_the_mount_and_host_variable_of_each_row_are_those_of_compose() -> None:
    observer = mounts("observer")
    for row in rows():
        path = PurePosixPath(row.path)
        covering = [target for target in observer if path.is_relative_to(target)]
        assert covering, f"{row.path} lies in the container layer"
        mount = max(covering, key=lambda target: len(target.parts))
        variable = REQUIRED_VARIABLE.fullmatch(observer[mount])
        expected = (TMPFS, NO_VARIABLE) if variable is None else (str(mount), variable["name"])
        assert (row.mount, row.host_variable) == expected, row.path


def test_the_image_makes_every_mount_point_and_directory_of_the_defaults() -> None:
    created = created_directories()
    needed = {PurePosixPath(default) for default in DEFAULTS.values() if default.startswith("/")}
    in_the_base_image = {PurePosixPath("/tmp")}  # noqa: S108 - a mount point, not a file
    needed |= set(mounts("observer")) - in_the_base_image
    assert needed - created == set()


def test_the_image_makes_the_fixed_children_of_its_roots() -> None:
    """Names with a suffix are files, names in brackets are made when their owner starts, as is what lies deeper."""
    listed = {PurePosixPath(row.path) for row in rows() if "<" not in row.path}
    children = {path for path in listed if len(path.parts) == 4 and not path.suffix}
    archive = {"data/scalp", "data/swing", "data/system", "logs/maintenance", "logs/system", "secrets/.kis_cache"}
    assert children | {PurePosixPath("/app") / name for name in archive} <= created_directories()


def test_code_writes_below_configured_directories_only() -> None:
    """An absolute path of the container in code, other than a default, would escape the mounts of another layout."""
    allowed = {"observer_core/variables.py"}
    packages: list[str] = pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    found = [
        f"{name}:{node.lineno}: {node.value!r}"
        for package in packages
        for file in sorted((ROOT / package).rglob("*.py"))
        if (name := str(file.relative_to(ROOT))) not in allowed
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.match(r"/(app|run/observer|var/lib|srv|home)(/|$)", node.value)
    ]
    assert found == []
