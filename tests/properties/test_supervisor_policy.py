"""Whatever happens to a tree, in whatever order: the supervisor keeps its own rules.

The machine plays a world in which processes die, report, hang and disobey, operators order and signals arrive. The
transition table itself is kept by `transition`, which raises; here is what it cannot see.
"""

import random
import signal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from observer_core.clock import NS_PER_S
from observer_core.ids import ProcessName
from observer_core.orders import Order, Verb
from supervisor.causes import Exit
from supervisor.limits import Limits
from supervisor.memory import recall, remember
from supervisor.orders import (
    Answer,
    Begun,
    Command,
    End,
    Exited,
    Measured,
    Moment,
    Notice,
    Ordered,
    Passed,
    Reported,
    SendSignal,
    SessionOpened,
    Silenced,
    Slept,
    Spawned,
    SpawnFailed,
    Start,
    StopRequested,
    Tell,
    TreeEvent,
)
from supervisor.policy import TALLY_KEPT, Ending
from supervisor.states import LIVE, State
from supervisor.tree import Tree
from tests.fixtures.histories import spec

NAMES = ("swing-0", "swing-1", "scalp-0", "jsonl", "hub", "exchange")
SHARDS = ("swing-0", "swing-1", "scalp-0")
LIMITS = Limits(recycle_memory_bytes=100 << 20)
LONGEST_WAIT_NS = int(LIMITS.probe_after_s * 1.3 * NS_PER_S)

VERBS = [verb for verb in Verb if verb is not Verb.SCALE]
"""Scaling changes the children themselves; its histories are in tests/unit/supervisor/test_scaling.py."""

names = st.sampled_from(NAMES)
statuses = st.sampled_from([0, 0, 1, 1, 3, 64, 65, 67, 68, -9, -9, -11, -15])


class SupervisedWorld(RuleBasedStateMachine):
    """A tree and the processes it believes in."""

    def __init__(self) -> None:
        super().__init__()
        self.monotonic_ns = 10 * NS_PER_S
        self.live: dict[str, int] = {}
        self.heard_ns: dict[str, int] = {}
        self.generations: dict[str, int] = {}
        self.restarting: set[str] = set()
        self.paused: set[str] = set()
        self.stopping = False
        self.ended = False
        self.fork_fails = False
        self._next = 100
        self._tree([spec(name) for name in NAMES], None)
        self.tell(Begun())

    def _tree(self, specs: list[object], remembered: object) -> None:
        self.tree = Tree(specs, LIMITS, random.Random(7), remembered)  # type: ignore[arg-type] # both built right here

    @property
    def now(self) -> Moment:
        return Moment(self.monotonic_ns, self.monotonic_ns + 1_790_000_000 * NS_PER_S)

    def tell(self, event: TreeEvent) -> None:
        for command in self.tree.handle(event, self.now):
            self.carry_out(command)

    def carry_out(self, command: Command) -> None:
        match command:
            case Start():
                self.begin(command)
            case SendSignal(name, pid, number):
                self.judge_signal(name, pid, number)
            case Tell(name, verb):
                assert verb in {"pause", "resume", "reload"}
                assert self.tree.children[ProcessName(name)].live
            case End():
                assert self.stopping
                assert not self.ended
                self.ended = True
            case Answer(order, state, _):
                if state in {"done", "failed"} and order.verb is Verb.RESTART:
                    self.restarting.discard(order.target)
            case Notice():
                assert command.text

    def begin(self, command: Start) -> None:
        name = command.name
        assert name not in self.live, "two processes of one name"
        assert not self.stopping, "a start while stopping"
        assert command.generation > self.generations.get(name, 0)
        assert command.paused == (name in self.paused), "a pause was lost or invented"
        self.generations[name] = command.generation
        if self.fork_fails:
            self.tell(SpawnFailed(name, "no process numbers"))
            return
        self._next += 1
        self.live[name] = self._next
        self.heard_ns[name] = self.monotonic_ns
        self.tell(Spawned(name, self._next))

    def judge_signal(self, name: str, pid: int, number: int) -> None:
        assert self.live.get(name) == pid, "a signal to a process that is not there"
        silent_ns = self.monotonic_ns - self.heard_ns[name]
        hung = silent_ns >= LIMITS.hang_after_s * NS_PER_S
        recycled = self.tree.children[name].ending is Ending.RECYCLE
        assert self.stopping or name in self.restarting or hung or recycled, f"signal {number} to {name} for no reason"
        if number == signal.SIGKILL:
            assert self.tree.children[name].state is State.STOPPING

    @rule(seconds=st.floats(0.01, 90), reporting=st.booleans())
    def time_passes(self, seconds: float, reporting: bool) -> None:
        """Wake up at every deadline, as the arbiter does."""
        end = self.monotonic_ns + int(seconds * NS_PER_S)
        while self.monotonic_ns < end and not self.ended:
            due = self.tree.next_deadline_ns()
            step = end if due is None else max(due, self.monotonic_ns + NS_PER_S // 100)
            if reporting:
                step = min(step, self.monotonic_ns + 5 * NS_PER_S)
            self.monotonic_ns = min(end, step)
            if reporting:
                for name in list(self.live):
                    self.report(name, ready=False)
            self.tell(Passed())

    @rule(name=names, status=statuses)
    def process_dies(self, name: str, status: int) -> None:
        """End a process, with a status of its own or for what it was told."""
        if name in self.live and not self.ended:
            self.tell(Exited(name, self.live.pop(name), Exit(status)))

    @rule(name=names, ready=st.booleans())
    def report(self, name: str, ready: bool) -> None:
        """Have a process report."""
        if name in self.live:
            if self.tree.children[name].state in {State.STARTING, State.RUNNING}:
                self.heard_ns[name] = self.monotonic_ns
            self.tell(Reported(name, self.live[name], ready))

    @rule()
    def everybody_is_ready(self) -> None:
        """Bring the whole tree up."""
        for name in NAMES:
            self.report(name, ready=True)

    @rule(name=names, ready=st.booleans())
    def stale_messages_arrive(self, name: str, ready: bool) -> None:
        """Deliver what concerns a process that is long gone."""
        before = self.tree.children[name]
        self.tell(Reported(name, 1, ready))
        self.tell(Exited(name, 1, Exit(-9)))
        assert self.tree.children[name] == before

    @rule(
        verb=st.sampled_from(VERBS),
        name=names,
        stale=st.booleans(),
        ticket=st.integers(0, 30),
    )
    def operator_orders(self, verb: Verb, name: str, stale: bool, ticket: int) -> None:
        """Give an order; a stale, repeated or impossible one must change nothing."""
        child = self.tree.children[name]
        order = Order(
            ticket=str(ticket),
            verb=verb,
            target=name,
            who="kim",
            reason="because",
            generation=child.generation - 1 if stale else child.generation,
        )
        refused = self.tree.desk.known(order) or self.tree.desk.refusal(order, self.tree.children, self.stopping)
        if refused is None:
            assert not stale
            if verb is Verb.RESTART:
                self.restarting.add(name)
            elif verb is Verb.PAUSE:
                self.paused.add(name)
            elif verb is Verb.RESUME:
                self.paused.discard(name)
        before = dict(self.tree.children)
        self.tell(Ordered(order))
        if refused is not None:
            assert self.tree.children == before

    @rule(sizes=st.dictionaries(names, st.integers(0, 200 << 20)))
    def memory_is_measured(self, sizes: dict[str, int]) -> None:
        """Find processes too large; never is more than one renewed, and only when all others are well."""
        before = dict(self.tree.children)
        self.tell(Measured(sizes))
        ended = [name for name, child in self.tree.children.items() if child != before[name]]
        assert len(ended) <= 1
        if ended:
            assert all(child.state is State.RUNNING and child.stable for child in before.values())
            assert sizes[ended[0]] > 90 << 20

    @rule()
    def session_opens(self) -> None:
        """Open a session."""
        self.tell(SessionOpened())

    @rule(seconds=st.floats(2, 100_000))
    def machine_sleeps(self, seconds: float) -> None:
        """Suspend the machine: nobody ran, so nobody is silent."""
        duration_ns = int(seconds * NS_PER_S)
        self.monotonic_ns += duration_ns
        self.heard_ns = {name: at + duration_ns for name, at in self.heard_ns.items()}
        self.tell(Slept(duration_ns))

    @rule()
    def exchange_becomes_a_program(self) -> None:
        """Execute another program in a child."""
        if "exchange" in self.live:
            self.tell(Silenced("exchange", self.live["exchange"]))

    @rule(fails=st.booleans())
    def forks_fail_or_not(self, fails: bool) -> None:
        """Run out of process numbers, or not any more."""
        self.fork_fails = fails

    @precondition(lambda self: not self.stopping)
    @rule()
    def supervisor_is_killed_and_started_again(self) -> None:
        """Lose the supervisor, and with it every process; keep its file."""
        content = remember(self.tree.children.values(), self.now)
        specs = [child.spec for child in self.tree.children.values()]
        self.live.clear()
        self.restarting.clear()
        self._tree([*specs], recall(content, specs, LIMITS, self.now))
        self.tell(Begun())

    @precondition(lambda self: self._next > 130)
    @rule()
    def stop_is_requested(self) -> None:
        """Send a stop signal; the tree must end in bounded time whatever its processes do."""
        self.stopping = True
        self.tell(StopRequested())
        if self.ended:
            return
        self.time_passes(LIMITS.stop_deadline_s + LIMITS.kill_again_s + 0.1, reporting=False)
        assert self.ended

    @invariant()
    def beliefs_match_the_world(self) -> None:
        """Compare states with processes, and every wait with its bound."""
        for name, child in self.tree.children.items():
            assert child.pid == self.live.get(name)
            assert (child.pid is not None) == (child.state in LIVE)
            assert child.paused == (name in self.paused)
            assert len(child.deaths) <= TALLY_KEPT
            if child.state in {State.BACKOFF, State.QUARANTINED}:
                assert child.next_start_ns is not None
                assert child.next_start_ns - self.monotonic_ns <= LONGEST_WAIT_NS
            if child.state is State.BACKOFF:
                assert child.delay_s <= LIMITS.backoff_cap_s
        if not self.stopping:
            begun = [name for name, child in self.tree.children.items() if child.state is State.STOPPED]
            assert not begun or self.tree.next_deadline_ns() is not None, "nothing would ever start these"


SupervisedWorld.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestSupervisedWorld = SupervisedWorld.TestCase
