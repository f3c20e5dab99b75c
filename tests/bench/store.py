"""One writer of the pipeline bench: the product's own, which notes after each commit how old its records are.

`python -m tests.bench.store <root> <jsonl|postgres> <dsn> <file>`; the file gets (age in ns, records) of each batch.
"""

import os
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from observer_core.clock import SystemClock
from observer_core.ids import ProcessName, ShardName
from observer_core.services import writer
from observer_core.services.context import ChildContext
from observer_core.settings import Secret
from observer_core.sinks import jsonl, postgres
from observer_core.sinks.port import Offset, StoredBatch
from tests.fixtures.writer_main import settings_in

AGE = struct.Struct("=QI")


def timed(base: type[Any], file: int) -> type[Any]:
    """Return a sink that notes the age of what it has just made durable."""
    clock = SystemClock()

    class Timed(base):  # type: ignore[misc] # the base is one of two sinks
        _batches: list[tuple[int, int]]

        def write(self, batches: Sequence[StoredBatch]) -> None:
            super().write(batches)
            self._batches = getattr(self, "_batches", [])
            self._batches += [(stored.batch.received_ns, len(stored.batch.records)) for stored in batches]

        def commit(self) -> Mapping[ShardName, Offset]:
            offsets: Mapping[ShardName, Offset] = super().commit()
            now_ns = clock.now_ns()
            batches = getattr(self, "_batches", [])
            os.write(file, b"".join(AGE.pack(max(0, now_ns - at_ns), count) for at_ns, count in batches))
            self._batches = []
            return offsets

    return Timed


def ages(file: Path) -> list[tuple[int, int]]:
    """Return what has been noted so far."""
    raw = file.read_bytes()
    return list(AGE.iter_unpack(raw[: len(raw) // AGE.size * AGE.size]))


def main() -> int:
    """Run the writer until SIGTERM; report ready on standard output's descriptor."""
    root, kind, dsn, file = sys.argv[1:]
    noted = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    settings = settings_in(Path(root))
    if kind == "postgres":
        settings = replace(settings, postgres_dsn=Secret(dsn))
        postgres.PostgresSink = timed(postgres.PostgresSink, noted)  # type: ignore[misc]
    else:
        jsonl.JsonlSink = timed(jsonl.JsonlSink, noted)  # type: ignore[misc]
    context = ChildContext(
        name=ProcessName(kind), kind="writer", index=0, settings=settings, clock=SystemClock(), report_fd=1
    )
    return writer.run_postgres(context) if kind == "postgres" else writer.run_jsonl(context)


if __name__ == "__main__":
    sys.exit(main())
