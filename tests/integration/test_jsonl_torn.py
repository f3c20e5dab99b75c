"""A line torn at any byte: moved aside, and written again from the journal; once each."""

from pathlib import Path

import msgspec
import pytest

from observer_core.sinks.jsonl import JsonlSink
from observer_core.sinks.jsonl_checkpoint import Checkpoint, store_checkpoint
from observer_core.sinks.port import StoredBatch
from tests.fixtures.journals import SteppingClock, batch, trade

pytestmark = pytest.mark.integration

LIVE = "scalp/2026/07/24/09/scalp-0-0900.jsonl"


@pytest.mark.parametrize("checkpoint_lost", [False, True])
def test_a_line_torn_at_any_byte_is_moved_aside_and_written_again(tmp_path: Path, checkpoint_lost: bool) -> None:
    original = tmp_path / "original"
    clock = SteppingClock()
    sink = JsonlSink(original, original / "state" / "jsonl.json", clock)
    sink.open()
    first, second = batch(1, [trade(1)]), batch(2, [trade(2)])
    sink.write([StoredBatch(first, 1)])
    sink.commit()
    sink.close()
    checkpoint = (original / "state" / "jsonl.json").read_bytes()
    size_bytes = (original / LIVE).stat().st_size
    sink.open()
    sink.write([StoredBatch(second, 1)])
    sink.close()
    whole = (original / LIVE).read_bytes()

    for at in range(size_bytes, len(whole), 3 if checkpoint_lost else 1):
        root = tmp_path / str(at)
        live = root / LIVE
        live.parent.mkdir(parents=True)
        live.write_bytes(whole[:at])
        (root / "state").mkdir()
        if checkpoint_lost:
            store_checkpoint(root / "state" / "jsonl.json", Checkpoint())
        else:
            (root / "state" / "jsonl.json").write_bytes(checkpoint)
        again = JsonlSink(root, root / "state" / "jsonl.json", clock)
        again.open()
        again.write([StoredBatch(first, 1), StoredBatch(second, 1)])
        again.commit()
        again.close()
        assert [msgspec.json.decode(line)["seq"] for line in live.read_bytes().splitlines()] == [1, 2], at
        assert live.read_bytes() == whole
        torn = live.with_name(f"{live.name}.torn")
        assert (torn.read_bytes() if torn.exists() else b"") == whole[size_bytes:at], at
