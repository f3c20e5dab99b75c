"""States of a supervised process and the only way from one to another.

Being paused is not a state: a paused shard runs, and stays paused over restarts.
"""

from enum import StrEnum

from observer_core.errors import ProcessError


class State(StrEnum):
    """Where a process stands in its life."""

    STOPPED = "stopped"
    """Not started yet, or ended because it was asked to."""
    STARTING = "starting"
    """Forked; has not reported ready."""
    RUNNING = "running"
    """Reported ready."""
    STOPPING = "stopping"
    """Told to end; may still be alive."""
    BACKOFF = "backoff"
    """Dead; starts again when its delay is over."""
    QUARANTINED = "quarantined"
    """Dead for good reason; tried again slowly, at a session's opening, or by an operator."""


LIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING})
"""States in which there is, or is about to be, a process."""

_DEAD_ENDS = frozenset({State.STOPPED, State.BACKOFF, State.QUARANTINED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.STOPPED: frozenset({State.STARTING, State.BACKOFF, State.QUARANTINED}),
    State.STARTING: frozenset({State.RUNNING, State.STOPPING}) | _DEAD_ENDS,
    State.RUNNING: frozenset({State.STOPPING}) | _DEAD_ENDS,
    State.STOPPING: frozenset({State.STARTING}) | _DEAD_ENDS,
    State.BACKOFF: frozenset({State.STARTING, State.STOPPED}),
    State.QUARANTINED: frozenset({State.STARTING, State.STOPPED}),
}
"""A dead process leaves STOPPED for BACKOFF or QUARANTINED when an earlier supervisor left it there."""


def transition(current: State, target: State) -> State:
    """Return the target state.

    Raises:
        ProcessError: the table does not lead there; a bug of the policy.
    """
    if target not in TRANSITIONS[current]:
        raise ProcessError(f"a process cannot go from {current} to {target}")
    return target
