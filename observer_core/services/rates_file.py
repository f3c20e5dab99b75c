"""What a shard usually receives, in a small file that outlives it: a rate low from the start must be noticed."""

import logging
from pathlib import Path

import msgspec

from observer_core.journal.files import replace_unsynced

logger = logging.getLogger(__name__)

_decoder = msgspec.json.Decoder(dict[str, float])


class RatesFile:
    """Records a second by phase. A file that cannot be read or written costs the memory of it, nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, float]:
        """Return what was written last; nothing when there is no such file."""
        try:
            return _decoder.decode(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("usual rates not read", extra={"file": str(self._path), "error": str(error)})
            return {}

    def write(self, rates: dict[str, float]) -> None:
        """Replace the file as a whole; it is not synced, since the next minute writes it again."""
        try:
            replace_unsynced(self._path, msgspec.json.encode({key: round(rate, 3) for key, rate in rates.items()}))
        except OSError as error:
            logger.warning("usual rates not written", extra={"file": str(self._path), "error": str(error)})
