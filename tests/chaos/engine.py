"""Carries out one seed: two streams of faults over a running system, each injection timed until the system is well.

The main thread brings about the registered faults in an order drawn from the seed, every class about equally often
(whatever they start must not die with a lesser thread); two others kill single processes all the while, except while
a fault wants to be alone.
"""

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from tests.chaos.faults import Fault, SkippedError
from tests.chaos.kills import Victims, kill_random
from tests.chaos.slopes import Sampler
from tests.chaos.system import ChaosSystem

POLL_S = 0.1
BREATH_S = (0.3, 1.5)
KILL_PAUSE_S = (0.8, 2.2)
KILL_STREAMS = 2
LAST_PEACE_S = 90.0
"""How long the system may take to be healthy after the last fault."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault that happened; times are wall clock."""

    fault: str
    begun_ns: int
    ended_ns: int
    recovery_s: float | None
    """From the end of the fault until the system was healthy; None = not within its patience."""
    problem: str = ""
    skipped: bool = False


class Engine:
    """One run; `run` returns everything that was injected."""

    def __init__(self, system: ChaosSystem, seed: int, faults: Mapping[str, Fault], kills: bool) -> None:
        self._system = system
        self._faults = faults
        self._random = Random(f"{seed} faults")
        self._seed = seed
        self._victims = Victims(system)
        self._quiet = [threading.Lock() for _ in range(KILL_STREAMS if kills else 0)]
        """Each held by a kill until its victim is back; a fault that wants to be alone holds all of them."""
        self._under_fault = ""
        self._injections: list[Injection] = []
        self._noting = threading.Lock()
        self._stopping = threading.Event()

    def run(self, duration_s: float, sampler: Sampler) -> list[Injection]:
        """Inject for some seconds, then wait for peace."""
        threads = [threading.Thread(target=sampler.run, args=(self._system, self._stopping), name="samples")]
        threads += [
            threading.Thread(target=self._kill_stream, args=(number,), name=f"kills-{number}")
            for number in range(len(self._quiet))
        ]
        for thread in threads:
            thread.start()
        try:
            self._fault_stream(duration_s)
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()
        self._await_peace()
        return self._injections

    def _kill_stream(self, number: int) -> None:
        random = Random(f"{self._seed} kills {number}")
        while not self._stopping.wait(random.uniform(*KILL_PAUSE_S)):
            with self._quiet[number]:
                self._kill(random)

    def _kill(self, random: Random) -> None:
        under = " during another fault" if self._under_fault else ""
        begun_ns = self._system.now_ns()
        try:
            kill = kill_random(self._system, self._victims, random)
        except TimeoutError as error:
            self._note(Injection(f"kill -9{under}", begun_ns, begun_ns, None, str(error)))
            return
        if kill is not None:
            self._note(Injection(f"kill -9 {kill.name}{under}", begun_ns, begun_ns, kill.recovery_s))

    def _fault_stream(self, duration_s: float) -> None:
        system, begun_ns = self._system, self._system.monotonic_ns()
        order = self._order()
        while (left_s := duration_s - system.seconds_since(begun_ns)) > 0:
            system.sleep(min(left_s, self._random.uniform(*BREATH_S)))
            fault = next(order, None)
            if fault is None or system.seconds_since(begun_ns) >= duration_s:
                continue
            with contextlib.ExitStack() as quiet:
                for lock in self._quiet if fault.alone else ():
                    quiet.enter_context(lock)
                self._inject(fault)

    def _order(self) -> Iterator[Fault]:
        """Yield faults for ever: every class once, in a new order, then every class again."""
        while self._faults:
            classes = sorted(self._faults)
            self._random.shuffle(classes)
            yield from (self._faults[name] for name in classes)

    def _inject(self, fault: Fault) -> None:
        system = self._system
        begun_ns = system.now_ns()
        self._under_fault = fault.name
        try:
            fault.inject(system, self._random)
        except SkippedError as error:
            self._note(Injection(fault.name, begun_ns, begun_ns, None, str(error), skipped=True))
            return
        except Exception as error:
            # Whatever one fault's own code meets, the run goes on and the report says so.
            self._note(Injection(fault.name, begun_ns, system.now_ns(), None, f"{type(error).__name__}: {error}"))
            return
        finally:
            self._under_fault = ""
        ended_ns = system.now_ns()
        problem, recovery_s = self._await_health(ended_ns, fault.patience_s)
        self._note(Injection(fault.name, begun_ns, ended_ns, None if problem else recovery_s, problem))

    def _await_health(self, since_ns: int, patience_s: float) -> tuple[str, float]:
        begun_ns = self._system.monotonic_ns()
        while problem := self._system.unwell(since_ns):
            if self._system.seconds_since(begun_ns) > patience_s:
                break
            self._system.sleep(POLL_S)
        return problem, self._system.seconds_since(begun_ns)

    def _await_peace(self) -> None:
        now_ns = self._system.now_ns()
        problem, recovery_s = self._await_health(now_ns, LAST_PEACE_S)
        self._note(Injection("(end of all faults)", now_ns, now_ns, None if problem else recovery_s, problem))

    def _note(self, injection: Injection) -> None:
        with self._noting, (self._system.directory / "injections.jsonl").open("a") as file:
            self._injections.append(injection)
            file.write(json.dumps(asdict(injection)) + "\n")


def read_injections(directory: Path) -> list[Injection]:
    """Return what a run noted."""
    lines = (directory / "injections.jsonl").read_text().splitlines()
    return [Injection(**json.loads(line)) for line in lines]


def counted(injections: list[Injection]) -> Counter[str]:
    """Return how often each fault really happened."""
    return Counter(injection.fault for injection in injections if not injection.skipped)
