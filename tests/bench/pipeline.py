"""The whole way of a record, in real processes: shards, JSONL writer, Postgres writer, and the server.

Throughput and cost flat out; at paced loads, the time from the reading of a frame to the synced line and to the row
that others see.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from observer_core.ids import SinkName
from observer_core.paths import Paths
from tests.bench.figures import Figure, percentile
from tests.bench.processes import cpu_fine_s, descendants
from tests.bench.store import ages
from tests.fixtures.loopback_tree import moment
from tests.fixtures.postgres import EmbeddedServer, query
from tests.fixtures.supervised import REPOSITORY
from tests.fixtures.writer_main import settings_in

RECORDS = 200_000
PACED_S = 8.0
PACES = (500, 5_000, 20_000)
SINKS = ("jsonl", "postgres")
DEADLINE_S = 120.0


class Flow(NamedTuple):
    """What one run through the pipeline showed."""

    seconds: float
    cpu_us: dict[str, float]
    """Per record, of the shards together, each writer, and the server."""
    ages_ms: dict[str, list[float]]
    """Of each sink: from frame to durable, one value a record (batches of equal age repeated)."""
    lost: int


def throughput(directory: Path, runs: int) -> list[Figure]:
    """Measure the pipeline flat out with two and with four shards."""
    figures = []
    with durable_server() as server:
        for shards, target in ((2, 70_000.0), (4, None)):
            flows = [_flow(directory, server, shards, RECORDS, 0.0) for _ in range(runs + 1)][1:]
            name = f"end to end, {shards} shards, JSONL and Postgres"
            rates = tuple(RECORDS / flow.seconds for flow in flows)
            lost = sum(flow.lost for flow in flows)
            note = f"{lost} lost of {RECORDS * runs:,}"
            figures.append(Figure(name=name, unit="rec/s", values=rates, target=target, more_is_better=True, note=note))
            whole = tuple(sum(flow.cpu_us.values()) for flow in flows)
            figures.append(Figure(name=f"{name}: all stages", unit="µs/rec", values=whole, target=18.0))
            figures += [
                Figure(name=f"{name}: {stage}", unit="µs/rec", values=tuple(flow.cpu_us[stage] for flow in flows))
                for stage in flows[0].cpu_us
            ]
    return figures


def latency(directory: Path, runs: int) -> list[Figure]:
    """Measure the age of records at their commits, at three paces."""
    targets = {("jsonl", 5_000): 50.0, ("postgres", 5_000): 400.0}
    words = {"jsonl": "frame read → synced JSONL", "postgres": "frame read → visible in Postgres"}
    figures = []
    with durable_server() as server:
        for pace in PACES:
            records = int(pace * PACED_S)
            flows = [_flow(directory, server, 2, records, float(pace)) for _ in range(min(runs, 3))]
            for sink in SINKS:
                for share in (0.5, 0.99):
                    values = tuple(percentile(flow.ages_ms[sink], share) for flow in flows)
                    target = targets.get((sink, pace)) if share > 0.5 else None
                    name = f"{words[sink]}, {pace:,} rec/s, p{share * 100:.0f}"
                    figures.append(Figure(name=name, unit="ms", values=values, target=target))
    return figures


@contextmanager
def durable_server() -> Iterator[EmbeddedServer]:
    """Run a server that syncs its commits, as the one in use does."""
    server = EmbeddedServer(fsync="on", full_page_writes="on", max_wal_size="4GB")
    try:
        server.start()
        server.make_template()
        yield server
    finally:
        server.close()


def _flow(directory: Path, server: EmbeddedServer, shards: int, records: int, rate_per_s: float) -> Flow:
    root = directory / "flow"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    paths = settings_in(root).paths
    database = server.make_database()
    dsn = server.dsn(database)
    writers = {sink: _writer(root, sink, dsn.reveal()) for sink in SINKS}
    feeders = [_feeder(paths, number, records // shards, rate_per_s / shards) for number in range(shards)]
    try:
        for process in (*writers.values(), *feeders):
            assert process.stdout is not None
            # A report of the writer or a line of the feeder: in both cases it is ready.
            assert process.stdout.read1(1)  # type: ignore[attr-defined] # a buffered reader
        flow = _measured(root, server, writers, feeders, records // shards * shards)
        (stored,) = query(dsn, "SELECT count(*) FROM pattern_records")[0]
        lines = sum(path.read_bytes().count(b"\n") for path in (root / "data" / "scalp").rglob("*.jsonl"))
        total = records // shards * shards
        return flow._replace(lost=(total - stored) + (total - lines))
    finally:
        _end([*feeders, *writers.values()])
        server.drop_database(database)


def _measured(
    root: Path,
    server: EmbeddedServer,
    writers: "dict[str, subprocess.Popen[bytes]]",
    feeders: "list[subprocess.Popen[bytes]]",
    total: int,
) -> Flow:
    assert server.process is not None
    groups = {"shards": [process.pid for process in feeders]}
    groups |= {f"{sink} writer": [process.pid] for sink, process in writers.items()}

    def spent() -> dict[str, float]:
        found = {name: sum(map(cpu_fine_s, pids)) for name, pids in groups.items()}
        assert server.process is not None
        found["server"] = sum(cpu_fine_s(pid) for pid in descendants(server.process.pid))
        return found

    before, begun_s = spent(), moment()
    for process in feeders:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    files = {sink: root / f"{sink}.ages" for sink in writers}
    while any(_noted(file) < total for file in files.values()):
        assert moment() - begun_s < DEADLINE_S, {sink: _noted(file) for sink, file in files.items()}
        time.sleep(0.05)
    seconds, after = moment() - begun_s, spent()
    return Flow(
        seconds,
        {name: (after[name] - before[name]) * 1e6 / total for name in after},
        {sink: [age_ns / 1e6 for age_ns, count in ages(file) for _ in range(count)] for sink, file in files.items()},
        0,
    )


def _noted(file: Path) -> int:
    try:
        return sum(count for _, count in ages(file))
    except FileNotFoundError:
        return 0


def _writer(root: Path, sink: str, dsn: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.bench.store", str(root), sink, dsn, str(root / f"{sink}.ages")]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)


def _feeder(paths: Paths, number: int, records: int, rate_per_s: float) -> "subprocess.Popen[bytes]":
    plan = {
        "journals": str(paths.journals),
        "shard": f"scalp-{number}",
        "endpoints": [paths.sink_endpoint(SinkName(sink)) for sink in SINKS],
        "records": records,
        "rate_per_s": rate_per_s,
    }
    command = [sys.executable, "-m", "tests.bench.feeder", msgspec.json.encode(plan).decode()]
    return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _end(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        process.terminate()
    for process in processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
