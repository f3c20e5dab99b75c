"""The broker's daily symbol master files to listings.

Separate from the rules that choose among the listings. Lines are sliced as bytes: names are cp949, where a Hangul
syllable is two bytes, so that decoded text has other offsets (KIS protocol notes §6). A bad line costs its own
security, with a warning; a file with many is refused: a list that lost its half looks like a market that shrank.
"""

import io
import logging
import zipfile
import zlib
from collections.abc import Mapping

from observer_core.errors import ObserverError
from observer_core.kis.master_layout import (
    KOSDAQ_COLUMNS,
    KOSDAQ_LINE_BYTES,
    KOSPI_COLUMNS,
    KOSPI_LINE_BYTES,
    MASTER_ENCODING,
    Column,
)
from observer_core.market.listings import Listing
from observer_core.quality.validation import is_symbol

logger = logging.getLogger(__name__)

BAD_LINES_SHARE = 0.01
"""Share of bad lines above which a file is refused as a whole."""

_LINE_BYTES = {"kospi": KOSPI_LINE_BYTES, "kosdaq": KOSDAQ_LINE_BYTES}
_COLUMNS: dict[str, Mapping[str, Column]] = {
    "kospi": {column.name: column for column in KOSPI_COLUMNS},
    "kosdaq": {column.name: column for column in KOSDAQ_COLUMNS},
}
_UNPACKED_LIMIT_BYTES = 64 * 1024 * 1024


class MasterFileError(ObserverError):
    """A listing file cannot be read; says which file, and where there is one, line and column."""


class _Line:
    """One line; converts columns and names them when they do not convert."""

    def __init__(self, data: bytes, board: str, where: str) -> None:
        self._data = data
        self._columns = _COLUMNS[board]
        self._where = where

    def text(self, name: str) -> str:
        column = self._columns[name]
        try:
            return self._data[column.offset : column.end].decode(MASTER_ENCODING).strip()
        except UnicodeDecodeError as error:
            raise self.wrong(name, "is not cp949") from error

    def number(self, name: str) -> int:
        text = self.text(name)
        if not (text.isascii() and text.isdecimal()):
            raise self.wrong(name, f"is {text!r}, not a whole number")
        return int(text)

    def flag(self, name: str) -> bool:
        return self.text(name) == "Y"

    def code(self) -> str:
        code = self.text("short_code")
        if not is_symbol(code):
            raise self.wrong("short_code", f"is {code!r}, not a short code")
        return code

    def wrong(self, name: str, what: str) -> MasterFileError:
        column = self._columns[name]
        return MasterFileError(f"{self._where}, column {name} (bytes {column.offset} to {column.end}) {what}")


def parse_master(archive: bytes, board: str, file_name: str) -> list[Listing]:
    """Return the listings of a `.mst.zip` file.

    Args:
        archive: the file's content: a zip with one `.mst` in it.
        board: "kospi" or "kosdaq".
        file_name: for error messages.

    Raises:
        MasterFileError: it is not such a file, or too many of its lines are bad; names the first.
    """
    lines = _unpack(archive, file_name).split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise MasterFileError(f"{file_name} is empty")
    listings: list[Listing] = []
    problems: list[MasterFileError] = []
    for number, line in enumerate(lines, start=1):
        try:
            listings.append(_parse_line(line, board, f"{file_name}, line {number}"))
        except MasterFileError as error:
            problems.append(error)
    if len(problems) > len(lines) * BAD_LINES_SHARE:
        raise problems[0]
    for problem in problems:
        logger.warning("listing left out", extra={"reason": str(problem)})
    return listings


def _unpack(archive: bytes, file_name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as unpacked:
            members = [member for member in unpacked.infolist() if member.filename.endswith(".mst")]
            if len(members) != 1:
                raise MasterFileError(f"{file_name} holds {len(members)} .mst files instead of one")
            if members[0].file_size > _UNPACKED_LIMIT_BYTES:
                raise MasterFileError(f"{file_name} unpacks to {members[0].file_size} bytes, which it never should")
            return unpacked.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise MasterFileError(f"{file_name} is not a zip file that can be read ({error})") from error


def _parse_line(data: bytes, board: str, where: str) -> Listing:
    expected = _LINE_BYTES[board]
    data = data.removesuffix(b"\r")
    # Columns were appended in other files of the broker before: a longer line is as good as one of the known length.
    if len(data) < expected:
        raise MasterFileError(f"{where} has {len(data)} bytes instead of {expected}")
    line = _Line(data, board, where)
    sector = line.text("k200_sector") if board == "kospi" else ""
    return Listing(
        code=line.code(),
        isin=line.text("isin"),
        name=line.text("name"),
        board=board,
        group=line.text("scrt_grp"),
        previous_close=line.number("sdpr"),
        previous_volume=line.number("prdy_vol"),
        market_cap=line.number("cap"),
        spac=line.flag("spac"),
        halted=line.flag("halt"),
        administrative=line.flag("mang"),
        liquidation=line.flag("sltr"),
        preferred=line.text("pref") not in {"", "0"},
        warning=line.number("warn"),
        kospi200_sector="" if sector == "0" else sector,
        kosdaq150=board == "kosdaq" and line.flag("ksq150"),
    )
