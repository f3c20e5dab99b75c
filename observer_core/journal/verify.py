"""Reading a whole journal to say what is in it and whether it is in order; for people, not on any data path."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from observer_core.errors import JournalError, MalformedMessage
from observer_core.journal.files import list_segments
from observer_core.journal.format import SegmentName
from observer_core.journal.low_water import read_low_water
from observer_core.journal.reader import SegmentReader, payload_spans
from observer_core.messages import Batch, decode_batch


class SegmentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment holds."""

    shard: str
    segment: str
    day: int
    size_bytes: int
    batches: int = 0
    records: int = 0
    first_seq: int = 0
    last_seq: int = 0
    first_ns: int = 0
    """When its first batch was received, 0 = it holds none."""
    last_ns: int = 0
    problems: tuple[str, ...] = ()


def examine_segments(directory: Path) -> Iterator[SegmentFacts]:
    """Yield the facts of every segment of a shard, in the order of writing, each with what is wrong with it.

    Raises:
        JournalError: the directory cannot be listed.
    """
    names = list_segments(directory)
    mark = read_low_water(directory)
    former: tuple[SegmentName, SegmentFacts] | None = None
    for name in names:
        facts = _examine(directory, name, newest=name == names[-1])
        problems = (*facts.problems, *_breaks(former, name, facts, mark))
        facts = msgspec.structs.replace(facts, problems=problems)
        former = (name, facts)
        yield facts


def read_batches(directory: Path, name: SegmentName) -> list[Batch]:
    """Return the readable batches of a segment; one that cannot be opened has none."""
    found: list[Batch] = []
    try:
        with SegmentReader(directory / name.file_name) as reader:
            for begin, end in payload_spans(reader)[0]:
                found.append(decode_batch(reader.read_span(begin, end)))
    except (OSError, JournalError, MalformedMessage):
        return found
    return found


def _examine(directory: Path, name: SegmentName, *, newest: bool) -> SegmentFacts:
    path = directory / name.file_name
    problems: list[str] = []
    outline = SegmentFacts(shard=directory.name, segment=name.file_name, day=name.day, size_bytes=0)
    try:
        with SegmentReader(path) as reader:
            outline = msgspec.structs.replace(outline, size_bytes=reader.size_bytes())
            spans, end_offset, damaged = payload_spans(reader)
            for begin, end in spans:
                try:
                    outline = _with_batch(outline, decode_batch(reader.read_span(begin, end)))
                except MalformedMessage as error:
                    problems.append(f"a batch at byte {begin} is not readable by this version: {error.reason}")
            rest_bytes = outline.size_bytes - end_offset
            # The newest segment may be in the middle of a write; any other ends with a whole frame.
            if damaged or (rest_bytes > 0 and not newest):
                problems.append(f"{rest_bytes} bytes from byte {end_offset} on are damaged")
    except (OSError, JournalError) as error:
        problems.append(str(error))
    return msgspec.structs.replace(outline, problems=tuple(problems))


def _with_batch(facts: SegmentFacts, batch: Batch) -> SegmentFacts:
    return msgspec.structs.replace(
        facts,
        batches=facts.batches + 1,
        records=facts.records + len(batch.records),
        first_seq=facts.first_seq or batch.first_seq,
        last_seq=batch.last_seq,
        first_ns=facts.first_ns or batch.received_ns,
        last_ns=batch.received_ns,
    )


def _breaks(
    former: tuple[SegmentName, SegmentFacts] | None, name: SegmentName, facts: SegmentFacts, mark: tuple[int, int]
) -> tuple[str, ...]:
    """Return what the numbers say is missing before a segment."""
    if not facts.batches or (name.epoch, name.ordinal) <= mark:
        return ()
    same_epoch = former is not None and former[0].epoch == name.epoch
    if former is not None and same_epoch and not former[1].batches:
        return ()
    expected = former[1].last_seq + 1 if former is not None and same_epoch else 1
    if facts.first_seq == expected:
        return ()
    return (f"records {expected} to {facts.first_seq - 1} of epoch {name.epoch} are missing before it",)
