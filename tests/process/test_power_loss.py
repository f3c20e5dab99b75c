"""The host loses power: what was not synced is gone. At most the sync interval, and a gap record covers exactly that.

The journal of a killed shard is cut at the last position it had synced, as its own side log says; a second life of the
same shard then has to cover every record that the cut took.
"""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from observer_core.clock import NS_PER_MS, NS_PER_S
from observer_core.ids import ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.reader import SegmentReader, payload_spans
from observer_core.messages import Batch, Gap, Trade, decode_batch
from tests.fixtures.journals import wait_until
from tests.fixtures.patience import PATIENCE_S

pytestmark = pytest.mark.process

SYNC_INTERVAL_NS = 100 * NS_PER_MS
SLACK_NS = 100 * NS_PER_MS
"""For the sync itself and a machine that runs other things."""
IN_FLIGHT_NS = 3 * NS_PER_S
ROOT = Path(__file__).resolve().parents[2]


class Recorded(NamedTuple):
    """One line of the side log."""

    epoch: int
    number: int
    received_ns: int
    durable: tuple[int, int, int]


def start(data: Path, side_log: Path, seconds: float) -> "subprocess.Popen[bytes]":
    command = (sys.executable, "-m", "tests.fixtures.power_loss_main", str(data), str(side_log), str(seconds))
    return subprocess.Popen(command, cwd=ROOT)


def read_side_log(path: Path) -> list[Recorded]:
    text = path.read_text() if path.exists() else ""
    lines = [[int(part) for part in line.split()] for line in text.splitlines()]
    return [Recorded(line[0], line[1], line[2], (line[3], line[4], line[5])) for line in lines if len(line) == 6]


def longest_rest_ns(recorded: list[Recorded]) -> int:
    """Return the longest time in which a program that records every two milliseconds recorded nothing.

    For so long the machine let it wait: it could not sync either.
    """
    return max((after.received_ns - before.received_ns for before, after in pairwise(recorded)), default=0)


def batches(directory: Path) -> list[Batch]:
    found: list[Batch] = []
    for name in list_segments(directory):
        with SegmentReader(directory / name.file_name) as reader:
            found += [decode_batch(reader.read_span(begin, end)) for begin, end in payload_spans(reader)[0]]
    return found


def lose_power(directory: Path, durable: tuple[int, int, int]) -> int:
    """Cut the journal at a synced position; return the bytes that this took."""
    epoch, ordinal, end_offset = durable
    lost_bytes = 0
    for name in list_segments(directory):
        path = directory / name.file_name
        size_bytes = path.stat().st_size
        kept = size_bytes if (name.epoch, name.ordinal) < (epoch, ordinal) else 0
        if (name.epoch, name.ordinal) == (epoch, ordinal):
            kept = end_offset
        os.truncate(path, kept)
        lost_bytes += size_bytes - kept
    return lost_bytes


def test_power_loss_takes_a_sync_interval_and_a_gap_covers_exactly_that(tmp_path: Path) -> None:
    data, side_log = tmp_path / "data", tmp_path / "side.log"
    directory = data / "journal" / ShardName("scalp-0")
    first = start(data, side_log, 60)
    try:
        wait_until(lambda: len(read_side_log(side_log)) > 500, "five hundred records")
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    recorded = read_side_log(side_log)
    everything = {record.number for record in recorded}
    assert lose_power(directory, recorded[-1].durable) > 0

    survived = {
        record.cumulative_volume
        for batch in batches(directory)
        for record in batch.records
        if isinstance(record, Trade)
    }
    lost = [record for record in recorded if record.number not in survived]
    assert lost, "the cut must take something, or this test shows nothing"
    assert {record.number for record in lost} == set(range(min(r.number for r in lost), max(everything) + 1))
    assert lost[-1].received_ns - lost[0].received_ns <= SYNC_INTERVAL_NS + SLACK_NS + longest_rest_ns(recorded)

    second_log = tmp_path / "second.log"
    second = start(data, second_log, 0.3)
    assert second.wait(PATIENCE_S) == 0
    later = [batch for batch in batches(directory) if batch.epoch > recorded[0].epoch]
    gaps = {record.gap_id: record for batch in later for record in batch.records if isinstance(record, Gap)}
    (gap,) = gaps.values()
    assert gap.reason == "restart"
    assert gap.until_ns is not None
    assert all(gap.from_ns <= record.received_ns <= gap.until_ns for record in lost)
    last_survivor_ns = max(record.received_ns for record in recorded if record.number in survived)
    assert gap.from_ns == last_survivor_ns - IN_FLIGHT_NS, "back to the last observation, and what was on its way then"
    again = read_side_log(second_log)
    first_again_ns = min(batch.received_ns for batch in later if isinstance(batch.records[-1], Trade))
    assert first_again_ns <= gap.until_ns <= first_again_ns + SLACK_NS + longest_rest_ns(again)
