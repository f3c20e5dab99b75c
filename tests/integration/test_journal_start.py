"""Whatever state a large journal is in, its shard starts within two seconds, and what was whole is handed out."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.ids import ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.reader import JournalReader
from observer_core.journal.recovery import examine_tails, find_last_observation
from observer_core.journal.writer import JournalWriter, SegmentLimits
from observer_core.messages import encode
from observer_core.services.follower import ShardFollower
from observer_core.sinks.port import NOTHING
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, trade
from tests.fixtures.patience import slowness

pytestmark = pytest.mark.integration

SHARD = ShardName("scalp-0")
START_LIMIT_NS = 2 * NS_PER_S
SEGMENT_BYTES = 8 * 1024 * 1024
NOBODY = 65_534


@pytest.fixture(scope="module")
def contents() -> list[tuple[str, bytes]]:
    """Return four segments of full size, by file name; made once."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        records = [trade(number) for number in range(200)]
        journal = JournalWriter(directory, SHARD, SteppingClock(), limits=SegmentLimits(size_bytes=SEGMENT_BYTES))
        seq = 1
        while journal.bytes_total < 4 * SEGMENT_BYTES:
            journal.append(encode(batch(seq, records, epoch=journal.epoch)), seq, NINE_OCLOCK_NS)
            seq += len(records)
        journal.close()
        names = list_segments(directory)[:4]
        return [(name.file_name, (directory / name.file_name).read_bytes()) for name in names]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1_000)


def zero(path: Path) -> None:
    size_bytes = path.stat().st_size
    os.truncate(path, size_bytes // 2)
    os.truncate(path, size_bytes)


def unreadable(path: Path) -> None:
    path.chmod(0)


DAMAGES: list[Callable[[Path], None]] = [
    cut,
    flip,
    zero,
    unreadable,
    lambda path: os.truncate(path, 0),
    lambda path: os.truncate(path, 20),
    Path.unlink,
]


@contextmanager
def unprivileged(directory: Path) -> Iterator[None]:
    """Be somebody whom file modes bind; the superuser reads everything."""
    if os.geteuid() != 0:
        yield
        return
    for path in (directory, *directory.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def followed(directory: Path) -> set[int]:
    follower = ShardFollower(SHARD, JournalReader(directory))
    follower.rewind(NOTHING)
    found: set[int] = set()
    while follower.behind:
        for stored in follower.catch_up():
            found.update(range(stored.batch.first_seq, stored.batch.last_seq + 1))
    follower.close()
    return found


@pytest.mark.parametrize("damage", DAMAGES, ids=["cut", "flip", "zero", "unreadable", "empty", "header", "missing"])
def test_a_damaged_last_segment_never_delays_the_start(
    contents: list[tuple[str, bytes]], damage: Callable[[Path], None]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file_name, content in contents:
            (directory / file_name).write_bytes(content)
        last = directory / contents[-1][0]
        with unprivileged(directory):
            whole = max(followed(directory)) // 4 * 2
            damage(last)
            clock = SystemClock()
            begun_ns = clock.monotonic_ns()
            journal = JournalWriter(directory, SHARD, clock)
            former = find_last_observation(directory, journal.epoch)
            journal.append(encode(batch(1, [trade(1)], epoch=journal.epoch)), 1, NINE_OCLOCK_NS)
            journal.sync()
            took_ns = clock.monotonic_ns() - begun_ns
            reports = examine_tails(directory, journal.epoch)
            survived = followed(directory)
        assert took_ns < START_LIMIT_NS * slowness(), took_ns
        assert former is not None
        assert set(range(1, whole)) <= survived
        if damage in (cut, flip, zero):
            assert sum(report.torn_bytes for report in reports) > 0
            assert (directory / f"{last.name}.torn").exists()
        assert any(report.problem for report in reports) == (damage is unreadable)
        journal.close()
