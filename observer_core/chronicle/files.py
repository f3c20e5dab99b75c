"""Where chronicle files lie, and the one who writes them: a file an hour, the oldest ones go. Everything here blocks.

A file carries its Korean day and hour in its name. A hub that starts again goes on in the hour's file: what its
predecessor left torn ends at the next mark.
"""

import contextlib
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from observer_core.chronicle.difference import difference
from observer_core.chronicle.format import SectionEncoder
from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.ids import DayNumber
from observer_core.view import SystemView

SECTION_NS: Final = 300 * NS_PER_S
"""A section begins with a whole view: so much at most is lost with a damaged spot, or read too much for a jump."""

FILES_LIMIT: Final = 24 * 31
_SLACK_BYTES: Final = 1024 * 1024
"""Kept free below the limit for what is written until the next look at it."""

_FILE_NAME = re.compile(r"(\d{8})-(\d{2})\.zst")


class ChronicleFile(NamedTuple):
    """One hour."""

    path: Path
    day: DayNumber


def chronicle_files(directory: Path) -> list[ChronicleFile]:
    """Return the files, oldest first; others in the directory are none of ours."""
    with contextlib.suppress(FileNotFoundError):
        names = sorted(path.name for path in directory.iterdir())
        found = ((name, _FILE_NAME.fullmatch(name)) for name in names)
        return [ChronicleFile(directory / name, DayNumber(int(match[1]))) for name, match in found if match]
    return []


def recorded_days(directory: Path) -> list[DayNumber]:
    """Return the days of which there is a recording."""
    return sorted({file.day for file in chronicle_files(directory)})


class ChronicleWriter:
    """Appends views to the hour's file; after a failure the next views begin a section anew."""

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._encoder = SectionEncoder()
        self._path: Path | None = None
        """File of the section that is begun; None = the next view begins one."""
        self._began_ns = 0
        self._last: SystemView | None = None
        # A stop writes the last views while a thread may still write those before.
        self._turn = threading.Lock()

    def write(self, views: Sequence[SystemView]) -> None:
        """Append views, oldest first; they can be read when this returns.

        Raises:
            OSError: they could not all be written; what of them reached the disk is readable.
        """
        with self._turn:
            try:
                self._write(views)
            except OSError:
                self._path = None
                raise

    def close(self) -> None:
        """End the section.

        Raises:
            OSError: its end could not be written.
        """
        with self._turn:
            self._end_section()

    def _write(self, views: Sequence[SystemView]) -> None:
        buffer = bytearray()
        for view in views:
            path = self._directory / _file_name(view.as_of_ns)
            delta = difference(self._last, view) if self._last is not None else None
            too_old = not 0 <= view.as_of_ns - self._began_ns < SECTION_NS
            if path != self._path or delta is None or too_old:
                self._append(buffer)
                buffer.clear()
                self._end_section()
                self._make_room()
                self._path, self._began_ns = path, view.as_of_ns
                buffer += self._encoder.begin(view)
            else:
                buffer += self._encoder.add(delta)
            self._last = view
        if self._path is not None:
            buffer += self._encoder.flush()
        self._append(buffer)

    def _append(self, data: bytes | bytearray) -> None:
        if self._path is None or not data:
            return
        with self._path.open("ab", buffering=0) as file:
            written = file.write(data)
        if written != len(data):
            raise OSError(f"{self._path.name}: {written} of {len(data)} bytes written")

    def _end_section(self) -> None:
        if self._path is not None:
            self._append(self._encoder.end())
            self._path = None

    def _make_room(self) -> None:
        """Remove the oldest files where there are too many, or too large ones."""
        self._directory.mkdir(parents=True, exist_ok=True)
        files = [(file.path, file.path.stat().st_size) for file in chronicle_files(self._directory)]
        total = sum(size for _, size in files)
        room = self._limit_bytes - min(_SLACK_BYTES, self._limit_bytes // 4)
        while files and (total > room or len(files) > FILES_LIMIT):
            path, size = files.pop(0)
            path.unlink(missing_ok=True)
            total -= size


def _file_name(at_ns: int) -> str:
    return f"{kst_datetime(at_ns):%Y%m%d-%H}.zst"
