"""What one burst of stream messages comes to: records in the order of arrival, and the broker's answers.

Separate from the session's loop because it knows frames and records but neither connects nor registers.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from observer_core.clock import Clock
from observer_core.kis.records import StreamParser, reject_frame
from observer_core.kis.stream import Received
from observer_core.kis.wire import ControlMessage, DataFrame, RejectedFrame
from observer_core.messages import Book, Event, Record, Trade
from observer_core.services.stream_alarms import FrameAlarm, SilenceProof

logger = logging.getLogger(__name__)


class Intake(NamedTuple):
    """One burst, read."""

    records: list[Record]
    """Observations, rejections and alarms, in the order of arrival."""
    answers: list[ControlMessage]
    observed: int
    """How many of the records are observations."""
    received_ns: int
    """Of the last message."""


class StreamIntake:
    """Reads bursts of one shard, over all its sessions."""

    def __init__(self, name: str, proof: SilenceProof, clock: Clock, *, keep_raw: bool) -> None:
        self._name = name
        self._proof = proof
        self._clock = clock
        self._parser = StreamParser(keep_raw)
        self._alarm = FrameAlarm(name)
        self.width_changes_total = 0

    def read(self, burst: Sequence[Received]) -> Intake:
        """Return what a burst, of at least one message, holds."""
        records: list[Record] = []
        answers: list[ControlMessage] = []
        frames = 0
        for received_ns, message in burst:
            match message:
                case DataFrame():
                    frames += 1
                    records += self._parser.parse(message, received_ns)
                case RejectedFrame():
                    frames += 1
                    records.append(reject_frame(message, received_ns))
                case ControlMessage():
                    answers.append(message)
        heard_ns = burst[-1].received_ns
        observed = self._count_observed(records)
        records += self._alarm.feed(frames, observed, heard_ns)
        for change in self._parser.take_width_changes():
            text = f"{change.tr_id} has {change.now} fields a record, not {change.before}"
            self.width_changes_total += 1
            logger.error("frame width changed", extra={"tr_id": change.tr_id, "fields": change.now})
            records.append(Event(heard_ns, "frame_width_changed", "error", self._name, text))
        return Intake(records, answers, observed, heard_ns)

    def _count_observed(self, records: Sequence[Record]) -> int:
        """Return how many observations there are; note which symbols were heard."""
        monotonic_ns, observed = self._clock.monotonic_ns(), 0
        for record in records:
            if isinstance(record, Trade):
                self._proof.heard(record.symbol, monotonic_ns)
                observed += 1
            else:
                observed += isinstance(record, Book)
        return observed
