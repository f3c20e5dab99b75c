"""The manifest of a day: every sealed archive file with its rows, bounds and hashes.

Written by maintenance, read by backup, retention and whoever fetches sealed files; replaced as a whole.
"""

from pathlib import Path

import msgspec

from observer_core.archive.layout import parse_path
from observer_core.clock import kst_day
from observer_core.ids import DayNumber
from observer_core.journal.files import replace_durably

MANIFEST_VERSION = 1


class SealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a sealed file holds."""

    rows: int
    content_bytes: int
    content_sha256: str
    """Of the lines, as `zstd -dc` gives them."""
    sealed_bytes: int
    sha256: str
    """Of the file itself."""
    first: tuple[int, int] = (0, 0)
    """(epoch, seq) of the first line."""
    last: tuple[int, int] = (0, 0)


class ShardBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What the sealed files of a day hold of one shard."""

    rows: int
    first: tuple[int, int]
    last: tuple[int, int]


class DayManifest(msgspec.Struct, frozen=True, kw_only=True):
    """All sealed files of a Korean day, by path relative to the archive."""

    day: DayNumber
    version: int = MANIFEST_VERSION
    complete: bool = False
    """True when the day is over and none of its files is open or unsealed."""
    files: dict[str, SealedFile] = {}
    shards: dict[str, ShardBounds] = {}
    anomalies: dict[str, str] = {}
    """Why the day was anomalous, by rule; empty for an ordinary day."""


_decoder = msgspec.json.Decoder(DayManifest)


def read_manifest(path: Path, day: DayNumber) -> DayManifest:
    """Return the manifest of a day; one that is missing or damaged is empty: it is made anew from the files."""
    try:
        return _decoder.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return DayManifest(day=day)


def write_manifest(path: Path, manifest: DayManifest) -> None:
    """Replace the manifest durably.

    Raises:
        OSError: the former one is unharmed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = msgspec.structs.replace(manifest, shards=_shards(manifest.files))
    replace_durably(path, msgspec.json.format(msgspec.json.encode(whole), indent=1))


def day_of(path: str) -> DayNumber | None:
    """Return the day to which an archive path belongs, None when it is not one of ours."""
    window = parse_path(path)
    return None if window is None else kst_day(window.begins_ns)


def _shards(files: dict[str, SealedFile]) -> dict[str, ShardBounds]:
    found: dict[str, ShardBounds] = {}
    for path, file in sorted(files.items()):
        window = parse_path(path)
        if window is None or not file.rows:
            continue
        before = found.get(window.shard)
        found[window.shard] = ShardBounds(
            rows=file.rows + (before.rows if before else 0),
            first=min(file.first, before.first) if before else file.first,
            last=max(file.last, before.last) if before else file.last,
        )
    return found
