"""`make bench`: run the measurements, print one table, keep it, compare it with the run kept last.

`python -m tests.bench [GROUP…]`; groups are independent, `--list` names them.
"""

import argparse
import importlib
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec

from tests.bench.figures import Figure, Noise, Run, drift, percentile, regressions, table
from tests.fixtures.loopback_tree import moment
from tests.fixtures.supervised import REPOSITORY

KEPT = REPOSITORY / "docs" / "benchmarks"
GROUPS = {
    "stages": "stages:stages",
    "ingestion": "ingestion:ingestion",
    "throughput": "pipeline:throughput",
    "latency": "pipeline:latency",
    "replay": "ingestion:replays",
    "restart": "restart:restarts",
    "start": "installation:start",
    "sweep": "installation:sweep",
    "rest": "installation:rest",
    "session": "installation:session",
    "growth": "installation:growth",
    "appkeys": "installation:appkeys",
    "lasting": "installation:lasting",
    "console": "console:console",
}
"""Name → module:function below this package; a module that is not there yet is passed over."""
SPIN = 200_000
SPINS = 40

Group = Callable[[Path, int], Iterable[Figure]]


def main() -> int:
    """Run the command."""
    options = _parser().parse_args()
    if options.list:
        sys.stdout.write("\n".join(GROUPS) + "\n")
        return 0
    before = noise()
    figures: list[Figure] = []
    for name in options.groups or GROUPS:
        figures += _run_group(name, options.runs)
    run = Run(
        commit=_commit(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=_machine(),
        note=options.note,
        before=before,
        after=noise(),
        figures=tuple(figures),
    )
    sys.stdout.write(f"\n{table(figures)}\n\n{_heading(run)}\n")
    worse = _compare(run, options.against)
    if options.keep:
        _keep(run)
    return 1 if worse and options.compare else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[[], *GROUPS], metavar="GROUP", help="all when left out")
    parser.add_argument("--runs", type=int, default=5, help="runs after the warm-up (default: 5)")
    parser.add_argument("--keep", action="store_true", help="keep the result in docs/benchmarks")
    parser.add_argument("--against", type=Path, help="compare with this file instead of the one kept last")
    parser.add_argument("--compare", action="store_true", help="leave with 1 when something got worse by over 10 %%")
    parser.add_argument("--note", default="", help="what is special about this run")
    parser.add_argument("--list", action="store_true", help="name the groups and leave")
    return parser


def _run_group(name: str, runs: int) -> Iterable[Figure]:
    module, _, function = GROUPS[name].partition(":")
    if importlib.util.find_spec(f"tests.bench.{module}") is None:
        sys.stderr.write(f"{name}: not measured, tests/bench/{module}.py does not exist\n")
        return ()
    measure: Group = getattr(importlib.import_module(f"tests.bench.{module}"), function)
    begun_s = moment()
    with tempfile.TemporaryDirectory(prefix="observer-bench-") as directory:
        found = list(measure(Path(directory), runs))
    sys.stderr.write(f"{name}: {moment() - begun_s:.0f} s\n{table(found)}\n")
    return found


def noise() -> Noise:
    """Time equal loops: what they differ by is the machine's."""
    walls, cpus = [], []
    for _ in range(SPINS):
        wall_s, cpu_ns = moment(), time.thread_time_ns()
        for _ in range(SPIN):
            pass
        walls.append(moment() - wall_s)
        cpus.append((time.thread_time_ns() - cpu_ns) / 1e9)
    spread = percentile(cpus, 0.9) / median(cpus) - 1
    return Noise(wall_over_cpu=sum(walls) / sum(cpus), spread=spread, load_average=os.getloadavg()[0])


def _heading(run: Run) -> str:
    quiet = ", ".join(
        f"{word}: wall/cpu {one.wall_over_cpu:.2f}, spread {one.spread:.1%}, load {one.load_average:.1f}"
        for word, one in (("before", run.before), ("after", run.after))
    )
    return f"{run.commit} at {run.at} on {run.machine}\nnoise {quiet}\n{run.note}".rstrip()


def _compare(run: Run, against: Path | None) -> list[str]:
    files = [against] if against else sorted(KEPT.glob("*.json"))
    if not files:
        return []
    # A run of some groups leaves the others to the runs before it.
    former: dict[str, Figure] = {}
    for file in files:
        former |= {figure.name: figure for figure in msgspec.json.decode(file.read_bytes(), type=Run).figures}
    worse = regressions(former.values(), run.figures)
    verdict = "\n".join(worse) if worse else "nothing got worse by more than 10 %"
    slower = drift(former.values(), run.figures)
    if slower is not None:
        verdict += f"\nothers' code takes {slower:.2f} times as long as then: that part is the machine's"
    sys.stdout.write(f"\nagainst what was kept last, in {files[-1].name} or before:\n{verdict}\n")
    return worse


def _keep(run: Run) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    file = KEPT / f"{run.at[:19].replace(':', '')}-{run.commit}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    sys.stdout.write(f"kept in {file.relative_to(REPOSITORY)}\n")


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("-changed" if git("status", "--porcelain") else "")


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
