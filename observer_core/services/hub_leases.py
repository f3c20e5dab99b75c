"""Who may give orders, and until when. Pure.

A lease belongs to one process of one user, as the kernel names it (uid and pid), so that nobody acts on another's.
Separate from `hub_orders` because a lease says who, an order says what.
"""

from typing import NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.questions import AcquireLease
from observer_core.view import LeaseView

LONGEST_LEASE_S = 600
LEASES_LIMIT = 64
NAME_LIMIT = 64
REASON_LIMIT = 200


class Peer(NamedTuple):
    """The process at the other end of an ipc connection, proved by the kernel (SO_PEERCRED)."""

    uid: int
    gid: int
    pid: int


def shown(text: str, limit: int) -> str:
    """Return text of a client fit for logs and terminals: one line, printable, bounded."""
    return "".join(letter if letter.isprintable() else " " for letter in text[: limit * 2]).strip()[:limit]


def described(peer: Peer, operator: str) -> str:
    """Return how a person is shown: the name they claim and what the kernel knows."""
    return f"{shown(operator, NAME_LIMIT) or 'unnamed'} (uid {peer.uid}, pid {peer.pid})"


class Refusal(NamedTuple):
    """Why something is not given or done; the text says what to do."""

    text: str


class LeaseBook:
    """The live leases by peer."""

    def __init__(self) -> None:
        self._leases: dict[Peer, LeaseView] = {}

    def acquire(self, peer: Peer, lease: AcquireLease, now_ns: int) -> LeaseView | Refusal:
        """Give or renew a lease for at most ten minutes; 0 or less seconds end it."""
        self._expire(now_ns)
        reason = shown(lease.reason, REASON_LIMIT)
        who = described(peer, lease.operator)
        if lease.seconds <= 0:
            self._leases.pop(peer, None)
            return LeaseView(who=who, reason=reason, until_ns=now_ns)
        if not shown(lease.operator, NAME_LIMIT) or not reason:
            return Refusal("a lease needs the operator's name and a reason: give both")
        if len(self._leases) >= LEASES_LIMIT and peer not in self._leases:
            return Refusal(f"{LEASES_LIMIT} leases are in use: wait until one ends, or give one back")
        given = LeaseView(who=who, reason=reason, until_ns=now_ns + min(lease.seconds, LONGEST_LEASE_S) * NS_PER_S)
        self._leases[peer] = given
        return given

    def holds(self, peer: Peer, now_ns: int) -> bool:
        """Return whether this peer may give orders now."""
        self._expire(now_ns)
        return peer in self._leases

    def live(self, now_ns: int) -> tuple[LeaseView, ...]:
        """Return the live leases, the one that ends first in front."""
        self._expire(now_ns)
        return tuple(sorted(self._leases.values(), key=lambda lease: (lease.until_ns, lease.who)))

    def _expire(self, now_ns: int) -> None:
        self._leases = {peer: lease for peer, lease in self._leases.items() if lease.until_ns > now_ns}
