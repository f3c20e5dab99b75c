"""How long observations were on their way: after a standstill they arrive late, and so would what is lost with it.

A process that was held up (SIGSTOP, a starved machine) receives old observations now. When it dies among them, the
gap must reach back to when they were sent, not to when the last one was received. Pure.
"""

from collections.abc import Iterable

from observer_core.clock import NS_PER_S
from observer_core.messages import Book, Quote, Record, Trade

DELAY_LIMIT_NS = 120 * NS_PER_S
"""A longer delay is a clock that is wrong, or a quiet symbol's old trade; gaps do not reach back further for it."""


def delay_ns(records: Iterable[Record], received_ns: int) -> int:
    """Return the longest time one of these observations was on its way; 0 when none of them tells.

    A quote tells by the time it was asked for, the stream's records by the exchange's time, whole seconds.
    """
    longest = 0
    for record in records:
        if isinstance(record, Quote):
            longest = max(longest, received_ns - record.requested_ns)
        elif isinstance(record, Trade | Book) and record.source_time_ns is not None:
            longest = max(longest, received_ns - record.source_time_ns)
    return min(longest, DELAY_LIMIT_NS)
