"""What `verify`, `pull`, `restore` and `drill` print and exit with, the same by `observerctl backup` and on a PC.

Exit codes: 0 all is well; 1 damaged, missing, old or failed; 2 wrong usage; 3 the source does not answer.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from observer_core.backup.form import BackupError, Progress, SourceError, packages_in
from observer_core.backup.pull import Place, Transfer, pull
from observer_core.backup.restore import Examine, Places, drill, leave_mark, restore
from observer_core.backup.sources import source_at
from observer_core.backup.verify import age_problem, success_digest, verify
from observer_core.clock import NS_PER_S, Clock, kst_day

DONE, FAILED, USAGE, NOBODY = 0, 1, 2, 3
DEFAULT_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
"""Never asks, and notices a line that went dead: a timer has nobody to answer it."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command speaks."""

    as_json: bool
    clock: Clock

    def progress(self) -> Progress:
        """Return what tells about once a second on standard error how far it is."""
        told_ns = self.clock.monotonic_ns()

        def tell(what: str, done: int, total: int) -> None:
            nonlocal told_ns
            now_ns = self.clock.monotonic_ns()
            if now_ns - told_ns >= NS_PER_S:
                told_ns = now_ns
                share = 100 * done / total if total else 100.0
                print(f"{share:3.0f} %  {done:,} of {total:,} bytes  {what}", file=sys.stderr, flush=True)

        return tell

    def say(self, document: Any, *lines: str) -> None:
        """Print the document as JSON, or the lines."""
        print(json.dumps(document, ensure_ascii=False) if self.as_json else "\n".join(lines), flush=True)


def guarded(run: Callable[[], int]) -> int:
    """Run a command; turn its errors into words and an exit code."""
    try:
        return run()
    except SourceError as error:
        print(error, file=sys.stderr)
        return NOBODY
    except (BackupError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED


def verify_command(store: Path, day: int | None, days_allowed: int | None, manner: Manner) -> int:
    """Verify one package or all of a store; with an allowed age also that the newest is young enough."""
    days = [day] if day is not None else packages_in(store)
    verdicts = [verify(store / str(one), manner.progress()) for one in days]
    old = None if days_allowed is None else age_problem(store, kst_day(manner.clock.now_ns()), days_allowed)
    if not days:
        old = old or f"there is no backup in {store}"
    lines = []
    for verdict in verdicts:
        what = f"{verdict.files} files, {verdict.total_bytes:,} bytes, {verdict.rows:,} records"
        kind = "" if verdict.complete else " (of a day not over when it was packed)"
        lines.append(f"{verdict.day}: {'whole' if verdict.whole else 'NOT WHOLE'}: {what}{kind}")
        lines += [f"  {problem}" for problem in verdict.problems]
    document = {"packages": [verdict.as_json() for verdict in verdicts], "old": old}
    manner.say(document, *lines, *([old] if old else []))
    return FAILED if old or not all(verdict.whole for verdict in verdicts) else DONE


def pull_command(address: str, place: Place, ssh: str, dry_run: bool, manner: Manner) -> int:
    """Pull what is missing here; one line a package."""
    failed = False
    for transfer in pull(source_at(address, ssh), place, dry_run=dry_run, on_progress=manner.progress()):
        failed |= bool(transfer.problems)
        manner.say(asdict(transfer), _transfer_line(transfer), *(f"  {problem}" for problem in transfer.problems))
    return FAILED if failed else DONE


def _transfer_line(transfer: Transfer) -> str:
    line = f"{transfer.day}: {transfer.result}"
    if transfer.result == "pulled":
        line += f": {transfer.files} files, {transfer.loaded_bytes:,} bytes in {transfer.duration_s:.1f} s"
        line += f", {transfer.resumed_bytes:,} bytes resumed" if transfer.resumed_bytes else ""
        line += f", {transfer.kept_files} files unchanged" if transfer.kept_files else ""
    elif transfer.result == "would be pulled":
        line += f": {transfer.files} files, {transfer.loaded_bytes:,} bytes"
    return line


def restore_command(packages: list[Path], places: Places, dry_run: bool, manner: Manner) -> int:
    """Restore packages; one line each."""
    failed = not packages
    if failed:
        print("there is no finished backup to restore", file=sys.stderr)
    for package in packages:
        restored = restore(package, places, dry_run=dry_run, on_progress=manner.progress())
        failed |= bool(restored.conflicts)
        would = "would be " if dry_run else ""
        line = f"{restored.day}: {restored.files} files, {restored.total_bytes:,} bytes {would}restored"
        line += f", {restored.existing} there already" if restored.existing else ""
        conflicts = [f"  left alone, it differs: {path}" for path in restored.conflicts]
        manner.say(restored.as_json(), line, *conflicts)
    return FAILED if failed else DONE


def drill_command(store: Path, day: int | None, days_allowed: int, examine: Examine | None, manner: Manner) -> int:
    """Run the drill and say whether it is green."""
    drilled = drill(
        store,
        kst_day(manner.clock.now_ns()),
        day=day,
        days_allowed=days_allowed,
        examine=examine,
        on_progress=manner.progress(),
    )
    try:
        leave_mark(store, drilled, manner.clock.now_ns())
    except OSError as error:
        # A store that can only be read is drilled all the same.
        print(f"the outcome is not noted in {store}: {error.strerror}", file=sys.stderr)
    counted = f"{drilled.rows:,} records counted in {drilled.files_examined} archive files"
    what = f"{drilled.files} files, {drilled.total_bytes:,} bytes restored and compared"
    line = f"{'GREEN' if drilled.green else 'RED'}: drill of {drilled.day or 'nothing'}: {what}"
    line += f"; {counted}" if drilled.files_examined else ""
    manner.say(drilled.as_json(), line, *(f"  {problem}" for problem in drilled.problems))
    return DONE if drilled.green else FAILED


def finished(store: Path, day: int | None) -> list[Path]:
    """Return the packages that a restore means: one, or all finished ones."""
    days = [day] if day is not None else [one for one in packages_in(store) if success_digest(store / str(one))]
    return [store / str(one) for one in days]
