"""The backup program of a PC: `python observer-backup.pyz pull --from HOST:/srv/observer/data/backup --to BACKUPS`.

Needs Python 3.11 and, for a source over SSH, the system's `ssh`; `observerctl backup tool` writes it as one file.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from observer_core.backup.commands import (
    DEFAULT_SSH,
    Manner,
    drill_command,
    finished,
    guarded,
    pull_command,
    restore_command,
    verify_command,
)
from observer_core.backup.pull import Place
from observer_core.backup.restore import below
from observer_core.clock import SystemClock


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    clock = SystemClock()
    manner = Manner(options.json, clock)
    match options.command:
        case "pull":
            place = Place(options.to, clock, options.name, options.check)
            return guarded(lambda: pull_command(options.source, place, options.ssh, options.dry_run, manner))
        case "verify":
            return guarded(lambda: verify_command(options.store, options.day, options.max_age, manner))
        case "restore":
            packages = finished(options.store, options.day)
            return guarded(lambda: restore_command(packages, below(options.to), options.dry_run, manner))
        case _:
            return guarded(lambda: drill_command(options.store, options.day, options.max_age, None, manner))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="observer-backup",
        description="Pull, verify, restore and drill Observer's backup packages.",
        epilog="exit codes: 0 all is well, 1 damaged, missing, old or failed, 2 wrong usage, 3 source does not answer",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    pull = commands.add_parser("pull", help="bring every package here that is missing; goes on where it broke off")
    pull.add_argument("--from", dest="source", required=True, help="HOST:/path/data/backup, or a directory")
    pull.add_argument("--to", type=Path, required=True, help="directory of the packages here")
    pull.add_argument("--ssh", default=DEFAULT_SSH, help=f"how to call ssh (default: {DEFAULT_SSH})")
    pull.add_argument("--name", default="", help="name of this machine in the receipt")
    pull.add_argument("--check", action="store_true", help="read packages here again, load what is damaged")
    verify = commands.add_parser("verify", help="read packages through")
    restore = commands.add_parser("restore", help="copy the files of packages to DIR/data and DIR/logs")
    restore.add_argument("--to", type=Path, required=True, help="where to; nothing there is overwritten")
    drill = commands.add_parser("drill", help="restore the newest package to a scratch place and compare")
    for command in (verify, restore, drill):
        command.add_argument("--store", type=Path, default=Path(), help="directory of the packages (default: here)")
        command.add_argument("--day", type=int, metavar="YYYYMMDD", help="one package")
    verify.add_argument("--max-age", type=int, metavar="DAYS", help="also fail when the newest is older")
    drill.add_argument("--max-age", type=int, metavar="DAYS", default=2, help="oldest allowed (default: 2)")
    for command in (pull, restore):
        command.add_argument("--dry-run", action="store_true", help="say what would be done")
    for command in (pull, verify, restore, drill):
        command.add_argument("--json", action="store_true", help="JSON on standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
