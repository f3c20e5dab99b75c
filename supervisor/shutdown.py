"""The one deadline of a stop and who may use how much of it; separate so that the tree keeps only the order."""

import signal
from dataclasses import dataclass, field

from observer_core.exit_codes import ExitCode
from supervisor import policy
from supervisor.causes import Exit
from supervisor.limits import Limits, ns
from supervisor.orders import Moment
from supervisor.policy import Child, Ending, Step
from supervisor.specs import STOP_SHARES
from supervisor.states import State


@dataclass(slots=True)
class Shutdown:
    """Begins with the first stop signal; later ones only shorten it."""

    limits: Limits
    begun: Moment
    requests: int = 1
    unclean: set[str] = field(default_factory=set)
    """Children that were killed or did not end with OK."""
    _hurried_ns: int | None = None

    @property
    def give_up_ns(self) -> int:
        """Return when even processes that survive SIGKILL are left behind."""
        return self.kill_at_ns(0) + ns(self.limits.kill_again_s)

    def kill_at_ns(self, group: int) -> int:
        """Return when what is left of a group is killed (monotonic)."""
        planned = self.begun.monotonic_ns + ns(self.limits.stop_deadline_s * STOP_SHARES[group])
        return planned if self._hurried_ns is None else min(planned, self._hurried_ns)

    def hurry(self, now: Moment) -> int:
        """Take note of a further stop signal and return when everything is killed: soon, then at once."""
        self.requests += 1
        left_s = self.limits.hurry_s if self.requests == 2 else 0.0
        at = now.monotonic_ns + ns(left_s)
        self._hurried_ns = at if self._hurried_ns is None else min(at, self._hurried_ns)
        return self._hurried_ns

    def settle(self, child: Child) -> Step:
        """Settle what has no process, and take over what is ending already, whatever for."""
        if not child.live:
            return policy.settled(child), []
        if child.state is State.STOPPING:
            return policy.stop(child, Ending.SHUTDOWN, self.kill_at_ns(child.spec.group), self.begun)
        return child, []

    def ended(self, child: Child, end: Exit) -> None:
        """Judge the end of one child."""
        by_request = child.ending is Ending.SHUTDOWN and not child.killed
        expected = {int(ExitCode.OK), -int(child.spec.stop_signal), -int(signal.SIGTERM)}
        if not (by_request and end.status in expected):
            self.unclean.add(child.name)
