"""The gap records and events of the day as the archive holds them: what an earlier hub saw, and what this one missed.

Separate from `hub_feed` because the archive is complete but later: it is read in a thread, a little at a time.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import msgspec

from observer_core.archive.layout import HOUR_NS, LIVE_SUFFIX, SEALED_SUFFIX, window_of
from observer_core.clock import kst_day, kst_midnight_ns
from observer_core.ids import ShardName
from observer_core.messages import Event, Track

logger = logging.getLogger(__name__)

_READ_BYTES = 4 * 1024 * 1024
_ANY_SHARD = ShardName("any")


class GapLine(msgspec.Struct, frozen=True, gc=False):
    """An archived record: what the fold of gaps needs of it; other kinds of records leave most of it empty."""

    kind: str
    gap_id: str = ""
    reason: str = ""
    symbols: tuple[str, ...] = ()
    from_ns: int = 0
    until_ns: int | None = None
    opened_ns: int = 0
    detail: str = ""
    missed_volume: int | None = None


class BackfillLine(msgspec.Struct, frozen=True, gc=False):
    """An archived minute bar that was fetched afterwards."""

    kind: str
    symbol: str = ""
    minute_ns: int = 0
    volume: int = 0


class _EventLine(msgspec.Struct, frozen=True, gc=False):
    kind: str
    at_ns: int = 0
    name: str = ""
    severity: str = ""
    subject: str = ""
    text: str = ""


_decoder = msgspec.json.Decoder(GapLine)
_backfill_decoder = msgspec.json.Decoder(BackfillLine)
_event_decoder = msgspec.json.Decoder(_EventLine)

Line = TypeVar("Line")
_KindLine = TypeVar("_KindLine", GapLine, BackfillLine, _EventLine)
Pick: TypeAlias = Callable[[Iterable[bytes]], list[Line]]


class SystemArchive(Generic[Line]):
    """Reads each system file of the archive once, and later only what was appended to it."""

    def __init__(self, archive: Path, make_pick: Callable[[], Pick[Line]]) -> None:
        """Read below an archive; `make_pick` gives, for each reading, what takes the wanted records out of lines."""
        self._archive = archive
        self._make_pick = make_pick
        self._offsets: dict[Path, int] = {}
        """How far a live file was read, and how long a sealed one was when it was."""
        self._read_until_ns: int | None = None
        self._behind = False
        """Whether a file has more than one reading takes."""

    def read_all(self, now_ns: int) -> list[Line]:
        """Return what `read` returns, for one who asks once: large files are read to their ends."""
        found = self.read(now_ns)
        while self._behind:
            found += self.read(now_ns)
        return found

    def read(self, now_ns: int) -> list[Line]:
        """Return the records that are new since the last call, the first time those of the whole Korean day.

        Files that vanish or cannot be read are passed over; a line that is not complete yet waits for the next call.
        """
        begins_ns = kst_midnight_ns(kst_day(now_ns if self._read_until_ns is None else self._read_until_ns))
        # All of the day, and the hour before: a writer that was down for hours still appends there.
        directories = _hour_directories(begins_ns - HOUR_NS, now_ns)
        self._read_until_ns = now_ns
        found: list[Line] = []
        pick = self._make_pick()
        offsets: dict[Path, int] = {}
        self._behind = False
        for directory in directories:
            for path in sorted((self._archive / directory).glob(f"*{LIVE_SUFFIX}")):
                before = self._offsets.get(path, 0)
                lines, offsets[path] = _read_lines(path, before)
                self._behind |= offsets[path] - before > _READ_BYTES // 2
                found += pick(lines)
            for path in sorted((self._archive / directory).glob(f"*{SEALED_SUFFIX}")):
                offsets[path] = _size(path)
                if offsets[path] != self._offsets.get(path):
                    # Also when it was read in part, live or before it grew: the fold takes a record twice without harm.
                    found += _sealed_lines(path, pick)
        self._offsets = offsets
        return found


class GapArchive(SystemArchive[GapLine]):
    """The gap records."""

    def __init__(self, archive: Path) -> None:
        super().__init__(archive, lambda: _Shared().gap_lines)


class GapAndEventArchive(SystemArchive[GapLine | Event]):
    """The gap records and the events."""

    def __init__(self, archive: Path) -> None:
        super().__init__(archive, lambda: _Shared().gaps_and_events)


class BackfillArchive(SystemArchive[BackfillLine]):
    """The minute bars that were fetched afterwards."""

    def __init__(self, archive: Path) -> None:
        super().__init__(archive, lambda: _backfills)


class _Shared:
    """Gap lines whose equal lists of symbols are one object.

    The gaps of a bad day name the same hundreds of symbols thousands of times: kept apart, they left tens of megabytes
    behind in a hub that started late in the day.
    """

    def __init__(self) -> None:
        self._symbols: dict[tuple[str, ...], tuple[str, ...]] = {}

    def gap_lines(self, lines: Iterable[bytes]) -> list[GapLine]:
        """Return the gap records among some lines."""
        return [self._sharing(line) for raw in lines if (line := _gap_line(raw)) is not None]

    def gaps_and_events(self, lines: Iterable[bytes]) -> list[GapLine | Event]:
        """Return the gap records and the events among some lines, in their order."""
        found: list[GapLine | Event] = []
        for raw in lines:
            if (line := _gap_line(raw)) is not None:
                found.append(self._sharing(line))
            elif (event := _event(raw)) is not None:
                found.append(event)
        return found

    def _sharing(self, line: GapLine) -> GapLine:
        symbols = self._symbols.setdefault(line.symbols, line.symbols)
        return msgspec.structs.replace(line, symbols=symbols)


def _hour_directories(from_ns: int, until_ns: int) -> list[Path]:
    hours = range(from_ns - from_ns % HOUR_NS, until_ns + 1, HOUR_NS)
    return [Path(window_of(Track.SYSTEM, _ANY_SHARD, hour_ns).path).parent for hour_ns in hours]


def _read_lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """Return the complete lines after an offset and where they end; a file that became shorter is read anew."""
    try:
        with path.open("rb") as file:
            if path.stat().st_size < offset:
                offset = 0
            file.seek(offset)
            data = file.read(_READ_BYTES)
    except OSError:
        return [], offset
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), offset + end


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sealed_lines(path: Path, pick: Pick[Line]) -> list[Line]:
    # Imported here: only a hub that starts in the middle of a day needs the library.
    from observer_core.archive.sealing import SealError, sealed_lines

    try:
        return pick(sealed_lines(path))
    except (OSError, SealError) as error:
        logger.warning("sealed file not read", extra={"file": str(path), "error": str(error)})
        return []


def _of_kind(raw: bytes, kind: bytes, decoder: msgspec.json.Decoder[_KindLine]) -> _KindLine | None:
    """Return a line that is of a kind; None where it is of another, or cannot be read."""
    # Most system lines are other kinds: the search is far cheaper than decoding each.
    if b'"%s"' % kind not in raw:
        return None
    try:
        line = decoder.decode(raw)
    except msgspec.DecodeError:
        return None
    return line if line.kind.encode() == kind else None


def _gap_line(raw: bytes) -> GapLine | None:
    return _of_kind(raw, b"gap", _decoder)


def _backfills(lines: Iterable[bytes]) -> list[BackfillLine]:
    return [line for raw in lines if (line := _of_kind(raw, b"backfill", _backfill_decoder)) is not None]


def _event(raw: bytes) -> Event | None:
    line = _of_kind(raw, b"event", _event_decoder)
    if line is None:
        return None
    return Event(at_ns=line.at_ns, name=line.name, severity=line.severity, subject=line.subject, text=line.text)
