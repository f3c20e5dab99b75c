"""`python -m tests.completeness_day [DIRECTORY]`: live through a compressed day and judge it; exit 0 when all holds.

`--scale 5` stretches the phases: the day of a minute becomes one of five and a half.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.completeness_day.account import read_archive, read_exchange
from tests.completeness_day.controls import red_controls
from tests.completeness_day.judge import Case, judge
from tests.completeness_day.script import INJECTIONS_FILE, Injection, Script
from tests.completeness_day.system import COMMAND_FILE, HTTP_FILE, CompressedDay


def main() -> int:
    """Run the day, unless only the judgement is wanted, and print the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--symbols", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--judge-only", action="store_true", help="the day of this directory, as it was left")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="observer-day-") as temporary:
        directory = options.directory or Path(temporary)
        text, good = ("", True) if options.judge_only else live(directory, options.symbols, options.seed, options.scale)
        findings = judge(read_case(directory))
        controls = red_controls(read_case(directory))
        lines = [text, *map(str, findings), *(f"control: {name}: {'red' if red else 'STILL GREEN'}"
                 for name, red in controls)]  # fmt: skip
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if good and all(finding.good for finding in findings) and all(red for _, red in controls) else 1


def live(directory: Path, symbols: int, seed: int, scale: int) -> tuple[str, bool]:
    """Live through one day; return the books as text, and whether they balance and the stop was clean."""
    with CompressedDay(directory, symbols=symbols, seed=seed, scale=scale) as system:
        system.start()
        Script(system, scale).run()
        code = system.stop()
        books = system.balance()
    return f"{books.table()}\nsupervisor exit code {code}", books.balanced and code == 0


def read_case(directory: Path) -> Case:
    """Return what a day left in its directory."""
    injections = msgspec.json.decode((directory / INJECTIONS_FILE).read_bytes(), type=list[Injection])
    command, http = (
        [json.loads(line) for line in (directory / name).read_text().splitlines()] for name in (COMMAND_FILE, HTTP_FILE)
    )
    exchange, archive = read_exchange(directory / "ledger.jsonl"), read_archive(directory / "data")
    return Case(exchange, archive, injections, command, http)


if __name__ == "__main__":
    sys.exit(main())
