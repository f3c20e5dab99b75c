"""Processes that stand still without dying: SIGSTOP for some seconds, or until the supervisor finds them hung."""

import signal
from random import Random

from tests.chaos import processes
from tests.chaos.faults import SkippedError, fault
from tests.chaos.system import ChaosSystem

STILL_S = (2.0, 6.0)
HUNG_PATIENCE_S = 60.0
RUNNING_PATIENCE_S = 60.0
"""The stream's shard may have to wait for its connect budget."""


def pid_of(system: ChaosSystem, name: str) -> int:
    """Return the pid of a process that runs, now or soon; a fault that finds none is skipped."""
    begun_ns = system.monotonic_ns()
    while system.seconds_since(begun_ns) < RUNNING_PATIENCE_S:
        row = system.row(name)
        if row is not None and row.pid is not None and row.state == "running":
            return row.pid
        system.sleep(0.1)
    raise SkippedError(f"{name} does not run")


def hold_still(system: ChaosSystem, random: Random, name: str) -> None:
    """Stop a process for some seconds and let it go on."""
    pid = pid_of(system, name)
    processes.send(pid, signal.SIGSTOP)
    system.sleep(random.uniform(*STILL_S))
    processes.send(pid, signal.SIGCONT)


@fault("swing stands still", alone=True)
def still_swing(system: ChaosSystem, random: Random) -> None:
    """Stop a swing shard for seconds."""
    hold_still(system, random, f"swing-{random.randrange(4)}")


@fault("scalp stands still", alone=True)
def still_scalp(system: ChaosSystem, random: Random) -> None:
    """Stop the stream's shard for seconds: the kernel's buffers fill meanwhile."""
    hold_still(system, random, "scalp-0")


@fault("jsonl writer stands still", alone=True)
def still_jsonl(system: ChaosSystem, random: Random) -> None:
    """Stop the archive's writer for seconds: its queue fills and the journal takes over."""
    hold_still(system, random, "jsonl")


@fault("postgres writer stands still", alone=True)
def still_postgres(system: ChaosSystem, random: Random) -> None:
    """Stop the database's writer for seconds."""
    hold_still(system, random, "postgres")


@fault("hub stands still", alone=True)
def still_hub(system: ChaosSystem, random: Random) -> None:
    """Stop the hub for seconds: nobody may wait for it."""
    hold_still(system, random, "hub")


@fault("process hangs for good", alone=True, patience_s=HUNG_PATIENCE_S)
def hung(system: ChaosSystem, random: Random) -> None:
    """Stop a process and never let it go on: the supervisor has to find it."""
    name = random.choice(("swing-1", "scalp-0", "jsonl", "postgres", "hub", "maintenance"))
    pid = pid_of(system, name)
    processes.send(pid, signal.SIGSTOP)
    begun_ns = system.monotonic_ns()
    while processes.is_alive(pid):
        if system.seconds_since(begun_ns) > HUNG_PATIENCE_S:
            raise TimeoutError(f"{name} was never found hung")
        system.sleep(0.2)
