"""Judges a finished run from what it left in its directory; a step of its own, so that it can be done again.

`python -m tests.chaos.judge <directory>` starts the run's database once more.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from observer_core.audit.books import Books, balance
from observer_core.settings import Secret
from observer_core.sinks.embedded import deadline_in, embedded_dsn, wait_ready
from supervisor.demo import database_command, database_socket_directory
from tests.chaos.control import CONTROLS
from tests.chaos.engine import read_injections
from tests.chaos.report import slope_table, table, tabulate
from tests.chaos.slopes import slopes

RUN_FILE = "run.json"
START_PATIENCE_S = 60.0


class Verdict:
    """The judgement on one directory: text for people, and whether everything is as it must be."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.good = True

    def say(self, text: str, good: bool = True) -> None:
        """Add a paragraph; one that is not good decides."""
        self.lines.append(text if good else f"{text}\n^^^ NOT AS IT MUST BE")
        self.good = self.good and good


def main() -> int:
    """Judge and print; exit 0 only when everything is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--controls", action="store_true", help="damage the run's files and see the books turn red")
    parser.add_argument("--fault-free", action="store_true", help="the run had no faults: nothing may be in gaps")
    options = parser.parse_args()
    verdict = judge(options.directory, controls=options.controls, faulted=not options.fault_free)
    sys.stdout.write("\n\n".join(verdict.lines) + "\n")
    return 0 if verdict.good else 1


def judge(directory: Path, *, controls: bool, faulted: bool) -> Verdict:
    """Judge a run's directory with its database running."""
    with tempfile.TemporaryDirectory(prefix="observer-") as run_directory:
        run = Path(run_directory)
        dsn = embedded_dsn(database_socket_directory(run))
        database = subprocess.Popen(database_command(directory, run), stdin=subprocess.DEVNULL)
        try:
            wait_ready(dsn, deadline_in(START_PATIENCE_S))
            verdict = Verdict()
            _judge_run(directory, dsn, verdict, faulted)
            if controls:
                _judge_controls(directory, dsn, verdict)
        finally:
            database.send_signal(signal.SIGINT)
            database.wait()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    verdict.say(f"judging took {peak_mb:.0f} MB at most")
    return verdict


def _balance(directory: Path, dsn: Secret) -> Books:
    return balance(directory / "ledger.jsonl", directory / "data", dsn.reveal())


def _judge_run(directory: Path, dsn: Secret, verdict: Verdict, faulted: bool) -> None:
    run: dict[str, Any] = json.loads((directory / RUN_FILE).read_text())
    injections = read_injections(directory)
    books = _balance(directory, dsn)
    lines = tabulate(injections, books)
    head = f"seed {run['seed']}, {run['duration_s']:.0f} s, commit {run['commit']}, begun {run['begun']}"
    verdict.say(head)
    if faulted:
        injected = sum(line.injected for line in lines.values())
        survived = all(line.survived == line.injected for line in lines.values()) and injected > 1
        verdict.say(table(lines), survived)
    else:
        verdict.say("no faults were injected", not books.covered)
    verdict.say(books.table(), books.balanced)
    grown = slopes(directory)
    verdict.say(slope_table(grown), all(slope.flat for slope in grown))
    sessions = run["sessions_maximum"]
    verdict.say(f"stream sessions of one appkey at the same time, at most: {sessions}", sessions <= 1)
    verdict.say(f"supervisor exit code {run['exit_code']}, manual steps 0", run["exit_code"] == 0)


def _judge_controls(directory: Path, dsn: Secret, verdict: Verdict) -> None:
    for control in CONTROLS:
        with control(directory / "data", dsn) as damage:
            red = not _balance(directory, dsn).balanced
        verdict.say(f"control: {damage}: {'red, as it must be' if red else 'STILL GREEN'}", red)
    verdict.say("control: everything put right again: green", _balance(directory, dsn).balanced)


if __name__ == "__main__":
    sys.exit(main())
