"""Processes that are stopped between taking a slot and sending: the broker's strictest window still refuses nothing."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S, SystemClock
from tests.fixtures.kis_adapter import SimulatedBroker, simulated_broker
from tests.fixtures.patience import slowness
from tests.fixtures.supervised import REPOSITORY

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
RUN_S = 12.0
CALLERS = 3
CROWD = 8
"""So many use the whole budget, though most of them stand still."""

# The real client; only the last look at the slot, right before the bytes leave, sometimes stops the whole process.
CALLER = """
import asyncio, os, random, signal, sys
from pathlib import Path
from observer_core.errors import FeedError
from observer_core.ids import AppKeyOrdinal
from observer_core.kis.rest import open_rest
from observer_core.pacing.rate import RateBudget
from tests.fixtures.kis_adapter import CLOCK, SimulatedBroker, broker_settings

directory, rest_url, run_s, forgetful = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4] == "forgetful"

class Stopping(RateBudget):
    stops, looked_at = 0, None

    def holds(self, slot):
        held = super().holds(slot)
        if held and slot != self.looked_at:
            self.looked_at = slot
            if random.random() < 0.2:
                self.stops += 1
                if forgetful:
                    super().complete(slot, slot.taken_ns)
                os.kill(os.getpid(), signal.SIGSTOP)
        return held

async def call(client, end_ns):
    while CLOCK.monotonic_ns() < end_ns:
        try:
            await client.multi_price(["005930"])
        except FeedError:
            pass

async def main():
    settings = broker_settings(directory, SimulatedBroker(rest_url, "ws://127.0.0.1:1", ""))
    client = open_rest(settings, AppKeyOrdinal(0), CLOCK, random.Random())
    client.budget = Stopping(settings.paths.budgets / "rate-0.bin", 18)
    # From here on: how long an interpreter takes to start is not to be measured.
    end_ns = CLOCK.monotonic_ns() + int(run_s * 1e9)
    await asyncio.gather(call(client, end_ns), call(client, end_ns))
    print(client.budget.stops, client.counters.calls_total, flush=True)

asyncio.run(main())
"""


def _stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _run(directory: Path, broker: SimulatedBroker, mode: str, count: int) -> tuple[int, int]:
    """Let the callers call, wake them some time after each stop; return how many stops and calls there were."""
    arguments = [sys.executable, "-c", CALLER, str(directory), broker.rest_url, str(RUN_S), mode]
    callers = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) for _ in range(count)]
    rng, wake_ns = random.Random(7), dict[int, int]()
    try:
        while any(caller.poll() is None for caller in callers):
            now_ns = CLOCK.monotonic_ns()
            for caller in callers:
                if caller.poll() is None and _stopped(caller.pid):
                    due_ns = wake_ns.setdefault(caller.pid, now_ns + int(rng.choice([0.05, 0.4, 0.8, 1.5]) * NS_PER_S))
                    if now_ns >= due_ns:
                        del wake_ns[caller.pid]
                        os.kill(caller.pid, signal.SIGCONT)
            time.sleep(0.005)
        told = [caller.communicate()[0].split() for caller in callers]
    finally:
        for caller in callers:
            caller.kill()
            caller.wait()
    return sum(int(stops) for stops, _ in told), sum(int(calls) for _, calls in told)


def test_callers_stopped_between_slot_and_sending_are_never_refused(tmp_path: Path) -> None:
    with simulated_broker("--rest-limit", "18") as broker:
        stops, calls = _run(tmp_path, broker, "holding", CALLERS)
        slow = slowness()
        assert stops >= 15 / slow
        assert calls >= 75 / slow
        assert broker.stats()["rest_limit_refusals"] == 0


def test_the_window_would_notice_a_slot_given_away_too_early(tmp_path: Path) -> None:
    with simulated_broker("--rest-limit", "18") as broker:
        stops, _ = _run(tmp_path, broker, "forgetful", CROWD)
        assert stops >= 15 / slowness()
        assert broker.stats()["rest_limit_refusals"] > 0
