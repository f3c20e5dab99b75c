"""Completion of `observerctl` by the shell: the scripts, putting them in place, and names that only a hub knows.

Separate so that the library's completion is loaded only where it is asked for: when the shell completes (it says so
in `_OBSERVERCTL_COMPLETE`), and by the two options. A name that cannot be asked for is no name: nothing is printed.
"""

import os
import sys
from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import typer

from observer_core.bus.request import Requester, new_request_id
from observer_core.cli.exits import FAILED
from observer_core.clock import SystemClock
from observer_core.errors import ObserverError
from observer_core.questions import GetView
from observer_core.settings import load_client_settings

PROGRAM = "observerctl"
_ASKED_BY_SHELL = "_OBSERVERCTL_COMPLETE"
_PATIENCE_S = 1.0


class Shell(StrEnum):
    """The shells there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_ONE_SESSION = {
    Shell.BASH: f"source <({PROGRAM} --show-completion bash)",
    Shell.ZSH: f"source <({PROGRAM} --show-completion zsh)",
    Shell.FISH: f"{PROGRAM} --show-completion fish | source",
}


def prepare() -> None:
    """Make the command line able to answer the shell that runs it for completion."""
    if _ASKED_BY_SHELL in os.environ:
        from typer.completion import get_completion_inspect_parameters

        # Called for what it registers; its two options would detect the shell, which fails in a container.
        get_completion_inspect_parameters()


def _show(context: typer.Context, option: typer.CallbackParam, shell: Shell | None) -> Shell | None:
    if shell is not None and not context.resilient_parsing:
        from typer.completion import show_callback

        show_callback(context, option, shell.value)
    return shell


def _install(context: typer.Context, option: typer.CallbackParam, shell: Shell | None) -> Shell | None:
    if shell is not None and not context.resilient_parsing:
        from typer.completion import install_callback

        try:
            install_callback(context, option, shell.value)
        except (OSError, RuntimeError) as error:
            # RuntimeError: there is no home directory.
            print(f"completion not installed: {error}", file=sys.stderr)
            print(f"for one session: {_ONE_SESSION[shell]}", file=sys.stderr)
            raise typer.Exit(FAILED) from error
    return shell


ShowCompletion = Annotated[
    Shell | None,
    typer.Option("--show-completion", callback=_show, is_eager=True, help="Print the shell's completion script."),
]
InstallCompletion = Annotated[
    Shell | None,
    typer.Option("--install-completion", callback=_install, is_eager=True, help="Put it into your shell's set-up."),
]


def processes(incomplete: str) -> list[str]:
    """Return the names of the running system's processes that begin so."""
    with suppress(ObserverError, OSError):
        endpoint = load_client_settings(os.environ).paths.viewer_endpoint
        with Requester(endpoint, SystemClock(), timeout_s=_PATIENCE_S) as requester:
            view = requester.ask(GetView(request_id=new_request_id())).view
        return [row.name for row in view.processes if row.name.startswith(incomplete)] if view is not None else []
    return []
