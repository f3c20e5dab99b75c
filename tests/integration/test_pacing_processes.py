"""Four real processes and one rate budget: never a call too many, and a killed holder blocks nobody."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.pacing.rate import RateBudget, Slot
from tests.fixtures.journals import wait_until
from tests.fixtures.patience import PATIENCE_S, slowness

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
LIMIT = 40
RUN_S = 3.0

# Each call is "counted by the broker" at a moment between the slot's taking and its answer, and written down then.
HAMMER = """
import asyncio, os, random, sys
from pathlib import Path
from observer_core.clock import SystemClock
from observer_core.pacing.rate import RateBudget

path, arrivals, limit, end = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])
clock = SystemClock()

async def caller(budget, out):
    while not end.exists():
        slot = await budget.acquire(clock)
        await asyncio.sleep(random.choice([0, 0.002, 0.01]))
        out.write(f"{clock.monotonic_ns()}\\n")
        budget.complete(slot, clock.monotonic_ns(), answered=random.random() < 0.98)

async def main():
    budget = RateBudget(path, limit)
    with open(arrivals, "w", buffering=1) as out:
        await asyncio.gather(*(caller(budget, out) for _ in range(4)))

asyncio.run(main())
"""


def _start(path: Path, arrivals: Path, end: Path) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", HAMMER, str(path), str(arrivals), str(LIMIT), str(end)]
    return subprocess.Popen(arguments)


def _arrivals(files: list[Path]) -> list[int]:
    return sorted(int(line) for file in files if file.exists() for line in file.read_text().split("\n") if line)


def test_four_processes_never_exceed_the_limit_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    end = tmp_path / "end"
    files = [tmp_path / f"arrivals-{number}" for number in range(4)]
    workers = [_start(tmp_path / "rate-0.bin", file, end) for file in files]
    try:
        # All four, so that what is measured does not depend on how long an interpreter takes to start.
        wait_until(lambda: all(_arrivals([file]) for file in files), "calls of all")
        wait_until(lambda: len(_arrivals(files)) >= LIMIT, "a second's worth of calls")
        os.kill(workers[0].pid, signal.SIGKILL)
        killed_ns = CLOCK.monotonic_ns()
        time.sleep(RUN_S)
        end.touch()
        end_ns = CLOCK.monotonic_ns()
        assert [worker.wait(timeout=PATIENCE_S) for worker in workers[1:]] == [0, 0, 0]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    arrivals = _arrivals(files)
    assert all(later - earlier > NS_PER_S for earlier, later in zip(arrivals, arrivals[LIMIT:], strict=False))
    after_s, slow = (end_ns - killed_ns) / NS_PER_S, slowness()
    assert sum(at_ns > killed_ns for at_ns in arrivals) > 0.8 * LIMIT * (after_s - 1.2) / slow
    rate = len(arrivals) / ((arrivals[-1] - arrivals[0]) / NS_PER_S)
    assert rate > LIMIT * 0.85 / slow


LOCKER = """
import sys
from pathlib import Path
from observer_core.pacing.budget_file import BudgetFile

file = BudgetFile(Path(sys.argv[1]), int(sys.argv[2]))
assert file.try_lock()
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_holder_killed_inside_the_lock_releases_it(tmp_path: Path) -> None:
    path = tmp_path / "rate-0.bin"
    budget = RateBudget(path, LIMIT)
    assert isinstance(budget.take(CLOCK.monotonic_ns()), Slot)
    arguments = [sys.executable, "-c", LOCKER, str(path), str(path.stat().st_size)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        assert not isinstance(budget.take(CLOCK.monotonic_ns() + NS_PER_S), Slot)
        holder.kill()
        holder.wait()
        assert isinstance(budget.take(CLOCK.monotonic_ns() + NS_PER_S), Slot)
