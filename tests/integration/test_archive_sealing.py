"""Sealing on real files: either form or both after any crash, every line once, late lines, files in use, torn ends."""

import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from observer_core.archive import sealing
from observer_core.archive.layout import parse_path
from observer_core.archive.manifest import read_manifest
from observer_core.archive.sealing import SealError, examine, held_for_sealing, seal, write_sealed
from observer_core.clock import NS_PER_S
from observer_core.ids import ShardName
from observer_core.journal import files as journal_files
from observer_core.journal.files import list_segments
from observer_core.journal.low_water import read_low_water
from observer_core.journal.writer import JournalWriter
from observer_core.messages import encode
from observer_core.sinks.jsonl import JsonlSink
from observer_core.sinks.jsonl_checkpoint import Checkpoint, store_checkpoint
from observer_core.sinks.port import Offset, StoredBatch
from tests.fixtures.archive_store import DAY, SCALP, SWING, SYSTEM, Store
from tests.fixtures.journals import NINE_OCLOCK_NS, batch, quote, trade

pytestmark = pytest.mark.integration


class Crash(BaseException):
    """The process ends here."""


def expected(first: int, last: int, epoch: int = 1) -> dict[tuple[str, int, int], int]:
    return {(shard, epoch, seq): 1 for shard in ("scalp-0", "swing-0") for seq in range(first, last + 1)}


def test_files_at_rest_are_sealed_listed_and_read_back_by_the_books(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.store(1, 30)
    contents = {path: (tmp_path / path).read_bytes() for path in (SCALP, SWING, SYSTEM)}
    store.rest()
    assert store.keeper().run_pass().sealed == 3
    assert list(tmp_path.rglob("*.jsonl")) == []
    manifest = read_manifest(store.paths.manifest(DAY), DAY)
    assert set(manifest.files) == {f"{path}.zst" for path in contents}
    for path, content in contents.items():
        sealed = (tmp_path / f"{path}.zst").read_bytes()
        assert (tmp_path / f"{path}.zst").stat().st_mode & 0o777 == 0o640
        entry = manifest.files[f"{path}.zst"]
        assert (entry.rows, entry.content_bytes) == (content.count(b"\n"), len(content))
        assert entry.content_sha256 == hashlib.sha256(content).hexdigest()
        assert entry.sha256 == hashlib.sha256(sealed).hexdigest()
        assert zstandard.ZstdDecompressor().decompressobj().decompress(sealed) == content
    assert manifest.shards["swing-0"].first == (1, 1)
    assert manifest.shards["swing-0"].last == (1, 30)
    assert not manifest.complete
    assert store.keys() == expected(1, 30)
    store.clock.advance(86_400)
    store.keeper().run_pass()
    assert read_manifest(store.paths.manifest(DAY), DAY).complete


def test_a_file_in_use_or_listed_by_the_writer_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.store(1, 5)
    assert store.keeper().run_pass().sealed == 0
    store.clock.advance(3_700)
    # Its window is over, but the writer has it open.
    assert store.keeper().run_pass().sealed == 0
    store.rest()
    with held_for_sealing(tmp_path / SCALP) as file:
        assert file is not None
        assert store.keeper().run_pass().sealed == 2, "another one seals this file"
    assert store.keeper().run_pass().sealed == 1


def test_lines_that_are_not_durable_by_the_checkpoint_are_not_sealed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.store(1, 5)
    store.rest()
    store_checkpoint(store.paths.checkpoint(store.jsonl), Checkpoint())
    report = store.keeper().run_pass()
    assert (report.sealed, len(report.problems)) == (0, 3)
    assert store.keys() == expected(1, 5)


def test_late_lines_are_appended_to_the_sealed_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.store(1, 5)
    store.rest()
    store.keeper().run_pass()
    # A catching-up writer: batches of nine o'clock come in the afternoon.
    store.store(6, 4)
    assert (tmp_path / SCALP).exists()
    assert store.keys() == expected(1, 9)
    store.rest()
    assert store.keeper().run_pass().sealed == 3
    assert store.keys() == expected(1, 9)
    assert list(tmp_path.rglob("*.jsonl")) == []
    manifest = read_manifest(store.paths.manifest(DAY), DAY)
    assert manifest.files[f"{SWING}.zst"].rows == 9


def test_a_torn_live_file_is_left_to_the_writer(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.store(1, 5)
    store.rest()
    with (tmp_path / SWING).open("ab") as file:
        file.write(b'{"kind":"quote","sha')
    report = store.keeper().run_pass()
    assert report.sealed == 2
    assert (tmp_path / SWING).exists()
    assert not (tmp_path / f"{SWING}.zst").exists()


def damage(path: Path, way: str) -> None:
    content = bytearray(path.read_bytes())
    if way == "cut":
        del content[-7:]
    elif way == "flip":
        content[len(content) // 2] ^= 0x40
    else:
        content[:] = b"\xff" * len(content)
    path.write_bytes(content)


def journalled(store: Store, count: int) -> int:
    """Record quotes of a swing shard in a journal and in the archive; return the epoch."""
    name = ShardName("swing-0")
    journal = JournalWriter(store.paths.journal(name), name, store.clock)
    for seq in range(1, count + 1):
        made = batch(seq, [quote(seq)], epoch=journal.epoch, shard=name)
        journal.append(encode(made), seq, NINE_OCLOCK_NS)
        store.sink.write([StoredBatch(made, 1)])
    store.sink.commit()
    journal.close()
    return journal.epoch


@pytest.mark.parametrize("way", ["cut", "flip", "scramble"])
def test_a_sealed_file_damaged_later_is_made_anew_from_the_journal(tmp_path: Path, way: str) -> None:
    store = Store(tmp_path)
    epoch = journalled(store, 400)
    store.rest()
    store.keeper().run_pass()
    sealed = tmp_path / f"{SWING}.zst"
    listed = read_manifest(store.paths.manifest(DAY), DAY).files[f"{SWING}.zst"]
    assert listed.rows == 400
    damage(sealed, way)
    with pytest.raises(SealError):
        examine(sealed)
    # A late line makes maintenance look at the file, whatever its size says.
    late = batch(401, [quote(401)], epoch=epoch, shard="swing-0")
    store.sink.write([StoredBatch(late, 1)])
    store.sink.commit()
    store.rest()
    assert len(store.keeper().run_pass().problems) == 1
    again = read_manifest(store.paths.manifest(DAY), DAY).files[f"{SWING}.zst"]
    assert (again.rows, again.content_sha256) == (400, listed.content_sha256)
    assert sealed.with_name(f"{sealed.name}.torn").exists()
    assert store.keeper().run_pass().sealed == 1
    assert store.keys() == {("swing-0", epoch, seq): 1 for seq in range(1, 402)}


def test_a_damaged_file_that_nothing_can_bring_back_stays_and_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.store(1, 5)
    store.rest()
    store.keeper().run_pass()
    sealed = tmp_path / f"{SWING}.zst"
    damage(sealed, "scramble")
    content = sealed.read_bytes() + b"x"
    sealed.write_bytes(content)
    report = store.keeper().run_pass()
    assert any("manifest" in problem for problem in report.problems)
    assert sealed.read_bytes() == content


def crashing(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], int]:
    """Let the process die at the n-th step that changes the disk; return how many steps there were."""
    steps = 0

    def counted(real: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == at and not after:
                raise Crash
            result = real(*arguments, **named)
            if steps == at:
                raise Crash
            return result

        return step

    for owner, name in ((Path, "replace"), (Path, "unlink"), (os, "fsync"), (journal_files, "replace_durably")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name), after=at % 2 == 0))
    return lambda: steps


def test_a_crash_at_any_step_leaves_every_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = 0
    while True:
        at += 1
        root = tmp_path / str(at)
        root.mkdir()
        store = Store(root)
        store.store(1, 4)
        store.rest()
        store.keeper().run_pass()
        store.store(5, 3)
        store.rest()
        with monkeypatch.context() as patched:
            steps = crashing(patched, at)
            try:
                store.keeper().run_pass()
            except Crash:
                pass
            else:
                assert steps() < at
                break
        assert store.keys() == expected(1, 7), at
        # The writer, too, starts again and gets the last records once more.
        store.sink = JsonlSink(root, store.paths.checkpoint(store.jsonl), store.clock)
        store.sink.open()
        store.store(5, 3)
        assert store.keys() == expected(1, 7), at
        store.rest()
        store.keeper().run_pass()
        assert list(root.rglob("*.jsonl")) == [], at
        assert store.keys() == expected(1, 7), at
    assert at > 15


def test_a_sealed_file_with_a_wrong_reading_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.store(1, 5)
    store.rest()
    real = sealing.examine
    monkeypatch.setattr(sealing, "examine", lambda path: msgspec.structs.replace(real(path), rows=4))
    with held_for_sealing(tmp_path / SWING) as file:
        assert file is not None
        with pytest.raises(SealError):
            seal(tmp_path / SWING, file, (1, 5))
    assert not (tmp_path / f"{SWING}.zst").exists()
    assert json.loads((tmp_path / SWING).read_bytes().splitlines()[0])["seq"] == 1


def journal_with(store: Store, days: int, segments_a_day: int) -> Path:
    """Write segments of one batch each over some days, the archive knowing all of them."""
    directory = store.paths.journal(ShardName("scalp-0"))
    journal = JournalWriter(directory, ShardName("scalp-0"), store.clock)
    seq = 1
    for day in range(days):
        for _ in range(segments_a_day):
            made = batch(seq, [trade(seq), trade(seq + 1)], epoch=journal.epoch)
            journal.append(encode(made), seq, NINE_OCLOCK_NS + day * 86_400 * NS_PER_S)
            journal.rotate()
            seq += 2
    journal.close()
    return directory


def remember(store: Store, sink: str, epoch: int, seq: int) -> None:
    path = store.paths.checkpoint(sink)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    store_checkpoint(path, Checkpoint(offsets={ShardName("scalp-0"): Offset(epoch, seq)}))  # type: ignore[arg-type]


def test_segments_go_when_every_sink_is_past_them_and_their_day_is_sealed(tmp_path: Path) -> None:
    store = Store(tmp_path, dsn="host=/nowhere")
    directory = journal_with(store, days=2, segments_a_day=3)
    epoch = list_segments(directory)[0].epoch
    remember(store, "jsonl", epoch, 12)
    assert store.keeper().run_pass().segments_removed == 0, "the day is not over"
    store.clock.advance(2 * 86_400)
    assert store.keeper().run_pass().segments_removed == 0, "nothing is known of Postgres"
    remember(store, "postgres", epoch, 3)
    assert store.keeper().run_pass().segments_removed == 1, "the second segment ends at 4"
    assert read_low_water(directory) == (epoch, 1)
    remember(store, "postgres", epoch, 12)
    assert store.keeper().run_pass().segments_removed == 4
    assert [name.ordinal for name in list_segments(directory)] == [5], "the newest always stays"
    assert read_low_water(directory) == (epoch, 5)


def test_an_unsealed_file_of_the_day_keeps_its_segments(tmp_path: Path) -> None:
    store = Store(tmp_path)
    directory = journal_with(store, days=1, segments_a_day=3)
    remember(store, "jsonl", list_segments(directory)[0].epoch, 99)
    live = tmp_path / SWING
    live.parent.mkdir(parents=True)
    live.write_bytes(b'{"epoch":1,"seq":1}')
    assert parse_path(SWING) is not None
    store.clock.advance(2 * 86_400)
    assert store.keeper().run_pass().segments_removed == 0
    live.unlink()
    assert store.keeper().run_pass().segments_removed == 2


def test_the_mark_is_durable_before_a_segment_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    directory = journal_with(store, days=1, segments_a_day=4)
    epoch = list_segments(directory)[0].epoch
    remember(store, "jsonl", epoch, 99)
    store.clock.advance(2 * 86_400)

    def refused(*_arguments: object, **_named: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        with pytest.raises(Crash):
            store.keeper().run_pass()
    assert read_low_water(directory) == (epoch, 3)
    assert len(list_segments(directory)) == 4
    assert store.keeper().run_pass().segments_removed == 3


def test_a_sealed_file_is_read_through_in_little_memory(tmp_path: Path) -> None:
    """What becomes of a piece of it is in memory together: a busy window is some hundred times as large."""
    lines = (
        b'{"epoch":1,"seq":%d,"kind":"trade","symbol":"005930","received_ns":%d,"price":%d,"volume":5}\n'
        % (number, 1_784_851_200_000_000_000 + number * 999_983, 71_000 + number * 7919 % 100)
        for number in range(1, 100_001)
    )
    sealed = tmp_path / "scalp-0-0900.jsonl.zst"
    write_sealed(sealed, lines)
    tracemalloc.start()
    try:
        assert examine(sealed).rows == 100_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * 1024 * 1024, peak_bytes
