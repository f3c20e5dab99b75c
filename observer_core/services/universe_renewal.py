"""The listing files of the morning: downloaded anew at eight, and the day's universe built from them.

Separate from the keeper, which answers requests: this one leaves a request, as an operator would.
"""

import asyncio

from observer_core.clock import NS_PER_S, Clock, kst_day
from observer_core.errors import ObserverError
from observer_core.paths import Paths
from observer_core.services.universe_files import (
    Request,
    cached_listings,
    forget_listings,
    keep_listings,
    leave_request,
    read_outcome,
)

PATIENCE_S = 120.0
_POLL_S = 0.2


async def renew_universe(paths: Paths, clock: Clock) -> str:
    """Have the listings fetched anew and the universe built from them; return what became of it.

    Raises:
        ObserverError: it was refused or failed; the shards keep what they have.
    """
    day = kst_day(clock.now_ns())
    former = await asyncio.to_thread(cached_listings, paths, day)
    await asyncio.to_thread(forget_listings, paths, day)
    try:
        return await _asked(paths, clock)
    except ObserverError:
        # What is on the desk later today needs listings, and older ones are better than none.
        if former is not None and await asyncio.to_thread(cached_listings, paths, day) is None:
            await asyncio.to_thread(keep_listings, paths, day, former)
        raise


async def _asked(paths: Paths, clock: Clock) -> str:
    now_ns = clock.now_ns()
    request_id = f"timetable-{now_ns}"
    reason = "listing files of the morning"
    leave_request(paths, Request(request_id=request_id, verb="apply", who="timetable", reason=reason, at_ns=now_ns))
    deadline_ns = clock.monotonic_ns() + int(PATIENCE_S * NS_PER_S)
    while clock.monotonic_ns() < deadline_ns:
        outcome = read_outcome(paths)
        if outcome is not None and request_id in outcome.request_ids:
            if outcome.state in {"applied", "unchanged"}:
                return outcome.text
            raise ObserverError(f"{outcome.state}: {outcome.text}")
        await asyncio.sleep(_POLL_S)
    raise ObserverError(f"no answer about the universe for {PATIENCE_S:.0f} s")
