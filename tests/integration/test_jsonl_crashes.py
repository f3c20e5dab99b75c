"""Whatever crash hits the JSONL archive: after the journal is read again, every record is in exactly one line."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from observer_core.archive.layout import parse_path
from observer_core.clock import NS_PER_S
from observer_core.ids import ShardName
from observer_core.messages import Batch, Record
from observer_core.sinks import jsonl
from observer_core.sinks.jsonl import JsonlSink
from observer_core.sinks.port import NOTHING, Offset, StoredBatch
from tests.fixtures.journals import SteppingClock, batch, event, quote, trade

pytestmark = pytest.mark.integration

SHARDS = ("scalp-0", "swing-0")
Key = tuple[int, int]


def archive_lines(root: Path) -> dict[tuple[str, str], list[Key]]:
    """Return (epoch, seq) of every line by (shard, track), in the order of the windows."""
    found: dict[tuple[str, str], list[Key]] = {}
    windows = []
    for path in root.glob("*/????/??/??/??/*.jsonl"):
        window = parse_path(str(path.relative_to(root)))
        assert window is not None, path
        windows.append((window.begins_ns, path, window))
    for _, path, window in sorted(windows):
        content = path.read_bytes()
        assert content == b"" or content.endswith(b"\n"), path
        for line in content.splitlines():
            fields = json.loads(line)
            assert fields["shard"] == window.shard
            found.setdefault((window.shard, window.track), []).append((fields["epoch"], fields["seq"]))
    return found


def expected_lines(batches: list[Batch]) -> dict[tuple[str, str], list[Key]]:
    """Return what `archive_lines` should find, from the records alone."""
    found: dict[tuple[str, str], list[Key]] = {}
    for one in batches:
        for index, record in enumerate(one.records):
            observed = type(record).__name__ in {"Trade", "Quote", "Book"}
            track = one.shard.partition("-")[0] if observed else "system"
            found.setdefault((one.shard, track), []).append((one.epoch, one.first_seq + index))
    return found


class Crashes(RuleBasedStateMachine):
    """Two shards, one sink, a clock, and crashes that may take what was not synced."""

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self.root = Path(self._temporary.name)
        self.checkpoint = self.root / "state" / "jsonl.json"
        self.clock = SteppingClock()
        self.journal: list[Batch] = []
        self.next: dict[str, Key] = dict.fromkeys(SHARDS, (1, 1))
        self.handed_out = 0
        self.synced: dict[Path, int] = {}
        """Bytes of every file that a power loss cannot take: what the sink had synced, whenever it did."""
        self.sink: JsonlSink
        self._real_syncs = {name: getattr(os, name) for name in ("fsync", "fdatasync")}
        for name, real in self._real_syncs.items():
            setattr(os, name, self._noted(real))

    def _noted(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def synced(descriptor: int) -> None:
            sync(descriptor)
            self.synced[Path(f"/proc/self/fd/{descriptor}").readlink()] = os.fstat(descriptor).st_size

        return synced

    @initialize()
    def begin(self) -> None:
        self.start()

    def start(self) -> None:
        """Open a new process's sink; what it does not hold is handed out again."""
        if hasattr(self, "sink"):
            self.sink._abandon()  # as the kernel closes the files of a dead process
        self.sink = JsonlSink(self.root, self.checkpoint, self.clock)
        offsets = self.sink.open()
        self.again = [
            one
            for one in self.journal[: self.handed_out]
            if Offset(one.epoch, one.last_seq) > offsets.get(one.shard, NOTHING)
        ]
        self.sink.write([StoredBatch(one, 1) for one in self.again])

    @rule(shard=st.sampled_from(SHARDS), kinds=st.lists(st.sampled_from("tqe"), min_size=1, max_size=5))
    def record(self, shard: str, kinds: list[str]) -> None:
        make: dict[str, Callable[[int], Record]] = {"t": trade, "q": quote, "e": event}
        records = [make[kind](number) for number, kind in enumerate(kinds)]
        epoch, seq = self.next[shard]
        made = batch(seq, records, epoch=epoch, shard=shard)
        self.journal.append(_received(made, self.clock.wall_ns))
        self.next[shard] = (epoch, seq + len(records))

    @rule(shard=st.sampled_from(SHARDS))
    def shard_restarts(self, shard: str) -> None:
        self.next[shard] = (self.next[shard][0] + 1, 1)

    @rule()
    def write(self) -> None:
        self.sink.write([StoredBatch(one, 1) for one in self.journal[self.handed_out :]])
        self.handed_out = len(self.journal)

    @rule()
    def commit(self) -> None:
        self.sink.commit()

    @rule(seconds=st.sampled_from([0.5, 2, 61, 301, 3700]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([2, 400]))
    def clock_steps_back(self, seconds: int) -> None:
        self.clock.wall_ns -= seconds * NS_PER_S

    @rule()
    def process_is_killed(self) -> None:
        self.start()

    @rule(data=st.data(), zeros=st.booleans())
    def host_loses_power(self, data: st.DataObject, zeros: bool) -> None:
        for path in sorted(self.root.rglob("*.jsonl")):
            content = path.read_bytes()
            kept = data.draw(st.integers(min(self.synced.get(path, 0), len(content)), len(content)))
            path.write_bytes(content[:kept] + bytes(len(content) - kept if zeros else 0))
        self.start()

    @precondition(lambda self: self.checkpoint.exists())
    @rule(damaged=st.booleans())
    def checkpoint_is_lost(self, damaged: bool) -> None:
        self.checkpoint.write_text('{"version":') if damaged else self.checkpoint.unlink()
        self.start()

    @rule()
    def stop_and_start(self) -> None:
        self.sink.close()
        self.start()

    @invariant()
    def every_record_in_one_line(self) -> None:
        if not hasattr(self, "sink"):
            return
        found = {key: sorted(lines) for key, lines in archive_lines(self.root).items()}
        assert found == expected_lines(self.journal[: self.handed_out])

    def teardown(self) -> None:
        try:
            if hasattr(self, "sink"):
                self.write()
                self.every_record_in_one_line()
                self.sink.close()
        finally:
            for name, real in self._real_syncs.items():
                setattr(os, name, real)
            self._temporary.cleanup()


def _received(made: Batch, at_ns: int) -> Batch:
    return msgspec.structs.replace(made, received_ns=at_ns)


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_few_open_files_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "OPEN_FILES_LIMIT", 2)
    clock = SteppingClock()
    sink = JsonlSink(tmp_path, tmp_path / "checkpoint", clock)
    sink.open()
    written: list[Batch] = []
    for number in range(12):
        one = _received(batch(number + 1, [trade(number)]), clock.wall_ns + (number % 6) * 300 * NS_PER_S)
        written.append(one)
        sink.write([StoredBatch(one, 1)])
        sink.commit()
    found = archive_lines(tmp_path)
    assert sorted(found[ShardName("scalp-0"), "scalp"]) == expected_lines(written)["scalp-0", "scalp"]
    sink.close()
