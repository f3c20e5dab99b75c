"""Reading an env file line by line, and what else can be wrong with names and rights: misspelt, open to others.

Separate from `settings`, which judges values. A line that cannot be read costs that line, never the others.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from observer_core.variables import DEPRECATED, VARIABLES

_OURS = ("OBSERVER_", "KIS_")
_HOST = "OBSERVER_HOST_"
"""Names of the compose file for paths of the host: they may stand in the same file."""
_NUMBERED = re.compile(r"(KIS_(?:APP|API)_(?:KEY|SECRET))_\d+")
_NEAR = 0.85


def read_env_file(path: Path, problems: list[str]) -> dict[str, str]:
    """Return the variables of a file; what cannot be read is added to the problems, line by line."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        problems.append(f"OBSERVER_ENV_FILE={str(path)!r} cannot be read ({error}); correct the path or its rights")
        return {}
    values: dict[str, str] = {}
    for number, line in enumerate(raw.splitlines(), start=1):
        stripped = line.decode("utf-8", errors="replace").strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.removeprefix("export ").partition("=")
        if not equals or not name.strip().isidentifier() or "\ufffd" in stripped:
            # The line may hold a secret: its number is enough to find it.
            problems.append(f"{path}:{number} is not KEY=VALUE; write one variable a line, in UTF-8, comments after #")
            continue
        values[name.strip()] = _unquoted(value.strip())
    return values


def misspelt_names(names: Iterable[str]) -> list[str]:
    """Return a sentence about each name that is none of ours but nearly one."""
    known = {variable.name for variable in VARIABLES} | set(DEPRECATED)
    found = []
    for name in sorted(names):
        plain = _NUMBERED.sub(r"\1", name)
        if not name.startswith(_OURS) or name.startswith(_HOST) or plain in known:
            continue
        near = difflib.get_close_matches(plain, known, n=1, cutoff=_NEAR)
        if near:
            found.append(f"{name} is no variable of Observer and has no effect: is {near[0]} meant?")
    return found


def exposure(path: Path, values: Mapping[str, str]) -> list[str]:
    """Return a sentence when others than its owner may read an env file that holds a credential."""
    secret = {variable.name for variable in VARIABLES if variable.secret} | set(DEPRECATED)
    if not any(value and _NUMBERED.sub(r"\1", name) in secret for name, value in values.items()):
        return []
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return []
    if not mode & 0o077:
        return []
    return [f"{path} has mode {mode:04o}: others than its owner may read the credentials in it; chmod 600 {path}"]


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
