"""Are the configured directories fit for their purpose: there, writable, on a mount that outlives the container?

Separate from `settings`, which judges text: this asks the file system. Used by the supervisor before anything starts,
and by `observerctl doctor`.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from observer_core.settings import Settings

MOUNTS = Path("/proc/self/mountinfo")
LAYER_FILE_SYSTEMS = frozenset({"overlay", "aufs", "fuse-overlayfs"})
SPACE_AT_START_BYTES = 64 * 1024 * 1024
"""Less is not enough for a session's first minutes; a small volume needs a tenth of itself instead."""

_OCTAL = re.compile(r"\\(\d{3})")


@dataclass(frozen=True, slots=True)
class DirectoryProblem:
    """One thing that is wrong with a directory; `variable` names the setting."""

    variable: str
    path: Path
    cause: str
    remedy: str
    fatal: bool = True
    """Whether a start makes no sense; a lack of space is for the disk ladder to handle."""

    @property
    def text(self) -> str:
        """Return it as one line."""
        return f"{self.variable}={str(self.path)!r}: {self.cause}; {self.remedy}"


def directory_problems(settings: Settings, mounts: Path = MOUNTS) -> list[DirectoryProblem]:
    """Return everything that is wrong with the configured directories, in the order of the settings."""
    written = (
        ("OBSERVER_DATA_DIR", settings.data_dir),
        ("OBSERVER_LOG_DIR", settings.log_dir),
        ("OBSERVER_SYSTEM_LOG_DIR", settings.system_log_dir),
        ("OBSERVER_MAINTENANCE_LOG_DIR", settings.maintenance_log_dir),
        ("OBSERVER_RUN_DIR", settings.run_dir),
        ("KIS_TOKEN_CACHE_DIR", settings.token_cache_dir),
    )
    problems = [problem for name, path in written if (problem := _not_writable(name, path)) is not None]
    config = _not_readable("OBSERVER_CONFIG_DIR", settings.config_dir)
    problems += [config] if config else []
    problems += _layer_problem(settings, mounts)
    if not any(problem.path == settings.data_dir for problem in problems):
        problems += _space_problem("OBSERVER_DATA_DIR", settings.data_dir)
    return problems + _inside_config(settings)


def _not_writable(variable: str, path: Path) -> DirectoryProblem | None:
    place = _nearest(path)
    if not place.is_dir():
        return DirectoryProblem(variable, path, f"{place} is not a directory", "remove it, or name another directory")
    if os.access(place, os.W_OK | os.X_OK):
        return None
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        return DirectoryProblem(variable, path, f"{place} is on a read-only volume", "mount it read-write")
    who = f"user {os.geteuid()} may not write {place} (owner {place.stat().st_uid})"
    if place != path:
        return DirectoryProblem(
            variable, path, f"it does not exist, and {who}", f"make it: install -d -o {os.geteuid()} {path}"
        )
    return DirectoryProblem(variable, path, who, f"give it to that user: chown -R {os.geteuid()} {path}")


def _not_readable(variable: str, path: Path) -> DirectoryProblem | None:
    place = _nearest(path)
    if not place.is_dir():
        return DirectoryProblem(
            variable, path, f"{place} is not a directory", "mount the directory, not one file of it"
        )
    if _exists(path) and not os.access(path, os.R_OK | os.X_OK):
        return DirectoryProblem(
            variable, path, f"user {os.geteuid()} may not read it", f"chmod o+rx, or chown {os.geteuid()}, {path}"
        )
    return _not_writable(variable, path) if place != path else None


def _layer_problem(settings: Settings, mounts: Path) -> list[DirectoryProblem]:
    if settings.allow_container_layer:
        return []
    point, kind = mount_of(settings.data_dir, mounts)
    if kind not in LAYER_FILE_SYSTEMS:
        return []
    return [
        DirectoryProblem(
            "OBSERVER_DATA_DIR",
            settings.data_dir,
            f"it lies in the container's own layer ({kind} at {point}): what is collected goes with the container",
            "mount a directory of the host there, or set OBSERVER_ALLOW_CONTAINER_LAYER=true",
        )
    ]


def _space_problem(variable: str, path: Path) -> list[DirectoryProblem]:
    facts = os.statvfs(_nearest(path))
    free = facts.f_bavail * facts.f_frsize
    needed = min(SPACE_AT_START_BYTES, facts.f_blocks * facts.f_frsize // 10)
    found: list[DirectoryProblem] = []
    if free < needed:
        cause = f"{free // 2**20} MiB are free, {max(1, needed // 2**20)} MiB are needed"
        found.append(DirectoryProblem(variable, path, cause, "free space on this volume", fatal=False))
    if facts.f_files and not facts.f_favail:
        found.append(DirectoryProblem(variable, path, "no inode is free", "remove small files there", fatal=False))
    return found


def _inside_config(settings: Settings) -> list[DirectoryProblem]:
    """Refuse data below the configuration: there it has been lost before, with an update of the configuration."""
    if not settings.data_dir.is_relative_to(settings.config_dir):
        return []
    cause = f"it lies inside OBSERVER_CONFIG_DIR={settings.config_dir}"
    return [DirectoryProblem("OBSERVER_DATA_DIR", settings.data_dir, cause, "keep data and configuration apart")]


def mount_of(path: Path, mounts: Path = MOUNTS) -> tuple[Path, str]:
    """Return mount point and file system type under a path; ("/", "") where the kernel does not say."""
    place = _nearest(path).resolve()
    best = (Path("/"), "")
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return best
    for line in lines:
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5 or not after:
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        # A later mount over the same point hides the earlier one.
        if place.is_relative_to(point) and len(point.parts) >= len(best[0].parts):
            best = (point, after.split()[0])
    return best


def _nearest(path: Path) -> Path:
    """Return the path itself, or the nearest parent that exists."""
    while not _exists(path) and path != path.parent:
        path = path.parent
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        # What lies behind a closed directory is as good as absent.
        return False
