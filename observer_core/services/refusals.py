"""What was refused on a day, and bringing in what today's code accepts of it, exactly once.

A refused payload that parses now takes the way of every record: a journal (of a shard of its own, `scalp-retry` or
`swing-retry`), then the writers. The batch that carries its records also carries an event that names the refusal, so a
kill leaves both or neither, and a later retry passes over what is done. A row that only Postgres refused is offered to
the tables again under its own number.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from observer_core.archive.layout import window_of
from observer_core.clock import Clock
from observer_core.errors import MalformedMessage
from observer_core.ids import Epoch, Seq, ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.verify import read_batches
from observer_core.journal.writer import JournalWriter
from observer_core.kis.reparse import reparse
from observer_core.locks import hold
from observer_core.messages import Book, Event, Quote, Record, Rejection, Track, Trade
from observer_core.paths import Paths
from observer_core.services.recorder import Recorder
from observer_core.sinks.dead_letters import DeadLetter, read_letters
from observer_core.sinks.replay_sources import Range, archive_source

REPAIRED: Final = "rejection_repaired"
"""Name of the event that says so; its subject is the number of the refusal."""
SOURCE: Final = "retry"
RETRY_SHARDS: Final = {
    Track.SCALP: ShardName("scalp-retry"),
    Track.SWING: ShardName("swing-retry"),
}
RECORDS_A_BATCH: Final = 500


class RecordKey(NamedTuple):
    """The number of a record: unique for ever."""

    shard: ShardName
    epoch: Epoch
    seq: Seq

    def __str__(self) -> str:
        """Return it as events and commands write it."""
        return f"{self.shard}/{self.epoch}/{self.seq}"


class Refusal(NamedTuple):
    """A refused observation as archived."""

    key: RecordKey
    rejection: Rejection
    repaired: bool


class Repair(NamedTuple):
    """A refusal and the records that its payload is now."""

    refusal: Refusal
    records: tuple[Trade | Quote | Book, ...]


class Letters(NamedTuple):
    """The rows that sinks refused."""

    letters: list[DeadLetter]
    damaged: list[str]
    """Files of which a line cannot be read; the lines before it count."""


def read_refusals(paths: Paths, wanted: Range) -> list[Refusal]:
    """Return what parsing and rules refused in a range, in the order of receipt.

    Raises:
        JournalError: the journal of an earlier retry cannot be read.
    """
    found: dict[RecordKey, Rejection] = {}
    repaired = _repaired_in_journals(paths)
    for portion in archive_source(paths.data, wanted, (Track.SYSTEM,)).portions():
        for batch in portion.batches:
            for position, record in enumerate(batch.records):
                if isinstance(record, Rejection) and wanted.holds(record.received_ns):
                    found[RecordKey(batch.shard, batch.epoch, Seq(batch.first_seq + position))] = record
                elif isinstance(record, Event) and record.name == REPAIRED:
                    repaired.add(record.subject)
    in_order = sorted(found.items(), key=lambda item: (item[1].received_ns, item[0]))
    return [Refusal(key, rejection, str(key) in repaired) for key, rejection in in_order]


def read_all_letters(directory: Path) -> Letters:
    """Return every dead letter, each row once."""
    letters: dict[tuple[str, str, int, int], DeadLetter] = {}
    damaged: list[str] = []
    for path in sorted(directory.glob("*.jsonl")):
        try:
            for letter in read_letters(path):
                letters[letter.sink, letter.shard, letter.epoch, letter.seq] = letter
        except MalformedMessage as error:
            damaged.append(error.reason)
    return Letters(list(letters.values()), damaged)


def find_repairs(refusals: Iterable[Refusal]) -> Iterator[Repair]:
    """Yield what today's code accepts of the refusals that were not repaired before."""
    for refusal in refusals:
        if not refusal.repaired and (records := reparse(refusal.rejection)):
            yield Repair(refusal, records)


def repair(paths: Paths, wanted: Range, chosen: set[RecordKey], clock: Clock) -> list[Repair]:
    """Journal the records of the chosen refusals of a range; return what was done.

    Raises:
        ProcessError: another retry runs.
        JournalError: the journal does not take them; what it took before stays and is not done again.
    """
    with hold(paths.locks / "retry.lock", "retry"):
        # Read again under the lock: another retry may have been faster.
        refusals = [refusal for refusal in read_refusals(paths, wanted) if refusal.key in chosen]
        repairs = list(find_repairs(refusals))
        for track, shard in RETRY_SHARDS.items():
            own = [entry for entry in repairs if entry.refusal.rejection.track is track]
            if own:
                _journal(paths, shard, track, own, clock)
    return repairs


def _journal(paths: Paths, shard: ShardName, track: Track, repairs: list[Repair], clock: Clock) -> None:
    journal = JournalWriter(paths.journal(shard), shard, clock)
    # Without the bus: writers look at the journals several times a second.
    recorder = Recorder(shard, SOURCE, journal, None, clock)
    try:
        # By the archive's windows, so that every record gets into the file of its own time.
        for _, group in groupby(
            repairs, key=lambda entry: window_of(track, shard, entry.refusal.rejection.received_ns)
        ):
            for part in _parts(group):
                records: list[Record] = [record for entry in part for record in entry.records]
                records += [_event(entry, clock.now_ns()) for entry in part]
                recorder.append(records, part[0].refusal.rejection.received_ns)
    finally:
        recorder.close()


def _parts(repairs: Iterable[Repair]) -> Iterator[list[Repair]]:
    part: list[Repair] = []
    for entry in repairs:
        part.append(entry)
        if len(part) >= RECORDS_A_BATCH:
            yield part
            part = []
    if part:
        yield part


def _event(entry: Repair, now_ns: int) -> Event:
    reasons = ", ".join(entry.refusal.rejection.reasons)
    text = f"what was refused ({reasons}) is now recorded: {len(entry.records)}"
    return Event(now_ns, REPAIRED, "info", str(entry.refusal.key), text)


def _repaired_in_journals(paths: Paths) -> set[str]:
    """Return the numbers that retries journalled; the writers may not have come to them yet."""
    return {
        record.subject
        for shard in RETRY_SHARDS.values()
        if (directory := paths.journal(shard)).is_dir()
        for name in list_segments(directory)
        for batch in read_batches(directory, name)
        for record in batch.records
        if isinstance(record, Event) and record.name == REPAIRED
    }
