"""Where packages are pulled from: a directory (also a network share), or a server over SSH.

The server needs nothing but `sh`, `cat`, `tail` and `wc`; the PC nothing but its `ssh`. All files of a package travel
over one connection, each from the byte at which an earlier attempt ended.
"""

import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol

from observer_core.backup.form import PIECE_BYTES, RECEIPTS, SUCCESS, SourceError, is_day, write_durably

_REMOTE = re.compile(r"(?P<host>[^/\\:]{2,}):(?P<path>.+)")
"""host:/path; a single letter before the colon is a Windows drive."""
_PLAIN = re.compile(r"[\w./=+-]+", re.ASCII)

_LIST = f'for d in */; do d="${{d%/}}"; if [ -f "$d/{SUCCESS}" ]; then echo "$d"; fi; done; echo end'
_STREAM = (
    'while read -r offset path; do if [ -r "$path" ]; then wc -c < "$path"; tail -c "+$((offset + 1))" "$path"; '
    "else echo -1; fi; done"
)


class Source(Protocol):
    """A place that holds packages."""

    def days(self) -> list[int]:
        """Return the days with a finished package, oldest first; SourceError when it does not answer."""
        ...

    def small(self, path: str) -> bytes:
        """Return a small file; SourceError when it cannot be had."""
        ...

    def contents(self, wanted: Iterable[tuple[str, int]]) -> Iterator[Iterator[bytes]]:
        """Yield the rest of each file from an offset, in pieces; SourceError when one cannot be had."""
        ...

    def leave_receipt(self, name: str, content: bytes) -> None:
        """Put a receipt; SourceError when the place cannot be written."""
        ...


def source_at(address: str, ssh: str) -> Source:
    """Return the source that an address names: "host:/path" over SSH, anything else is a directory."""
    match = _REMOTE.fullmatch(address)
    if match is None:
        return DirectorySource(Path(address))
    return SshSource(match["host"], match["path"], ssh)


class DirectorySource:
    """Packages in a directory that this system sees."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def days(self) -> list[int]:
        """Return the days with a finished package, oldest first."""
        try:
            entries = list(self._directory.iterdir())
        except OSError as error:
            raise SourceError(f"{self._directory} cannot be read: {error.strerror}") from error
        return sorted(int(entry.name) for entry in entries if is_day(entry.name) and (entry / SUCCESS).is_file())

    def small(self, path: str) -> bytes:
        """Return a small file."""
        try:
            return (self._directory / path).read_bytes()
        except OSError as error:
            raise SourceError(f"{self._directory / path} cannot be read: {error.strerror}") from error

    def contents(self, wanted: Iterable[tuple[str, int]]) -> Iterator[Iterator[bytes]]:
        """Yield the rest of each file from an offset, in pieces."""
        for path, offset in wanted:
            yield self._rest(path, offset)

    def _rest(self, path: str, offset: int) -> Iterator[bytes]:
        try:
            with (self._directory / path).open("rb") as file:
                file.seek(offset)
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except OSError as error:
            raise SourceError(f"{self._directory / path} cannot be read: {error.strerror}") from error

    def leave_receipt(self, name: str, content: bytes) -> None:
        """Put a receipt."""
        try:
            (self._directory / RECEIPTS).mkdir(exist_ok=True)
            write_durably(self._directory / RECEIPTS / name, content)
        except OSError as error:
            raise SourceError(f"{self._directory / RECEIPTS} cannot be written: {error.strerror}") from error


class SshSource:
    """Packages on a server, read by its shell."""

    def __init__(self, host: str, directory: str, ssh: str) -> None:
        self._host = host
        self._directory = directory
        # A Windows path in the command keeps its backslashes.
        self._command = [word.strip("\"'") for word in shlex.split(ssh, posix=False)]

    def days(self) -> list[int]:
        """Return the days with a finished package, oldest first."""
        *names, end = self._run(_LIST).decode(errors="replace").split() or [""]
        if end != "end":
            raise SourceError(f"{self._host} answered something else than a list: {end[:80]!r}")
        return sorted(int(name) for name in names if is_day(name))

    def small(self, path: str) -> bytes:
        """Return a small file."""
        return self._run(f"cat {_quoted(path)}")

    def contents(self, wanted: Iterable[tuple[str, int]]) -> Iterator[Iterator[bytes]]:
        """Yield the rest of each file from an offset, in pieces."""
        process = subprocess.Popen(
            self._arguments(_STREAM), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None  # noqa: S101 - asked for above
        assert process.stdout is not None  # noqa: S101 - asked for above
        try:
            for path, offset in wanted:
                yield self._answer(process, process.stdin, process.stdout, (_quoted(path), offset))
        except BrokenPipeError as error:
            raise SourceError(f"{self._host}: the connection broke: pull again, it goes on from here") from error
        finally:
            process.kill()
            process.communicate()

    def _answer(
        self, process: "subprocess.Popen[bytes]", ask: IO[bytes], answer: IO[bytes], wanted: tuple[str, int]
    ) -> Iterator[bytes]:
        path, offset = wanted
        ask.write(f"{offset} {path}\n".encode())
        ask.flush()
        head = answer.readline().strip()
        if not head:
            error_text = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
            raise SourceError(f"{self._host}: the connection broke: {error_text or 'pull again, it goes on from here'}")
        if not head.isdigit():
            raise SourceError(f"{self._host}:{self._directory}/{path} is gone or cannot be read")
        left = max(int(head) - offset, 0)
        while left:
            piece = answer.read(min(left, PIECE_BYTES))
            if not piece:
                raise SourceError(f"{self._host}: the connection broke: pull again, it goes on from here")
            left -= len(piece)
            yield piece

    def leave_receipt(self, name: str, content: bytes) -> None:
        """Put a receipt."""
        path = f"{RECEIPTS}/{_quoted(name)}"
        self._run(f"mkdir -p {RECEIPTS} && cat > {path}.new && mv {path}.new {path}", content)

    def _arguments(self, script: str) -> list[str]:
        return [*self._command, self._host, f"cd {shlex.quote(self._directory)} && {script}"]

    def _run(self, script: str, stdin: bytes = b"") -> bytes:
        try:
            done = subprocess.run(self._arguments(script), input=stdin, capture_output=True, check=False)
        except OSError as error:
            raise SourceError(f"{self._command[0]} cannot be started: {error.strerror}") from error
        if done.returncode:
            raise SourceError(f"{self._host}: {done.stderr.decode(errors='replace').strip() or 'ssh failed'}")
        return done.stdout


def _quoted(path: str) -> str:
    if not _PLAIN.fullmatch(path) or ".." in path:
        raise SourceError(f"{path!r} is no path of a package")
    return path
