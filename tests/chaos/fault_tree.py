"""Faults of the supervisor itself."""

import signal
from random import Random

from observer_core.exit_codes import ExitCode
from tests.chaos import processes
from tests.chaos.faults import SkippedError, fault
from tests.chaos.system import ChaosSystem

ORPHANS_GONE_WITHIN_S = 2.0


@fault("kill -9 supervisor", alone=True)
def killed(system: ChaosSystem, _random: Random) -> None:
    """Kill the supervisor; its children must be gone within 2 s; start it again on the same directory."""
    children = system.kill_supervisor()
    begun_ns = system.monotonic_ns()
    while left := [pid for pid in children if processes.is_alive(pid)]:
        if system.seconds_since(begun_ns) > ORPHANS_GONE_WITHIN_S:
            raise TimeoutError(f"children outlive their supervisor: {left}")
        system.sleep(0.02)
    system.start()


@fault("kill -9 supervisor, started at once", alone=True)
def replaced(system: ChaosSystem, _random: Random) -> None:
    """Kill the supervisor and start it while its children may still be dying."""
    system.kill_supervisor()
    system.start()


@fault("supervisor stands still", alone=True)
def still(system: ChaosSystem, random: Random) -> None:
    """Stop the supervisor for seconds: nobody is to be found hung for that."""
    if system.supervisor is None:
        raise SkippedError("there is no supervisor")
    processes.send(system.supervisor.pid, signal.SIGSTOP)
    system.sleep(random.uniform(2.0, 5.0))
    processes.send(system.supervisor.pid, signal.SIGCONT)


@fault("second supervisor started")
def second(system: ChaosSystem, _random: Random) -> None:
    """Start another supervisor on the same directory: it must refuse by its exit code."""
    code = system.run_second_supervisor()
    if code != ExitCode.LOCKED:
        raise TimeoutError(f"a second supervisor ended with {code}, not {ExitCode.LOCKED}")
