"""Disk use: which mounts hold our directories, how much of them is ours, how fast they fill, when they are full, and
on which step of the disk ladder they stand.

Separate because it is the hub's only slow reading; everything here blocks and runs in a thread.
"""

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median

from observer_core.archive.disk_ladder import MEASURES, Ladder, Level
from observer_core.archive.volumes import HeldBack, Usage, measure
from observer_core.clock import NS_PER_S
from observer_core.messages import Event
from observer_core.settings import Settings
from observer_core.view import DiskRow

GROWTH_WINDOW_NS = 600 * NS_PER_S
GROWTH_SPAN_NS = 300 * NS_PER_S
"""A shorter observation says nothing about growth: a checkpoint or a sealed hour is larger than minutes of data."""

GROWTH_STEP_NS = 10 * NS_PER_S
"""One point is kept for so long: pairs of points are compared, so their number counts."""

SETTLED_NS = 3_600 * NS_PER_S
"""A file that nobody wrote for so long is not expected to grow: its directory is not read again until it changes."""

_BLOCK_BYTES = 512


class Growth:
    """Used bytes of one mount over the last minutes."""

    __slots__ = ("_points",)

    def __init__(self) -> None:
        self._points: deque[tuple[int, int]] = deque()

    def add(self, at_ns: int, used_bytes: int) -> None:
        """Take the used bytes at an instant; a clock that went back begins anew."""
        if self._points and at_ns < self._points[-1][0]:
            self._points.clear()
        if self._points and at_ns - self._points[-1][0] < GROWTH_STEP_NS:
            return
        self._points.append((at_ns, used_bytes))
        while at_ns - self._points[0][0] > GROWTH_WINDOW_NS:
            self._points.popleft()

    def bytes_per_s(self) -> float | None:
        """Return the usual growth over the window, negative when space was freed; None while the window is short.

        The median of the slopes between points half a window apart (Theil and Sen): one file that comes or goes moves
        a mean by gigabytes a day, and the median hardly.
        """
        points = self._points
        if not points or points[-1][0] - points[0][0] < GROWTH_SPAN_NS:
            return None
        half = len(points) // 2
        return median(
            (later[1] - earlier[1]) / ((later[0] - earlier[0]) / NS_PER_S)
            for earlier, later in zip(points, islice(points, half, None), strict=False)
        )


def time_to_full_s(free_bytes: int, growth_bytes_per_s: float | None) -> float | None:
    """Return the seconds until nothing is free at this growth; None when it does not grow or is not known."""
    if growth_bytes_per_s is None or growth_bytes_per_s <= 0:
        return None
    return round(free_bytes / growth_bytes_per_s, 1)


@dataclass(slots=True)
class _Directory:
    mtime_ns: int
    newest_file_ns: int
    files_bytes: int
    children: tuple[str, ...]


@dataclass(slots=True)
class TreeSize:
    """Allocated bytes of a directory tree, read again only where something can have changed."""

    root: Path
    _known: dict[str, _Directory] = field(default_factory=dict)

    def measure(self, now_ns: int) -> int:
        """Return the bytes of all files below the root; what vanishes or cannot be read meanwhile counts as 0."""
        seen: dict[str, _Directory] = {}
        pending = [str(self.root)]
        while pending:
            path = pending.pop()
            found = self._directory(path, now_ns)
            if found is not None:
                seen[path] = found
                pending.extend(found.children)
        self._known = seen
        return sum(directory.files_bytes for directory in seen.values())

    def below(self, directory: Path) -> int:
        """Return the bytes below a directory of the tree as they were measured last."""
        root, inside = str(directory), f"{directory}/"
        return sum(found.files_bytes for path, found in self._known.items() if path == root or path.startswith(inside))

    def _directory(self, path: str, now_ns: int) -> _Directory | None:
        known = self._known.get(path)
        try:
            mtime_ns = os.stat(path).st_mtime_ns  # noqa: PTH116 - tens of thousands of paths: text is cheaper
            settled = known is not None and now_ns - max(known.newest_file_ns, known.mtime_ns) > SETTLED_NS
            if known is not None and settled and known.mtime_ns == mtime_ns:
                return known
            return _read_directory(path, mtime_ns)
        except OSError:
            return None


def _read_directory(path: str, mtime_ns: int) -> _Directory:
    files_bytes = newest_ns = 0
    children: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    children.append(entry.path)
                    continue
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            # Each name of a file counts its share: backup packages are links to archive files.
            files_bytes += facts.st_blocks * _BLOCK_BYTES // max(facts.st_nlink, 1)
            newest_ns = max(newest_ns, facts.st_mtime_ns)
    return _Directory(mtime_ns, newest_ns, files_bytes, tuple(children))


def mount_of(path: Path) -> Path:
    """Return the mount point of the file system that holds a path; a missing path counts as its nearest parent."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    place = place.resolve()
    while not place.is_mount():
        place = place.parent
    return place


class DiskWatch:
    """The mounts of our directories. `directories` maps a purpose ("data", "logs") to its directory.

    Of the directories `inner`, which lie in others, only those are shown that are mounts of their own. `kinds` maps
    what is counted apart to its directories.
    """

    def __init__(
        self,
        directories: Mapping[str, Path],
        *,
        inner: Mapping[str, Path] | None = None,
        kinds: Mapping[str, Sequence[Path]] | None = None,
        ladder: Ladder | None = None,
        held: HeldBack | None = None,
    ) -> None:
        self._held = held
        self._directories = dict(directories)
        self._inner = dict(inner or {})
        self._kinds = dict(kinds or {})
        self._ladder = ladder or Ladder()
        self._levels: dict[str, Level] = {}
        self._changes: list[Event] = []
        roots = {path.absolute() for path in directories.values()}
        outer = [root for root in roots if not any(root != other and root.is_relative_to(other) for other in roots)]
        self._sizes = [TreeSize(root) for root in outer]
        self._growth: dict[str, Growth] = {}
        self._ours: dict[str, int] = {}
        self._by_kind: dict[str, dict[str, int]] = {}

    def measure_ours(self, now_ns: int) -> None:
        """Recount our own files by mount (slow; every 10 s or so)."""
        ours: dict[str, int] = {}
        for size in self._sizes:
            mount = str(mount_of(size.root))
            ours[mount] = ours.get(mount, 0) + size.measure(now_ns)
        by_kind: dict[str, dict[str, int]] = {}
        for kind, directories in self._kinds.items():
            for directory in directories:
                counted = by_kind.setdefault(str(mount_of(directory)), {})
                found = sum(size.below(directory.absolute()) for size in self._sizes)
                counted[kind] = counted.get(kind, 0) + found
        self._ours, self._by_kind = ours, by_kind

    def rows(self, now_ns: int) -> tuple[DiskRow, ...]:
        """Return one row a mount, as of now (cheap; growth is of the whole mount: whoever fills it, fills ours)."""
        purposes: dict[str, list[str]] = {}
        for purpose, directory in self._directories.items():
            purposes.setdefault(str(mount_of(directory)), []).append(purpose)
        for purpose, directory in self._inner.items():
            mount = str(mount_of(directory))
            if mount not in purposes or mount == str(directory):
                purposes.setdefault(mount, []).append(purpose)
        return tuple(self._row(mount, tuple(names), now_ns) for mount, names in sorted(purposes.items()))

    def take_changes(self) -> list[Event]:
        """Return the changes of the ladder's steps since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def _step(self, mount: str, purposes: tuple[str, ...], usage: Usage, now_ns: int) -> Level:
        before = self._levels.get(mount, Level.NORMAL)
        level = self._levels[mount] = self._ladder.next_level(before, usage.used_percent)
        if level is not before:
            severity = ("info", "warning", "warning", "error", "critical")[level]
            text = f"{', '.join(purposes)} {usage.used_percent:.0f} % used: {level.word}"
            text += f"; {MEASURES[level]}" if level else ""
            self._changes.append(Event(now_ns, "disk_level", severity, mount, text))
        return level

    def _row(self, mount: str, purposes: tuple[str, ...], now_ns: int) -> DiskRow:
        facts = os.statvfs(mount)
        free_bytes = facts.f_bavail * facts.f_frsize
        owed_bytes = 0 if self._held is None else self._held.owed_bytes(Path(mount))
        level = self._step(mount, purposes, measure(Path(mount), owed_bytes), now_ns)
        growth = self._growth.setdefault(mount, Growth())
        growth.add(now_ns, (facts.f_blocks - facts.f_bfree) * facts.f_frsize)
        rate = growth.bytes_per_s()
        return DiskRow(
            mount=mount,
            purposes=purposes,
            total_bytes=facts.f_blocks * facts.f_frsize,
            free_bytes=free_bytes,
            ours_bytes=self._ours.get(mount, 0),
            growth_bytes_per_s=None if rate is None else round(rate, 1),
            time_to_full_s=time_to_full_s(free_bytes, rate),
            as_of_ns=now_ns,
            level=level.word,
            measure=MEASURES[level],
            sizes=self._by_kind.get(mount, {}),
        )


def disk_watch(settings: Settings) -> DiskWatch:
    """Return the watch over every directory of an installation."""
    paths = settings.paths
    inner = {
        "journal": paths.journals,
        **{track: paths.data / track for track in ("swing", "scalp", "system")},
        "state": paths.state,
        "run": settings.run_dir,
        "tokens": settings.token_cache_dir,
    }
    directories = {"data": settings.data_dir, "logs": settings.log_dir}
    held = HeldBack(paths, settings.disk_reserve_bytes)
    kinds = {
        "journal": [paths.journals],
        "archive": [paths.data / track for track in ("swing", "scalp", "system")],
        "backup": [paths.backups],
        "logs": [settings.log_dir],
    }
    return DiskWatch(directories, inner=inner, kinds=kinds, ladder=Ladder(*settings.disk_ladder_percent), held=held)
