"""Due trades to frames, and everything that can go wrong on that way; pure apart from the generator passed in.

Separate from the sessions so that every fault of framing is tested without a socket. Whatever a fault keeps back is
named, because the ledger is the oracle for completeness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from observer_core.kis.simulator.frames import data_frame
from observer_core.kis.simulator.knobs import Knobs
from observer_core.kis.simulator.ledger import MarketRow


class Observed(NamedTuple):
    """The ledger's view of one record: all but the receiver and the time of sending."""

    kind: str
    symbol: str
    exchange_time: str
    price: int
    volume: int
    cumulative_volume: int
    expected: bool = False
    """A trade record that carries an auction's expected price."""

    def kept(self, now_ns: int, receiver: str, why: str) -> MarketRow:
        """Return the ledger's row of a record that is not sent."""
        kind, symbol, exchange_time, price, volume, cumulative_volume, expected = self
        of = "expected" if expected else kind
        return MarketRow("market", of, symbol, exchange_time, price, volume, cumulative_volume, now_ns, receiver, why)


class DueRecord(NamedTuple):
    """A record to send: when it happened, its stream, its text and what the ledger says of it."""

    time_ns: int
    tr_id: str
    text: str
    observed: Observed


class Outgoing(NamedTuple):
    """One message to send; `tr_id` is empty for control messages, which carry no records."""

    text: str
    tr_id: str = ""
    records: tuple[Observed, ...] = ()


class Withheld(NamedTuple):
    """A record that is not sent, and the fault that keeps it."""

    observed: Observed
    why: str


DROPPED: Final = "dropped"
TRUNCATED: Final = "truncated"


def framed(due: list[DueRecord], knobs: Knobs, rng: Random) -> Iterator[Outgoing | Withheld]:
    """Yield the frames of due records, oldest first, and what is kept back; equal times keep their order."""
    due.sort(key=lambda record: record.time_ns)
    # A frame has one width, also while the broker changes it.
    by_stream: dict[tuple[str, int], list[DueRecord]] = {}
    for record in due:
        if knobs.drop_record_rate and rng.random() < knobs.drop_record_rate:
            yield Withheld(record.observed, DROPPED)
        else:
            by_stream.setdefault((record.tr_id, record.text.count("^")), []).append(record)
    for (tr_id, _), records in by_stream.items():
        for start in range(0, len(records), knobs.records_per_frame):
            chunk = records[start : start + knobs.records_per_frame]
            if knobs.truncate_rate and rng.random() < knobs.truncate_rate:
                yield from _truncated(tr_id, chunk, rng)
            else:
                texts = [record.text for record in chunk]
                yield Outgoing(data_frame(tr_id, texts), tr_id, tuple([record.observed for record in chunk]))


def _truncated(tr_id: str, chunk: Sequence[DueRecord], rng: Random) -> Iterator[Outgoing | Withheld]:
    """Yield a frame that announces all records and ends inside one, before that one's last field."""
    whole = rng.randrange(len(chunk))
    fields = chunk[whole].text.split("^")
    kept = fields[: rng.randrange(1, len(fields) - 1)]
    kept[-1] = kept[-1][: rng.randrange(len(kept[-1]) + 1)]
    texts = [record.text for record in chunk[:whole]]
    text = f"0|{tr_id}|{len(chunk):03d}|" + "^".join((*texts, *kept))
    yield Outgoing(text, tr_id, tuple(record.observed for record in chunk[:whole]))
    for record in chunk[whole:]:
        yield Withheld(record.observed, TRUNCATED)
