"""`scalp.toml` as a process follows it: read again when it changes and stands still, never half.

Separate from the file's meaning, which is pure; sweeping and streaming shards each follow it by themselves.
"""

import logging
from pathlib import Path
from typing import NamedTuple

from observer_core.market.toml_lines import ConfigFileError
from observer_core.scalp.config import ScalpRules, parse_scalp_config

logger = logging.getLogger(__name__)

_Mark = tuple[int, int, int] | None


class Verdict(NamedTuple):
    """What came of a change of the file."""

    valid: bool
    text: str


class ScalpConfig:
    """The rules in force; the defaults where there is no file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rules = ScalpRules()
        self._handled: _Mark = None
        self._seen: _Mark = None
        if (mark := self._mark()) is not None:
            self._seen = mark
            self._first = self.look()
        else:
            self._first = None

    def take_first(self) -> Verdict | None:
        """Return, once, what came of the file that was there at the start."""
        first, self._first = self._first, None
        return first

    def look(self) -> Verdict | None:
        """Take a changed file once it stands still between two looks; return what came of it. One `stat` a call."""
        mark = self._mark()
        settled, self._seen = mark == self._seen, mark
        if mark == self._handled or not settled:
            return None
        self._handled = mark
        if mark is None:
            self.rules = ScalpRules()
            return Verdict(valid=True, text=f"{self._path.name} is gone: the defaults are in force")
        try:
            self.rules = parse_scalp_config(self._path.read_bytes(), self._path.name)
        except (ConfigFileError, OSError) as error:
            logger.warning("scalp configuration refused", extra={"problem": str(error)})
            return Verdict(valid=False, text=f"{error}; the rules before stay in force")
        return Verdict(valid=True, text=f"{self._path.name} is in force")

    def _mark(self) -> _Mark:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
