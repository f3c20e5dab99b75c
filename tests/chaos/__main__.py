"""`make chaos SEED=… DURATION=…`: exit 0 only when nothing was lost or doubled and the control run turned red."""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from observer_core.audit.books import Books
from supervisor.demo_run import DemoRun
from tests.chaos.control import drop_one_record
from tests.chaos.kills import Kill, random_kills


def main() -> int:
    """Run, report, control."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=60.0)
    parser.add_argument("--symbols", type=int, default=2000)
    parser.add_argument("--directory", type=Path, help="kept afterwards; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="observer-chaos-") as temporary:
        directory = options.directory or Path(temporary) / "demo"
        with DemoRun(directory, symbols=options.symbols, seed=options.seed) as run:
            return _chaos(run, options.seed, options.duration)


def _chaos(run: DemoRun, seed: int, duration_s: float) -> int:
    run.start()
    run.wait_collecting()
    kills = list(random_kills(run, seed, duration_s))
    code = run.stop()
    books = run.balance()
    print(report(seed, kills, books))
    if not books.balanced or code != 0 or not kills:
        print(f"supervisor exit code {code}")
        return 1
    dropped = drop_one_record(run.paths.data)
    control = run.balance()
    print(f"control: removed {dropped}: {'red, as it must be' if not control.balanced else 'STILL GREEN'}")
    return 1 if control.balanced else 0


def report(seed: int, kills: list[Kill], books: Books) -> str:
    """Return the table: fault, times injected, times survived, slowest recovery; then the books."""
    lines = [f"seed {seed}", f"{'kill -9 of':<14}{'injected':>10}{'survived':>10}{'recovery s':>12}"]
    for name, times in sorted(Counter(kill.name for kill in kills).items()):
        slowest = max(kill.recovery_s for kill in kills if kill.name == name)
        lines.append(f"{name:<14}{times:>10}{times:>10}{slowest:>12.2f}")
    return "\n".join([*lines, books.table()])


if __name__ == "__main__":
    sys.exit(main())
