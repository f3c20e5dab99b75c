"""Viewers that stand still or vanish: nobody who looks may hold up who collects."""

import os
import signal
import subprocess
import sys
from random import Random

from tests.chaos import processes
from tests.chaos.faults import fault
from tests.chaos.system import ChaosSystem

WATCH_S = 1.5
STILL_S = (3.0, 6.0)


@fault("viewer stands still, then vanishes")
def still(system: ChaosSystem, random: Random) -> None:
    """Stop a console that follows the view, for seconds, and kill it."""
    environment = {**os.environ, "OBSERVER_RUN_DIR": str(system.run_directory)}
    command = [sys.executable, "-m", "observer_tui", "--watch"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as viewer:
        system.sleep(WATCH_S)
        processes.send(viewer.pid, signal.SIGSTOP)
        system.sleep(random.uniform(*STILL_S))
        viewer.kill()
