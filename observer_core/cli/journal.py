"""`observerctl journal`: what the write-ahead journals hold and whether they are in order.

Works on the files and only reads: nothing has to run, and whatever runs is not disturbed.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from observer_core.cli.exits import FAILED, exit_codes
from observer_core.cli.output import table
from observer_core.clock import kst_datetime
from observer_core.errors import JournalError
from observer_core.journal.files import list_segments
from observer_core.journal.reader import JournalReader
from observer_core.journal.verify import SegmentFacts, examine_segments, read_batches
from observer_core.messages import Batch, decode_batch
from observer_core.settings import load_client_settings

_POLL_S = 0.2

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The write-ahead journals of the shards.")

Shard = Annotated[
    str, typer.Argument(metavar="[SHARD]", help="Shard, as `observerctl status` names it; all if left out.")
]
OneShard = Annotated[str, typer.Argument(metavar="SHARD", help="Shard, as `observerctl status` names it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Lines = Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the newest records.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until interrupted.")]


@app.command("ls")
def list_command(shard: Shard = "", as_json: AsJson = False) -> None:
    """List segments: size, batches, records, numbers and times."""
    with exit_codes():
        _print([facts for directory in _directories(shard) for facts in examine_segments(directory)], as_json)


@app.command("verify")
def verify_command(shard: Shard = "", as_json: AsJson = False) -> None:
    """Check every frame and every number; exit code 1 when anything is damaged or missing."""
    with exit_codes():
        segments = records = 0
        faulty: list[SegmentFacts] = []
        for directory in _directories(shard):
            for facts in examine_segments(directory):
                segments, records = segments + 1, records + facts.records
                if facts.problems:
                    faulty.append(facts)
            for torn in sorted(directory.glob("*.torn*")):
                print(f"{directory.name}: {torn.stat().st_size:,} bytes were put aside in {torn.name}", file=sys.stderr)
        if as_json:
            _print(faulty, as_json)
        for facts in () if as_json else faulty:
            for problem in facts.problems:
                print(f"{facts.shard} {facts.segment}: {problem}")
        print(f"{segments:,} segments, {records:,} records, {len(faulty)} with a problem", file=sys.stderr)
        if faulty:
            raise typer.Exit(FAILED)


@app.command("tail")
def tail_command(shard: OneShard, lines: Lines = 10, follow: Follow = False) -> None:
    """Print the newest records as JSON lines."""
    with exit_codes():
        (directory,) = _directories(shard)
        newest: list[bytes] = []
        for name in reversed(list_segments(directory)):
            batches = read_batches(directory, name)
            newest = [line for batch in batches for line in _lines(batch)] + newest
            if len(newest) >= lines:
                break
        for line in newest[len(newest) - lines :] if lines else ():
            print(line.decode(), flush=True)
        if follow:
            _follow(directory)


def _follow(directory: Path) -> None:
    """Print what is appended, segment after segment, until interrupted."""
    reader = JournalReader(directory)
    names = reader.segments()
    place = (names[-1], reader.read(names[-1], 0, reader.size_bytes(names[-1]) or 1).end_offset) if names else None
    try:
        while True:
            if place is None:
                place = next(((name, 0) for name in reader.segments()), None)
            if place is not None:
                later = next((name for name in reader.segments() if name > place[0]), None)
                piece = reader.read(*place)
                for frame in piece.frames:
                    for line in _lines(decode_batch(frame.payload)):
                        print(line.decode(), flush=True)
                place = (place[0], piece.end_offset)
                if piece.at_end and later is not None:
                    place = (later, 0)
                    continue
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        return
    finally:
        reader.close()


def _lines(batch: Batch) -> Iterator[bytes]:
    for index, record in enumerate(batch.records):
        kind = type(record).__name__.lower()
        head = {"kind": kind, "shard": batch.shard, "epoch": batch.epoch, "seq": batch.first_seq + index}
        yield msgspec.json.encode({**head, **msgspec.structs.asdict(record)})


def _directories(shard: str) -> list[Path]:
    """Return the journal directory of a shard, or of all.

    Raises:
        JournalError: there is none.
    """
    journals = load_client_settings(os.environ).paths.journals
    try:
        found = sorted(entry for entry in journals.iterdir() if entry.is_dir())
    except OSError as error:
        raise JournalError(f"{journals} cannot be listed ({error.strerror}): is OBSERVER_DATA_DIR right?") from error
    if not shard:
        return found
    chosen = [directory for directory in found if directory.name == shard]
    if not chosen:
        names = ", ".join(directory.name for directory in found) or "none"
        raise JournalError(f"there is no journal of {shard}; there are: {names}")
    return chosen


def _print(found: list[SegmentFacts], as_json: bool) -> None:
    if as_json:
        for facts in found:
            print(msgspec.json.encode(facts).decode())
        return
    rows = [
        (
            facts.shard,
            facts.segment,
            f"{facts.size_bytes:,}",
            f"{facts.batches:,}",
            f"{facts.records:,}",
            f"{facts.first_seq}-{facts.last_seq}" if facts.batches else "",
            f"{kst_datetime(facts.first_ns):%m-%d %H:%M:%S}" if facts.first_ns else "",
            f"{kst_datetime(facts.last_ns):%H:%M:%S}" if facts.last_ns else "",
            "; ".join(facts.problems),
        )
        for facts in found
    ]
    head = ("shard", "segment", "bytes", "batches", "records", "numbers", "from", "until", "problems")
    print("\n".join(table(head, rows, frozenset({"bytes", "batches", "records"}))))
