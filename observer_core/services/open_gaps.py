"""The gaps a shard has open, remembered beside its journal, so that a killed shard's gaps are closed by its next life.

Separate from the outages, which are pure. The file is replaced as a whole and not synced: it is written whenever a gap
opens or closes, before the opening is journalled and after the closing is. What a power loss takes of it costs a gap
record that stays open, never an observation.
"""

import logging
from pathlib import Path

import msgspec

from observer_core.messages import Gap

logger = logging.getLogger(__name__)

FILE_NAME = "open-gaps.json"

_decoder = msgspec.json.Decoder(tuple[Gap, ...])


class OpenGapsFile:
    """The file of one shard; `remember` writes only when something changed."""

    def __init__(self, journal_directory: Path) -> None:
        self._path = journal_directory / FILE_NAME
        self._ids: frozenset[str] = frozenset()

    def left_open(self) -> tuple[Gap, ...]:
        """Return the gaps that a former life left open; damaged content is reported and counts as none."""
        try:
            return _decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("open gaps of the former life not readable", extra={"error": str(error)})
            return ()

    def remember(self, gaps: tuple[Gap, ...]) -> None:
        """Store the open gaps; a disk that refuses is reported, the gaps themselves are in the journal."""
        ids = frozenset(gap.gap_id for gap in gaps)
        if ids == self._ids:
            return
        temporary = self._path.with_suffix(".new")
        try:
            temporary.write_bytes(msgspec.json.encode(gaps))
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("open gaps not remembered", extra={"error": str(error)})
            return
        self._ids = ids
