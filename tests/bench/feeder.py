"""One shard of the pipeline bench: parses frames, journals and publishes, flat out or paced.

`python -m tests.bench.feeder <plan as JSON>`; begins at a line on standard input, waits for another one at the end.
"""

import sys
import time
from itertools import cycle, islice
from pathlib import Path

import msgspec

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.kis.records import StreamParser
from observer_core.kis.wire import DataFrame, parse_frame
from observer_core.messages import Record
from observer_core.services.recorder import Recorder
from tests.bench.stages import trade_texts
from tests.fixtures.journals import start_recorder

SYNC_NS = 100_000_000
BURST_NS = 4_000_000
BURST_RECORDS = 100


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a feeder is told."""

    journals: str
    shard: str
    endpoints: tuple[str, ...]
    records: int
    rate_per_s: float = 0.0
    """0 = as fast as it can."""


def main() -> None:
    """Feed."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    recorder = start_recorder(Path(plan.journals), plan.shard, plan.endpoints)
    texts = cycle(trade_texts(1000))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    if plan.rate_per_s:
        _paced(plan, recorder, texts)
    else:
        _flat_out(plan, recorder, texts)
    recorder.sync()
    sys.stdout.write("fed\n")
    sys.stdout.flush()
    sys.stdin.readline()
    recorder.close()


def _flat_out(plan: Plan, recorder: Recorder, texts: "cycle[str]") -> None:
    left, clock, parser, synced_ns = plan.records, SystemClock(), StreamParser(keep_raw=True), 0
    while left:
        burst = min(left, BURST_RECORDS)
        _feed(recorder, parser, list(islice(texts, burst)), clock)
        left -= burst
        if clock.monotonic_ns() - synced_ns >= SYNC_NS:
            recorder.sync()
            synced_ns = clock.monotonic_ns()


def _paced(plan: Plan, recorder: Recorder, texts: "cycle[str]") -> None:
    clock, parser, fed = SystemClock(), StreamParser(keep_raw=True), 0
    begun_ns = synced_ns = clock.monotonic_ns()
    while fed < plan.records:
        now_ns = clock.monotonic_ns()
        due = min(plan.records, int((now_ns - begun_ns) * plan.rate_per_s / NS_PER_S))
        if due > fed:
            _feed(recorder, parser, list(islice(texts, due - fed)), clock)
            fed = due
        if now_ns - synced_ns >= SYNC_NS:
            recorder.sync()
            synced_ns = now_ns
        time.sleep(BURST_NS / NS_PER_S)


def _feed(recorder: Recorder, parser: StreamParser, texts: list[str], clock: SystemClock) -> None:
    """Read a burst of frames as the stream does: each with the time of its receipt, all as one batch."""
    records: list[Record] = []
    received_ns = clock.now_ns()
    for text in texts:
        frame = parse_frame(text)
        assert isinstance(frame, DataFrame)
        records += parser.parse(frame, clock.now_ns())
    recorder.append(records, received_ns)


if __name__ == "__main__":
    main()
