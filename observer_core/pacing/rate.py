"""The rate budget of one appkey: shared by all its processes, kept over their restarts, never exceeded.

Separate from the HTTP client because the budget belongs to the appkey, not to a process. Who waits longest goes
first, so that every shard gets an equal share and their sweeps take equally long. Strict by construction: the broker
counts a call at some instant between the taking of its slot and its answer, so a slot is occupied until the answer,
however long that takes, and for one window after it; a call may start only while fewer than N slots are occupied.
Whatever window the broker slides, it finds at most N. A slot whose call got no answer, or whose holder died, stays
occupied for as long as the request may still be on its way.
"""

import asyncio
import os
import struct
from collections.abc import Container
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from observer_core.clock import NS_PER_S, Clock
from observer_core.pacing.budget_file import BudgetFile
from observer_core.pacing.rate_adapt import Adaptation, recovered, refused

ASTRAY_S = 0.5
"""How long a request without an answer may still be on its way, after its caller gave it up or was found dead."""
DOUBT_S = 0.25
"""A call unanswered for so long makes the others ask whether its holder lives."""
LONGEST_S = 60.0
"""A living holder that is silent for longer (stopped by hand) loses its slot: `holds` tells it before it sends."""
MARGIN_S = 0.004
"""Added to the window for the granularity of the broker's clock."""
SPREAD = 0.6
"""Share of the window over which N calls are spread at least, so that a burst does not arrive as one."""
PATIENCE_S = 2.0
"""After so long a waiter of any class is served: sweeps alone could keep the lower classes waiting for ever."""
VIRTUAL_SPACING_S = 1.1
"""Spacing on the virtual host: it still refused at 0.6 s although it promises one call per second."""

_MAGIC = b"OBSRATE5"
_CAPACITY = 1024
_LOCK_BUSY_S = 0.001
_YIELD_NS = 5_000_000
_GRACE_NS = 20_000_000
_FUTURE_NS = 5 * NS_PER_S
_HEADER = struct.Struct("=8s16sddIIQQQQQ")
_SLOTS_OFFSET = 128
_SLOT = struct.Struct("=QQQ")
_END = struct.Struct("=Q")
_END_OFFSET = 8
_QUEUE_OFFSET = _SLOTS_OFFSET + _CAPACITY * _SLOT.size
_QUEUE_PLACES = 64
_WAITER = struct.Struct("=QQQQ")
_FILE_BYTES = _QUEUE_OFFSET + _QUEUE_PLACES * _WAITER.size
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Priority(IntEnum):
    """Who goes first when several wait."""

    BURST = 0
    SWEEP = 1
    BACKFILL = 2


class Slot(NamedTuple):
    """The permission for one call."""

    place: int
    taken_ns: int


class _Occupied(NamedTuple):
    """A slot as it stands in the file."""

    taken_ns: int
    ended_ns: int
    """0 = its call is under way."""
    owner: int


class _State(NamedTuple):
    ceiling_per_s: float
    adaptation: Adaptation
    calls_total: int = 0
    last_taken_ns: int = 0
    places: int = 0
    """How many slots the file has had so far; only these mean something."""


class _Waiter(NamedTuple):
    """A place in the queue. It is believed until it expires, because its owner can die."""

    owner: int
    """Process and budget object; one place for all its waiting calls."""
    priority: int
    since_ns: int
    until_ns: int


def budget_path(budgets: Path, ordinal: int) -> Path:
    """Return the file of an appkey's rate budget."""
    return budgets / f"rate-{ordinal}.bin"


def effective_limit(limit_per_s: float, virtual_host: bool) -> float:
    """Return the limit to keep: the configured one, on the virtual host at most one call per 1.1 s."""
    return min(limit_per_s, 1 / VIRTUAL_SPACING_S) if virtual_host else limit_per_s


class RateBudget:
    """At most `limit_per_s` calls in any second, over all processes that open the same file.

    Open one per process, after the fork. No method blocks or raises for contention: a busy lock is a short wait.
    """

    def __init__(self, path: Path, limit_per_s: float) -> None:
        self._owner = int.from_bytes(os.urandom(8), "little") >> 2 | 1
        self._file = BudgetFile(path, _FILE_BYTES, mark=self._owner)
        self._ceiling_per_s = _checked(limit_per_s)
        self._boot = _boot_id()
        # The latest word wins: a process imposes its configured limit when it opens the file and when it is told
        # a new one, and otherwise keeps to what stands there.
        self._impose_ceiling = True

    def take(self, now_ns: int, priority: Priority = Priority.SWEEP) -> Slot | float:
        """Return a slot, or the seconds after which asking again makes sense.

        Args:
            now_ns: monotonic nanoseconds, read right before this call.
        """
        if not self._file.try_lock():
            return _LOCK_BUSY_S
        try:
            state = self._load(now_ns)
            ends = self._ends(state, now_ns)
            wait_ns = _free_ns(state, list(ends.values()), now_ns) - now_ns
            if wait_ns <= 0 and self._is_first(priority, now_ns):
                return self._occupy(state, _first_without(ends), now_ns)
            wait_ns = max(wait_ns, _YIELD_NS)
            self._queue_up(priority, now_ns, now_ns + wait_ns + _GRACE_NS)
            return wait_ns / NS_PER_S
        finally:
            self._file.unlock()

    async def acquire(self, clock: Clock, priority: Priority = Priority.SWEEP) -> Slot:
        """Wait until a slot is free and return it."""
        while True:
            taken = self.take(clock.monotonic_ns(), priority)
            if isinstance(taken, Slot):
                return taken
            await asyncio.sleep(taken)

    def holds(self, slot: Slot) -> bool:
        """Return whether a slot is still the caller's; to be asked right before the request is sent."""
        entry = self._slot(slot.place)
        return (entry.taken_ns, entry.owner) == (slot.taken_ns, self._owner)

    def complete(self, slot: Slot, now_ns: int, *, answered: bool = True) -> None:
        """Note the end of a call, so that its slot becomes free one window later.

        Args:
            slot: what the call was made with.
            now_ns: monotonic nanoseconds.
            answered: without an answer the request may reach the broker even now.
        """
        # While the holder lives nobody reuses its place, so that one aligned word is written without the lock. A reader
        # who misses it waits a little longer, never less.
        if self.holds(slot):
            ended_ns = now_ns if answered else now_ns + int(ASTRAY_S * NS_PER_S)
            self._file.write(_offset(slot.place) + _END_OFFSET, _END.pack(ended_ns))

    def refused(self, now_ns: int) -> None:
        """Note that the broker refused a call for its rate; several of them lower the limit for all processes."""
        if not self._file.try_lock():
            # Another process is noting its own refusal or taking a slot; one count less decides nothing.
            return
        try:
            state = self._load(now_ns)
            lowered = refused(state.adaptation, state.ceiling_per_s, state.calls_total, now_ns)
            self._store(state._replace(adaptation=lowered))
        finally:
            self._file.unlock()

    def set_limit(self, limit_per_s: float) -> None:
        """Change the configured limit for all processes, from this one's next `take` on."""
        self._ceiling_per_s = _checked(limit_per_s)
        self._impose_ceiling = True

    def limit_per_s(self, now_ns: int) -> float:
        """Return the limit in force: the configured one, or less after refusals."""
        return self._load(now_ns).adaptation.limit_per_s

    def used_last_second(self, now_ns: int) -> int:
        """Return how many slots were taken within the last second, by all processes."""
        since_ns = now_ns - NS_PER_S
        return sum(since_ns < slot.taken_ns <= now_ns for slot in self._slots(self._load(now_ns).places))

    def close(self) -> None:
        """Give the descriptor back; nothing is lost."""
        self._file.close()

    def _ends(self, state: _State, now_ns: int) -> dict[int, int]:
        """Return the occupied places and when their calls end, which is now at the earliest for those under way."""
        window_ns, ends = _window_ns(state.adaptation.limit_per_s), {}
        for place, slot in enumerate(self._slots(state.places)):
            ended_ns = slot.ended_ns or self._doubted(place, slot, now_ns)
            believable = max(slot.taken_ns, ended_ns) <= now_ns + _FUTURE_NS
            if slot.owner and believable and ended_ns + window_ns > now_ns:
                ends[place] = ended_ns
        return ends

    def _doubted(self, place: int, slot: _Occupied, now_ns: int) -> int:
        """Return the end of a call under way: now, unless its holder is dead or was given up."""
        under_way_s = (now_ns - slot.taken_ns) / NS_PER_S
        if under_way_s > LONGEST_S:
            return slot.taken_ns
        if under_way_s < DOUBT_S or slot.owner == self._owner or self._file.is_marked(slot.owner):
            return now_ns
        ended_ns = now_ns + int(ASTRAY_S * NS_PER_S)
        self._file.write(_offset(place) + _END_OFFSET, _END.pack(ended_ns))
        return ended_ns

    def _waiters(self) -> list[_Waiter]:
        table = self._file.read(_QUEUE_OFFSET, _QUEUE_PLACES * _WAITER.size)
        return [_Waiter(*entry) for entry in _WAITER.iter_unpack(table)]

    def _is_first(self, priority: int, now_ns: int) -> bool:
        """Return whether no living waiter of another process goes before this one."""
        waiters = [waiter for waiter in self._waiters() if waiter.until_ns > now_ns]
        since_ns = next((waiter.since_ns for waiter in waiters if waiter.owner == self._owner), now_ns)
        own = _urgency(priority, since_ns, now_ns)
        return not any(
            _urgency(other.priority, other.since_ns, now_ns) < own and self._file.is_marked(other.owner)
            for other in waiters
            if other.owner != self._owner
        )

    def _queue_up(self, priority: int, now_ns: int, until_ns: int) -> None:
        """Take or keep the own place; a full queue only costs fairness."""
        since_ns, place = now_ns, -1
        for index, waiter in enumerate(self._waiters()):
            if waiter.owner == self._owner and waiter.until_ns > now_ns:
                since_ns, place = waiter.since_ns, index
                break
            if place < 0 and waiter.until_ns <= now_ns:
                place = index
        if place >= 0:
            self._file.write(
                _QUEUE_OFFSET + place * _WAITER.size, _WAITER.pack(self._owner, priority, since_ns, until_ns)
            )

    def _leave_queue(self) -> None:
        for index, waiter in enumerate(self._waiters()):
            if waiter.owner == self._owner:
                self._file.write(_QUEUE_OFFSET + index * _WAITER.size, bytes(_WAITER.size))

    def _occupy(self, state: _State, place: int, now_ns: int) -> Slot:
        # The slot before the counters: a holder killed in between has taken nothing and sent nothing.
        self._file.write(_offset(place), _SLOT.pack(now_ns, 0, self._owner))
        self._store(
            state._replace(calls_total=state.calls_total + 1, last_taken_ns=now_ns, places=max(state.places, place + 1))
        )
        self._leave_queue()
        return Slot(place, now_ns)

    def _slot(self, place: int) -> _Occupied:
        return _Occupied(*_SLOT.unpack(self._file.read(_offset(place), _SLOT.size)))

    def _slots(self, places: int) -> list[_Occupied]:
        table = self._file.read(_SLOTS_OFFSET, places * _SLOT.size)
        return [_Occupied(*entry) for entry in _SLOT.iter_unpack(table)]

    def _load(self, now_ns: int) -> _State:
        """Read the header; anything unbelievable in it (other boot, damage) begins a new budget."""
        magic, boot, ceiling, limit, places, refusals, calls, since_ns, changed_ns, total, last_ns = _HEADER.unpack(
            self._file.read(0, _HEADER.size)
        )
        believable = magic == _MAGIC and boot == self._boot and 0 < limit <= ceiling <= _CAPACITY
        if not believable or places > _CAPACITY or last_ns > now_ns + _FUTURE_NS:
            return _State(self._ceiling_per_s, Adaptation(self._ceiling_per_s))
        adaptation = Adaptation(limit, refusals, since_ns, changed_ns, calls)
        if ceiling != self._ceiling_per_s and self._impose_ceiling:
            ceiling, adaptation = self._ceiling_per_s, Adaptation(self._ceiling_per_s)
        adaptation = recovered(adaptation, ceiling, now_ns)
        return _State(ceiling, adaptation, total, last_ns, places)

    def _store(self, state: _State) -> None:
        limit_per_s, refusals, since_ns, changed_ns, calls = state.adaptation
        counts = (state.places, refusals, calls, since_ns, changed_ns, state.calls_total, state.last_taken_ns)
        self._file.write(0, _HEADER.pack(_MAGIC, self._boot, state.ceiling_per_s, limit_per_s, *counts))
        self._impose_ceiling = False


def _window_ns(limit_per_s: float) -> int:
    return int((max(1.0, _calls(limit_per_s) / limit_per_s) + MARGIN_S) * NS_PER_S)


def _calls(limit_per_s: float) -> int:
    """Return how many calls fit one window."""
    return max(1, int(limit_per_s))


def _free_ns(state: _State, ends_ns: list[int], now_ns: int) -> int:
    """Return the instant from which the next call may start, as far as is known now."""
    calls = _calls(state.adaptation.limit_per_s)
    free_ns = now_ns
    if len(ends_ns) >= calls:
        free_ns = sorted(ends_ns)[len(ends_ns) - calls] + _window_ns(state.adaptation.limit_per_s)
    if state.calls_total:
        free_ns = max(free_ns, state.last_taken_ns + int(SPREAD / calls * NS_PER_S))
    return free_ns


def _first_without(occupied: Container[int]) -> int:
    return next(place for place in range(_CAPACITY) if place not in occupied)


def _urgency(priority: int, since_ns: int, now_ns: int) -> tuple[int, int]:
    """Return the rank of a waiter, lowest first: whoever has waited long goes before every class, the longest first."""
    return (-1 if now_ns - since_ns > PATIENCE_S * NS_PER_S else priority, since_ns)


def _checked(limit_per_s: float) -> float:
    if not 0 < limit_per_s <= _CAPACITY:
        raise ValueError(f"a rate limit is above 0 and at most {_CAPACITY} per second")
    return limit_per_s


def _offset(place: int) -> int:
    return _SLOTS_OFFSET + place * _SLOT.size


def _boot_id() -> bytes:
    """Return what tells this boot from others: monotonic times of an earlier one mean nothing now."""
    try:
        return bytes.fromhex(_BOOT_ID.read_text(encoding="ascii").strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)
