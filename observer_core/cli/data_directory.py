"""Where commands that read files find the data: a wrong directory must not look like a sound and empty one.

Separate from the settings, which know only what this command was told: the hub of the run directory tells where its
data lies, so that the two can be compared.
"""

import sys
from dataclasses import replace
from pathlib import Path

from observer_core.bus.request import Requester, new_request_id
from observer_core.clock import Clock
from observer_core.errors import ConfigError, LinkError
from observer_core.paths import Paths
from observer_core.questions import GetView
from observer_core.view import SystemView


def data_paths(paths: Paths, clock: Clock) -> Paths:
    """Return the layout with the data directory that is meant; says on standard error where that is a question.

    Raises:
        ConfigError: nothing is in the directory of the settings, and another one is meant that cannot be read here.
    """
    try:
        with Requester(paths.viewer_endpoint, clock) as requester:
            view = requester.ask(GetView(request_id=new_request_id())).view
    except LinkError:
        view = None
    return settled_paths(paths, view)


def settled_paths(paths: Paths, view: SystemView | None) -> Paths:
    """Return what `data_paths` does, for who has the view already; None = no hub answers.

    Raises:
        ConfigError: as there.
    """
    told = Path(view.data_dir) if view is not None and view.data_dir else None
    if told is not None and _is_same(told, paths.data):
        return paths
    if _holds_something(paths.data):
        if told is not None and told.is_dir():
            _note(f"read is OBSERVER_DATA_DIR={paths.data}; the hub at {paths.run} keeps its data in {told}")
        return paths
    if told is not None and _holds_something(told):
        _note(
            f"nothing is in OBSERVER_DATA_DIR={paths.data}; read is {told}, where the hub at {paths.run} keeps its data"
        )
        return replace(paths, data=told)
    if view is not None:
        raise ConfigError(
            f"nothing is in OBSERVER_DATA_DIR={paths.data}, and the hub at {paths.run} keeps its data elsewhere "
            f"({told or 'it does not tell where'}): set OBSERVER_DATA_DIR to where that lies here"
        )
    if not paths.data.is_dir():
        raise ConfigError(
            f"OBSERVER_DATA_DIR={paths.data} is no directory, and no hub at {paths.run} tells another: set "
            "OBSERVER_DATA_DIR to the data directory, or OBSERVER_RUN_DIR to that of a running supervisor"
        )
    return paths


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _holds_something(directory: Path) -> bool:
    try:
        return any(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # Not readable is not empty: whoever reads it says so with the reason.
        return True


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
