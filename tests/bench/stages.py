"""Processor time per record of each stage by itself: parse, encode, journal, publish, lines, rows."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import msgspec

from observer_core.bus.publisher import BatchPublisher
from observer_core.clock import SystemClock
from observer_core.ids import Seq, ShardName
from observer_core.journal.format import Position
from observer_core.journal.writer import JournalWriter
from observer_core.kis.fields import MULTI_PRICE_SLOTS, TR_BOOK, TR_TRADE
from observer_core.kis.quotes import CallTimes, parse_multi_price
from observer_core.kis.records import StreamParser
from observer_core.kis.wire import DataFrame, parse_frame
from observer_core.messages import Batch, Trade, decode_batch, encode
from observer_core.sinks.jsonl_lines import encode_lines, line_objects
from observer_core.sinks.postgres_load import Slice, build_load
from tests.bench.figures import Figure
from tests.fixtures.kis_records import RECEIVED_NS, book_fields, frame_text, multi_price_row, trade_fields
from tests.fixtures.supervised import REPOSITORY

BATCH = 100
FRAMES = 200
ONE_RUN_NS = 150_000_000
SHARD = ShardName("scalp-0")

Work = Callable[[], int]
"""Does something to records once and returns to how many."""


def stages(directory: Path, runs: int) -> list[Figure]:
    """Measure the stages."""
    batch = batch_of_trades()
    return [
        *_parsing(runs),
        _figure("encode, batch of 100 trades with raw text", runs, lambda: BATCH * bool(encode(batch))),
        _figure("decode", runs, _decoding(encode(batch))),
        _journal(directory / "journal", runs),
        _publishing(directory, runs),
        _figure("JSONL line of a trade", runs, _lines(batch)),
        _figure("COPY row of a trade, conversion only", runs, _rows(batch)),
        _figure("line by the standard library's json", runs, _standard_json(batch), peer=True),
    ]


def cpu_us(work: Work, runs: int) -> tuple[float, ...]:
    """Return microseconds of this thread's processor time per record, for each run after a warm-up."""
    _one_run(work, ONE_RUN_NS // 3)
    return tuple(_one_run(work, ONE_RUN_NS) for _ in range(runs))


def _one_run(work: Work, length_ns: int) -> float:
    records, begun_ns = 0, time.thread_time_ns()
    while (passed_ns := time.thread_time_ns() - begun_ns) < length_ns:
        records += work()
    return passed_ns / 1000 / records


def _figure(name: str, runs: int, work: Work, *, peer: bool = False) -> Figure:
    return Figure(name=name, unit="µs/rec", values=cpu_us(work, runs), peer=peer)


def trade_texts(count: int, records: int = 1) -> list[str]:
    """Return that many trade frames, each of so many records, no two alike."""
    texts = []
    for number in range(count):
        one = [
            trade_fields(
                MKSC_SHRN_ISCD=f"{number % 41:06d}", CNTG_VOL=str(number + 1), ACML_VOL=str(1_000_000 + number * 10 + n)
            )
            for n in range(records)
        ]
        texts.append(frame_text(TR_TRADE, *one))
    return texts


def batch_of_trades(count: int = BATCH, received_ns: int = RECEIVED_NS) -> Batch:
    """Return a batch of trades as the parser makes them, raw text kept."""
    parser = StreamParser(keep_raw=True)
    records = []
    for text in trade_texts(count):
        frame = parse_frame(text)
        assert isinstance(frame, DataFrame)
        records += parser.parse(frame, received_ns)
    assert all(isinstance(record, Trade) for record in records)
    return Batch(
        shard=SHARD,
        epoch=1,  # type: ignore[arg-type] # a plain number reads better
        first_seq=Seq(1),
        received_ns=received_ns,
        source="sim",
        session_id="20261120-scalp-0-1",
        records=tuple(records),
    )


def _parsing(runs: int) -> Iterable[Figure]:
    for name, texts, records in (
        ("parse a trade frame, one record", trade_texts(FRAMES), 1),
        ("parse a trade frame, four records", trade_texts(FRAMES, 4), 4),
        ("parse a ten-level book", [frame_text(TR_BOOK, book_fields(ACML_VOL=str(n))) for n in range(FRAMES)], 1),
    ):
        yield _figure(f"{name}, clock and validation included", runs, _frames(texts, records))
    body = json.dumps({"rt_cd": "0", "output": [multi_price_row(f"{n:06d}") for n in range(MULTI_PRICE_SLOTS)]})
    symbols = tuple(f"{n:06d}" for n in range(MULTI_PRICE_SLOTS))
    times, raw = CallTimes(RECEIVED_NS - 10_000_000, RECEIVED_NS), body.encode()

    def multi_price() -> int:
        return len(parse_multi_price(raw, symbols, times, keep_raw=True).records)

    yield _figure("parse a multi-price row", runs, multi_price)


def _frames(texts: list[str], records: int) -> Work:
    parser, clock, endless = StreamParser(keep_raw=True), SystemClock(), cycle(texts)

    def work() -> int:
        for _ in range(50):
            frame = parse_frame(next(endless))
            assert isinstance(frame, DataFrame)
            parser.parse(frame, clock.now_ns())
        return 50 * records

    return work


def _decoding(raw: bytes) -> Work:
    return lambda: len(decode_batch(raw).records)


def _lines(batch: Batch) -> Work:
    chosen = range(len(batch.records))
    return lambda: BATCH * bool(encode_lines(line_objects(batch, chosen)))


def _standard_json(batch: Batch) -> Work:
    fields = Trade.__struct_fields__

    def work() -> int:
        for record in batch.records:
            document = {name: getattr(record, name) for name in fields}
            json.dumps({"shard": batch.shard, "epoch": batch.epoch, "seq": 1, **document}, ensure_ascii=False)
        return BATCH

    return work


def _rows(batch: Batch) -> Work:
    piece = Slice(msgspec.structs.replace(batch), 0, len(batch.records))
    return lambda: build_load([piece]).rows


def _journal(directory: Path, runs: int) -> Figure:
    clock = SystemClock()
    journal = JournalWriter(directory, SHARD, clock)
    raw, seq = encode(batch_of_trades()), 1

    def work() -> int:
        nonlocal seq
        for _ in range(10):
            journal.append(raw, seq, clock.now_ns())
            seq += BATCH
        journal.sync()
        for path in list(directory.glob("*.seg"))[:-2]:
            path.unlink()
        return 10 * BATCH

    figure = _figure("journal append, synced every 1,000 records", runs, work)
    with suppress(FileNotFoundError):
        journal.close()
    return figure


def _publishing(directory: Path, runs: int) -> Figure:
    """Send to a process that takes everything; the sending process's other threads are counted too."""
    endpoint = f"ipc://{directory}/drain.sock"
    command = [sys.executable, "-m", "tests.bench.drain", endpoint, str(os.getpid())]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as drain:
        assert drain.stdout is not None
        drain.stdout.readline()
        publisher, raw = BatchPublisher(SHARD, [endpoint]), encode(batch_of_trades())
        position = Position(1, 0, 0)  # type: ignore[arg-type] # a plain number reads better
        values = []
        for _ in range(runs + 1):
            begun_ns = time.process_time_ns()
            for _ in range(500):
                publisher.publish(position, raw)
                time.sleep(0.0002)
            values.append((time.process_time_ns() - begun_ns) / 1000 / 500 / BATCH)
        publisher.close()
        drain.terminate()
    return Figure(name="publish, both threads", unit="µs/rec", values=tuple(values[1:]))
