"""The gaps a shard has open, or has ended and not journalled yet, remembered beside its journal for its next life.

Separate from the outages, which are pure. The file is replaced as a whole and not synced: it is written whenever a gap
opens or closes, before the opening is journalled and after the closing is. What a power loss takes of it costs a gap
record that stays open, never an observation.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from observer_core.messages import Gap

logger = logging.getLogger(__name__)

FILE_NAME = "open-gaps.json"

_decoder = msgspec.json.Decoder(tuple[Gap, ...])


class OpenGapsFile:
    """The file of one shard; `remember` writes only when something changed."""

    def __init__(self, journal_directory: Path) -> None:
        """Read what a former life left, before anything else is remembered."""
        self._path = journal_directory / FILE_NAME
        self._held: frozenset[tuple[str, int | None]] | None = None
        """Id and end of what is in the file, None = damaged content."""
        self.left = self._read()
        """Gaps that a former life had open, or whose end its journal did not take."""

    def remember(self, gaps: Iterable[Gap]) -> None:
        """Store gaps, the last word on each; a disk that refuses is reported, the next change tries again."""
        newest = {gap.gap_id: gap for gap in gaps}
        held = frozenset((gap.gap_id, gap.until_ns) for gap in newest.values())
        if held == self._held:
            return
        temporary = self._path.with_suffix(".new")
        try:
            temporary.write_bytes(msgspec.json.encode(tuple(newest.values())))
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("open gaps not remembered", extra={"error": str(error)})
            return
        self._held = held

    def _read(self) -> tuple[Gap, ...]:
        try:
            gaps = _decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            gaps = ()
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("open gaps of the former life not readable", extra={"error": str(error)})
            return ()
        self._held = frozenset((gap.gap_id, gap.until_ns) for gap in gaps)
        return gaps
