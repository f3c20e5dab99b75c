"""Single situations of the JSONL sink on real files: a full disk, sealed files, harmed files, files at rest."""

import resource
from pathlib import Path

import msgspec
import pytest
import zstandard

from observer_core.clock import NS_PER_S
from observer_core.errors import TransientSinkError
from observer_core.messages import Batch
from observer_core.sinks.jsonl import JsonlSink
from observer_core.sinks.jsonl_checkpoint import load_checkpoint
from observer_core.sinks.port import Offset, StoredBatch
from tests.fixtures.journals import NINE_OCLOCK_NS, SteppingClock, batch, event, quote, trade

pytestmark = pytest.mark.integration

SCALP_FILE = "scalp/2026/07/24/09/scalp-0-0900.jsonl"


class Archive:
    """An archive directory, its clock, and sinks that come and go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoint = root / "state" / "sinks" / "jsonl.json"
        self.clock = SteppingClock()
        self.sink = JsonlSink(root, self.checkpoint, self.clock)

    def store(self, *batches: Batch) -> None:
        self.sink.write([StoredBatch(one, 1) for one in batches])

    def seqs(self, path: str = SCALP_FILE) -> list[int]:
        lines = (self.root / path).read_bytes().splitlines(keepends=True)
        assert all(line.endswith(b"\n") for line in lines)
        return [msgspec.json.decode(line)["seq"] for line in lines]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path)
    assert made.sink.open() == {}
    return made


def test_observations_and_system_records_part(archive: Archive) -> None:
    archive.store(batch(1, [trade(1), event(2), trade(3)]), batch(1, [quote(1)], shard="swing-0"))
    assert archive.sink.commit() == {"scalp-0": Offset(1, 3), "swing-0": Offset(1, 1)}  # type: ignore[arg-type]
    assert archive.seqs() == [1, 3]
    assert archive.seqs("system/2026/07/24/09/scalp-0.jsonl") == [2]
    assert archive.seqs("swing/2026/07/24/09/swing-0.jsonl") == [1]
    assert len(archive.sink.current_files()) == 3


def test_lines_are_in_the_file_before_the_commit(archive: Archive) -> None:
    archive.store(batch(1, [trade(1)]))
    assert archive.seqs() == [1]


@pytest.mark.parametrize("room_bytes", [0, 1, 300, 700, 1500])
def test_a_full_disk_leaves_whole_lines_and_is_survived(archive: Archive, room_bytes: int) -> None:
    first, second = batch(1, [trade(1)]), batch(2, [trade(n) for n in range(50)])
    archive.store(first)
    archive.sink.commit()
    size_bytes = (archive.root / SCALP_FILE).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes + room_bytes, hard))
    try:
        with pytest.raises(TransientSinkError):
            archive.store(second)
        assert archive.seqs() == [1]
        assert archive.sink.note
        for _ in range(3):
            archive.sink.open()
            with pytest.raises(TransientSinkError):
                archive.store(second)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    archive.sink.open()
    archive.store(first, second)
    assert archive.seqs() == list(range(1, 52))
    archive.sink.commit()
    assert archive.sink.note == ""


def test_a_lost_checkpoint_beside_a_sealed_file_doubles_nothing(archive: Archive) -> None:
    archive.store(batch(1, [trade(1)]), batch(2, [trade(2)]))
    archive.sink.close()
    live = archive.root / SCALP_FILE
    live.with_name(live.name + ".zst").write_bytes(zstandard.compress(live.read_bytes()))
    live.unlink()
    archive.checkpoint.unlink(missing_ok=True)
    assert archive.sink.open() == {}
    archive.store(batch(1, [trade(1)]), batch(2, [trade(2)]), batch(3, [trade(3)]))
    assert archive.seqs() == [3]


def test_a_sealed_file_is_no_harmed_file(archive: Archive) -> None:
    archive.store(batch(1, [trade(1)]))
    archive.sink.commit()
    archive.sink.close()
    live = archive.root / SCALP_FILE
    live.with_name(live.name + ".zst").write_bytes(zstandard.compress(live.read_bytes()))
    live.unlink()
    assert archive.sink.open() == {"scalp-0": (1, 1)}


def test_a_removed_file_is_written_again_from_the_journal(archive: Archive) -> None:
    later = msgspec.structs.replace(batch(2, [trade(2)]), received_ns=NINE_OCLOCK_NS + 400 * NS_PER_S)
    swing = batch(1, [quote(1)], shard="swing-0")
    archive.store(batch(1, [trade(1)]), later, swing)
    archive.sink.commit()
    archive.sink.close()
    (archive.root / SCALP_FILE).unlink()
    assert archive.sink.open() == {"swing-0": (1, 1)}
    archive.store(batch(1, [trade(1)]), later)
    assert archive.seqs() == [1]
    assert archive.seqs("scalp/2026/07/24/09/scalp-0-0905.jsonl") == [2]


def test_a_torn_line_is_cut_even_when_the_journal_lost_it_too(archive: Archive) -> None:
    archive.store(batch(1, [trade(1)]))
    live = archive.root / SCALP_FILE
    whole = live.read_bytes()
    live.write_bytes(whole + whole[:100])
    archive.sink._abandon()
    archive.sink = JsonlSink(archive.root, archive.checkpoint, archive.clock)
    archive.sink.open()
    assert live.read_bytes() == whole
    assert live.with_name(live.name + ".torn").read_bytes() == whole[:100]


def test_the_checkpoint_is_stored_about_once_a_second(archive: Archive) -> None:
    archive.store(batch(1, [trade(1)]))
    archive.sink.commit()
    archive.store(batch(2, [trade(2)]))
    archive.sink.commit()
    assert load_checkpoint(archive.checkpoint).offsets == {"scalp-0": (1, 1)}
    archive.clock.advance(1)
    archive.sink.commit()
    assert load_checkpoint(archive.checkpoint).offsets == {"scalp-0": (1, 2)}


def test_a_file_at_rest_whose_window_is_over_is_closed_for_good(archive: Archive) -> None:
    archive.store(batch(1, [trade(1)]))
    archive.sink.commit()
    archive.clock.advance(299)
    archive.sink.commit()
    assert archive.sink.current_files() == (SCALP_FILE,)
    archive.clock.advance(2)
    archive.sink.commit()
    assert archive.sink.current_files() == ()
    assert archive.sink.take_closed_files() == (SCALP_FILE,)
    assert archive.sink.take_closed_files() == ()
    assert load_checkpoint(archive.checkpoint).files == {}
    archive.store(batch(2, [trade(2)]))
    assert archive.seqs() == [1, 2]
