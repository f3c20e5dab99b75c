"""Faults of the supervisor itself."""

import signal
from random import Random

from observer_core.exit_codes import ExitCode
from tests.chaos import processes
from tests.chaos.fault_stops import HUNG_PATIENCE_S, pid_of
from tests.chaos.faults import SkippedError, fault
from tests.chaos.system import ChaosSystem
from tests.fixtures.patience import slowness

ORPHANS_GONE_WITHIN_S = 2.0


@fault("kill -9 supervisor", alone=True)
def killed(system: ChaosSystem, _random: Random) -> None:
    """Kill the supervisor; its children must be gone within 2 s; start it again on the same directory."""
    limit_s = ORPHANS_GONE_WITHIN_S * slowness()
    children = system.kill_supervisor()
    begun_ns = system.monotonic_ns()
    while left := [pid for pid in children if processes.is_alive(pid)]:
        if system.seconds_since(begun_ns) > limit_s:
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


@fault("kill -9 spare, then a shard")
def no_spare(system: ChaosSystem, random: Random) -> None:
    """Kill the process that is kept ready, and at once the shard that it would replace."""
    spare, shard = _spare(system), pid_of(system, f"swing-{random.randrange(4)}")
    processes.send(spare, signal.SIGKILL)
    processes.send(shard, signal.SIGKILL)


@fault("spare stands still, shard killed", alone=True, patience_s=HUNG_PATIENCE_S)
def deaf_spare(system: ChaosSystem, random: Random) -> None:
    """Stop the process that is kept ready and have it called: it must be found hung like any other."""
    spare, shard = _spare(system), pid_of(system, f"swing-{random.randrange(4)}")
    processes.send(spare, signal.SIGSTOP)
    processes.send(shard, signal.SIGKILL)


def _spare(system: ChaosSystem) -> int:
    if system.supervisor is not None:
        for pid in processes.children_of(system.supervisor.pid):
            if processes.name_of(pid) == "spare":
                return pid
    raise SkippedError("no process is kept ready now")
