"""What a streaming shard's symbols executed today while they were wanted, in a file that outlives the shard.

With the gap records of the day it gives the completeness of one symbol, also after restarts: what was executed less
what is proved missing. Separate from the proof, which begins anew with every life.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from observer_core.clock import NS_PER_S, kst_day
from observer_core.journal.files import replace_unsynced
from observer_core.quality.continuity import Reach

logger = logging.getLogger(__name__)

_WRITTEN_EVERY_NS = 2 * NS_PER_S


class Stretch(NamedTuple):
    """Shares: of ended stretches of the day, and where the present one began and reached, zeros when there is none."""

    before: int
    base: int
    reached: int

    @property
    def executed(self) -> int:
        """Return how many shares were executed while the symbol was wanted."""
        return self.before + self.reached - self.base


class _Content(msgspec.Struct):
    day: int
    symbols: dict[str, Stretch]


_decoder = msgspec.json.Decoder(_Content)


def read_day_volumes(path: Path, day: int) -> dict[str, Stretch]:
    """Return what stands in the file of a shard about a Korean day; nothing when it is of another, or unreadable."""
    try:
        content = _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("day's volumes not read", extra={"file": str(path), "error": str(error)})
        return {}
    return content.symbols if content.day == day else {}


class DayVolumes:
    """The file of one shard. `look` often, `end` when symbols are not wanted any more."""

    def __init__(self, path: Path, now_ns: int) -> None:
        self._path = path
        self._day = int(kst_day(now_ns))
        self._symbols = read_day_volumes(path, self._day)
        self._inherited = set(self._symbols)
        """Whose present stretch began in a former life: only where it reaches is taken from this one."""
        self._written_ns = 0
        self._written = dict(self._symbols)

    def look(self, reaches: Mapping[str, Reach], now_ns: int, *, write_now: bool = False) -> None:
        """Take where each symbol's line begins and how far it reaches."""
        if kst_day(now_ns) != self._day:
            self._day = int(kst_day(now_ns))
            self._symbols, self._inherited = {}, set()
        for symbol, reach in reaches.items():
            known = self._symbols.get(symbol)
            if reach.day != self._day:
                continue
            if known is None or not known.reached:
                self._symbols[symbol] = Stretch(known.before if known else 0, reach.low, reach.high)
            elif symbol in self._inherited:
                self._symbols[symbol] = known._replace(reached=max(known.reached, reach.high))
            else:
                self._symbols[symbol] = known._replace(base=min(known.base, reach.low), reached=reach.high)
        if write_now or now_ns - self._written_ns >= _WRITTEN_EVERY_NS:
            self._write(now_ns)

    def end(self, reaches: Mapping[str, Reach], now_ns: int) -> None:
        """End the stretches of symbols whose lines are dropped now; a later one begins where it begins."""
        self.look(reaches, now_ns)
        for symbol in reaches:
            known = self._symbols.get(symbol)
            if known is not None:
                self._symbols[symbol] = Stretch(known.executed, 0, 0)
                self._inherited.discard(symbol)
        self._write(now_ns)

    def _write(self, now_ns: int) -> None:
        self._written_ns = now_ns
        if self._symbols == self._written:
            return
        try:
            replace_unsynced(self._path, msgspec.json.encode(_Content(self._day, self._symbols)))
        except OSError as error:
            logger.warning("day's volumes not written", extra={"file": str(self._path), "error": str(error)})
            return
        self._written = dict(self._symbols)
