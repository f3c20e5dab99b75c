"""A sealed file that was damaged later is made anew: what is readable of it, and the rest from the journal.

Separate from sealing because it needs the journal's records as lines. The damaged file is kept as `.torn`; the manifest
says which lines belong in and, by their hash, whether all of them came back.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from observer_core.archive.layout import Window, shard_track, window_of
from observer_core.archive.manifest import SealedFile
from observer_core.archive.sealing import SealError, examine, key_of, sealed_lines, write_sealed
from observer_core.errors import JournalError
from observer_core.journal.files import list_segments, sync_directory
from observer_core.journal.verify import read_batches
from observer_core.messages import Batch, track_of
from observer_core.paths import Paths
from observer_core.sinks.jsonl_lines import encode_lines, line_objects

logger = logging.getLogger(__name__)

TORN_SUFFIX = ".torn"


def rebuild_sealed(paths: Paths, sealed: Path, window: Window, listed: SealedFile) -> SealedFile:
    """Replace a damaged sealed file by one with the lines that the manifest lists; return what the new one holds.

    Raises:
        SealError: nothing more can be read than the damaged file gives; it stays as it is.
        OSError: no space, for example.
    """
    partial = sealed.with_name(f".{sealed.name}.rebuilt")
    try:
        write_sealed(partial, _lines_again(paths, sealed, window, listed.last))
        found = examine(partial)
        if found.rows == 0:
            raise SealError(f"{sealed} is damaged from its beginning and the journal holds none of its records")
        torn = sealed.with_name(sealed.name + TORN_SUFFIX)
        torn.unlink(missing_ok=True)
        # A link first: at no moment does the archive lack the file.
        os.link(sealed, torn)
        partial.replace(sealed)
    except (OSError, SealError):
        partial.unlink(missing_ok=True)
        raise
    sync_directory(sealed.parent)
    complete = found.content_sha256 == listed.content_sha256
    logger.log(
        logging.WARNING if complete else logging.CRITICAL,
        "damaged sealed file made anew",
        extra={"file": str(sealed), "rows": found.rows, "rows_listed": listed.rows, "complete": complete},
    )
    return found


def _lines_again(paths: Paths, sealed: Path, window: Window, last: tuple[int, int]) -> Iterator[bytes]:
    """Yield the readable lines of the damaged file, then the journal's after them."""
    after = (0, 0)
    try:
        for line in sealed_lines(sealed):
            after = key_of(line)
            yield line
    except SealError as error:
        logger.warning("sealed file is readable in part", extra={"file": str(sealed), "error": str(error)})
    for batch in _journalled(paths.journal(window.shard), after):
        yield from _lines_of(batch, window, after, last)


def _journalled(directory: Path, after: tuple[int, int]) -> Iterator[Batch]:
    try:
        names = [name for name in list_segments(directory) if name.epoch >= after[0]]
    except JournalError:
        return
    for name in names:
        yield from read_batches(directory, name)


def _lines_of(batch: Batch, window: Window, after: tuple[int, int], last: tuple[int, int]) -> Iterator[bytes]:
    """Yield the lines of a batch that belong into a window, of the records after one and up to another."""
    own_track = shard_track(batch.shard)
    if window_of(window.track, batch.shard, batch.received_ns) != window:
        return
    chosen = [
        index
        for index, record in enumerate(batch.records)
        if track_of(record, own_track) is window.track and after < (batch.epoch, batch.first_seq + index) <= last
    ]
    if chosen:
        yield from encode_lines(line_objects(batch, chosen)).splitlines(keepends=True)
