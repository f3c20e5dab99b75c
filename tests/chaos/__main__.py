"""`make chaos SEED=… DURATION=…`: exit 0 only when nothing was lost or doubled, all is flat and the controls are red.

Two legs: one without faults, whose files are then damaged to see that the books can turn red, and the run itself.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.engine import Engine
from tests.chaos.faults import Fault, load_families
from tests.chaos.judge import RUN_FILE
from tests.chaos.slopes import Sampler
from tests.chaos.system import ChaosSystem

QUIET_S = 15.0
"""Length of the leg without faults, unless told otherwise."""


def main() -> int:
    """Run both legs and judge them."""
    options = _parse()
    registry = load_families()
    if options.list:
        print("\n".join(sorted(registry)))
        return 0
    chosen = {name: fault for name, fault in registry.items() if not options.only or name in options.only}
    with tempfile.TemporaryDirectory(prefix="observer-chaos-") as temporary:
        base = options.directory or Path(temporary)
        base.mkdir(parents=True, exist_ok=True)
        code = 0
        if options.quiet_duration:
            code |= _leg(base / "quiet", options, options.quiet_duration, {}, kills=False)
        code |= _leg(base / "faulted", options, options.duration, chosen, kills=not options.no_kills)
    print("CHAOS RUN: everything as promised" if code == 0 else "CHAOS RUN: FAILED")
    return code


def _leg(
    directory: Path, options: argparse.Namespace, duration_s: float, faults: dict[str, Fault], *, kills: bool
) -> int:
    directory.mkdir(exist_ok=True)
    begun = datetime.now(UTC)
    faulted = bool(faults) or kills
    with ChaosSystem(directory, symbols=options.symbols, seed=options.seed) as system:
        system.start()
        system.wait_collecting()
        Engine(system, options.seed, faults, kills).run(duration_s, Sampler(system.directory))
        sessions = system.exchange_stats()["sessions_maximum"]
        exit_code = system.stop()
    record = {
        "seed": options.seed,
        "duration_s": duration_s,
        "commit": _commit(),
        "begun": f"{begun:%Y-%m-%d %H:%M UTC}",
        "sessions_maximum": max(sessions.values(), default=0),
        "exit_code": exit_code,
    }
    (directory / RUN_FILE).write_text(json.dumps(record))
    arguments = [] if faulted else ["--controls", "--fault-free"]
    # A process of its own: the judge's memory is not the harness's.
    done = subprocess.run([sys.executable, "-m", "tests.chaos.judge", str(directory), *arguments], check=False)
    print(flush=True)
    return int(done.returncode != 0)


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=60.0, help="seconds of faults")
    parser.add_argument("--quiet-duration", type=float, default=QUIET_S, help="seconds without; 0 leaves the leg out")
    parser.add_argument("--symbols", type=int, default=2000)
    parser.add_argument("--directory", type=Path, help="kept afterwards; default: a temporary one")
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help="only this class; repeatable")
    parser.add_argument("--no-kills", action="store_true", help="no kills of single processes")
    parser.add_argument("--list", action="store_true", help="list the fault classes and leave")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
