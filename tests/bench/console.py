"""The console beside htop and btop in the same pseudo-terminal: bytes, processor, memory, first paint, keys.

Then what no other program is asked: frozen, under the mouse, stalled, scrolled, with the hub killed, hung, restarted.
Behind the console stands a real hub with twelve busy rows. The gates are those of the design.
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import zmq

from observer_core.bus.view_link import VIEW_TOPIC
from observer_core.messages import Event
from observer_core.tree_messages import SupervisorEvent
from tests.bench.figures import Figure
from tests.fixtures.hub import CLOCK, short_directory
from tests.fixtures.hub_stage import HubStage
from tests.fixtures.watched_program import WatchedProgram, cpu_seconds, now_s

STARTS = 11
WATCH_S = 10.0
KEYS = 40
STALL_S = 10.0
LIVE = re.compile(rb"(LIVE|DEGRADED) [0-9.]+s")
FIGURES = re.compile(rb"swing-0 +running +[0-9]{2,}")
FRAME = b"\x1b[?2026h"
ROOT = Path(__file__).parents[2]


class Program(NamedTuple):
    """How a program is started and used."""

    name: str
    arguments: tuple[str, ...]
    painted: Callable[[bytes], object]
    down: str
    up: str
    leave: str
    size: tuple[int, int] = (160, 48)


class Cost(NamedTuple):
    """What a program takes; a row of the table."""

    name: str
    bytes_per_s: float
    cpu_percent: float
    resident_mb: float
    proportional_mb: float
    first_paint_ms: float
    key_p50_ms: float
    key_p95_ms: float


class Gate(NamedTuple):
    """One measured figure against its target; `hard` is what fails the test."""

    name: str
    value: float
    unit: str
    target: float
    hard: float
    least: bool = False
    """Whether the target is a least, not a most."""

    @property
    def met(self) -> bool:
        """Return whether the target is met."""
        return self.value >= self.target if self.least else self.value <= self.target

    @property
    def held(self) -> bool:
        """Return whether the hard limit is held."""
        return self.value >= self.hard if self.least else self.value <= self.hard


def console(directory: Path, runs: int) -> Iterator[Figure]:
    """Return the console's figures for `make bench`; one life of everything counts as a run."""
    costs, gates = measured_gates(directory)
    del runs
    for cost in costs[2:]:
        for name, unit, value in (
            ("output", "kB/s", cost.bytes_per_s / 1000), ("processor", "%", cost.cpu_percent),
            ("resident memory", "MB", cost.resident_mb), ("start to first paint", "ms", cost.first_paint_ms),
        ):  # fmt: skip
            yield Figure(name=f"{cost.name}: {name}", unit=unit, values=(value,), peer=True)
    for gate in gates:
        yield Figure(
            name=f"console: {gate.name}", unit=gate.unit, values=(gate.value,), target=gate.target,
            more_is_better=gate.least,
        )  # fmt: skip


def measured_gates(home: Path) -> tuple[list[Cost], list[Gate]]:
    """Return what every program takes, the console's two sizes first, and the console's gates."""
    install_neighbours()
    environment = environment_in(home)
    with short_directory() as directory, HubStage(directory) as stage:
        stage.hub.view_when(lambda view: len(view.processes) == 12, "twelve processes")
        programs = [
            of_console(stage, "--no-mouse", name="observer-tui 160x48, 2/s"),
            of_console(stage, "--no-mouse", name="observer-tui 80x24, 2/s", size=(80, 24)),
        ]
        # htop and btop paint their frame first and figures later; their first paint is the frame.
        for name, *more in (("htop", "-d", "10"), ("btop", "--utf-force")):
            if path := shutil.which(name):
                words = b"PID" if name == "htop" else b"cpu"
                paints = lambda raw, words=words: words in raw  # noqa: E731 - bound to this turn's word
                programs.append(Program(f"{name}, 1/s", (path, *more), paints, "\x1b[B", "\x1b[A", "q"))
        costs = [measured(program, environment) for program in programs]
        gates = [*cost_gates(costs), *habit_gates(stage, environment)]
    return costs, [*gates, *link_gates(environment)]


def environment_in(home: Path) -> dict[str, str]:
    """Return the environment of all programs; btop refreshes once a second as htop does."""
    (home / ".config" / "btop").mkdir(parents=True)
    (home / ".config" / "btop" / "btop.conf").write_text("update_ms = 1000\n")
    return {
        "PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8",
        "HOME": str(home),
    }  # fmt: skip


def install_neighbours() -> None:
    """Install the programs to compare with, where that is possible."""
    if not (shutil.which("htop") and shutil.which("btop")) and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
        packages = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "htop", "btop"]
        subprocess.run(packages, check=False, capture_output=True)


def of_console(stage: HubStage, *more: str, name: str, size: tuple[int, int] = (160, 48)) -> Program:
    arguments = (sys.executable, "-m", "observer_tui", "--run-dir", str(stage.hub.paths.run), *more)
    return Program(name, arguments, lambda raw: b"OBSERVER" in raw, "j", "k", "q", size)


def started(program: Program, environment: Mapping[str, str]) -> WatchedProgram:
    width, height = program.size
    return WatchedProgram(program.arguments, width=width, height=height, environment=environment)


def measured(program: Program, environment: Mapping[str, str]) -> Cost:
    """Return what a program takes: start several times, then one life watched and typed at."""
    paints = []
    for _ in range(STARTS):
        with started(program, environment) as one:
            paints.append(one.until(program.painted) * 1000)
            one.rest(0.3)
            one.press(program.leave)
            one.rest(0.5)
    with started(program, environment) as one:
        one.until(program.painted)
        one.rest(4.0)
        used_s, began_s = one.cpu_s(), now_s()
        written = one.rest(WATCH_S)
        took_s = now_s() - began_s
        cpu_percent = 100 * (one.cpu_s() - used_s) / took_s
        waits = sorted(key_waits(one, program))
        memory = one.memory()
    return Cost(
        program.name, written / took_s, cpu_percent, memory.resident_bytes / 1e6, memory.proportional_bytes / 1e6,
        statistics.median(paints), statistics.median(waits), waits[int(len(waits) * 0.95)],
    )  # fmt: skip


def key_waits(one: WatchedProgram, program: Program) -> list[float]:
    waits = []
    for turn in range(KEYS):
        # Not in step with the program's own refresh.
        one.rest(0.17 + 0.013 * (turn % 7))
        one.press(program.down if turn % 4 < 2 else program.up)
        waits.append(one.until(bool) * 1000)
    return waits


def cost_gates(costs: list[Cost]) -> list[Gate]:
    large, small = costs[0], costs[1]
    return [
        Gate("output 160x48", large.bytes_per_s / 1000, "kB/s", 10, 16),
        Gate("output 80x24", small.bytes_per_s / 1000, "kB/s", 5, 8),
        Gate("processor, one console", large.cpu_percent, "%", 2, 5),
        Gate("resident memory", large.resident_mb, "MB", 40, 44),
        Gate("proportional memory", large.proportional_mb, "MB", 30, 34),
        Gate("start to first paint", large.first_paint_ms, "ms", 300, 600),
        Gate("key to paint, median", large.key_p50_ms, "ms", 10, 30),
        Gate("key to paint, 95 %", large.key_p95_ms, "ms", 30, 90),
    ]


def habit_gates(stage: HubStage, environment: dict[str, str]) -> list[Gate]:
    """Measure one console: live figures, frozen, mouse, scrolling, a terminal nobody reads."""
    lives = []
    for _ in range(STARTS):
        with started(of_console(stage, name=""), environment) as one:
            lives.append(one.until(FIGURES.search) * 1000)
    fill_log(stage)
    with started(of_console(stage, name=""), environment) as one:
        one.until(FIGURES.search)
        one.rest(2.0)
        scroll = scrolled(one)
        stalled = stall(one)
        one.press("z")
        one.rest(1.0)
        frozen = one.rest(3.0)
        for place in range(200):
            one.press(f"\x1b[<35;{1 + place % 150};{1 + place % 40}M")
        moved = one.rest(1.0)
    return [
        Gate("start to live figures", statistics.median(lives), "ms", 500, 1_500),
        Gate("frozen display, 3 s", frozen, "bytes", 0, 0),
        Gate("200 moves of the mouse", moved, "bytes", 0, 0),
        *scroll,
        *stalled,
    ]


def fill_log(stage: HubStage) -> None:
    for number in range(200):
        event = Event(
            at_ns=CLOCK.now_ns(), name="filler", severity="info", subject="swing-1", text=f"filling line {number}"
        )
        stage.hub.tell(SupervisorEvent(event=event))


def scrolled(one: WatchedProgram) -> list[Gate]:
    """Page through the event log; the page is far larger than one screen."""
    one.press("8")
    one.rest(1.0)
    frames, written, used_s = [], [], []
    for turn in range(12):
        one.rest(0.31)
        cpu_s, before = one.cpu_s(), len(one.raw)
        one.press("\x1b[6~" if turn % 6 < 3 else "\x1b[5~")
        frames.append(one.until(bool) * 1000)
        one.rest(0.06)
        written.append((len(one.raw) - before) / 1000)
        used_s.append((one.cpu_s() - cpu_s) * 1000)
    one.press("1")
    one.rest(1.0)
    return [
        Gate("PageDown in a log: output", statistics.median(written), "kB", 12, 20),
        Gate("PageDown in a log: processor", statistics.median(used_s), "ms", 25, 60),
        Gate("PageDown in a log: longest frame", max(frames), "ms", 100, 250),
    ]


def stall(one: WatchedProgram) -> list[Gate]:
    """Leave the terminal unread: the loop goes on, and hardly an old frame comes afterwards."""
    began = wakeups(one.pid)
    one.rest(STALL_S)
    normal = wakeups(one.pid) - began
    for _ in range(30):
        # Whole pages fill what the terminal and the writer's queue hold.
        one.press("\x0c")
        subprocess.run(["sleep", "0.05"], check=True)
    began = wakeups(one.pid)
    subprocess.run(["sleep", str(STALL_S)], check=True)
    while_stalled = wakeups(one.pid) - began
    held = len(one.raw)
    while one.take(0.02):
        pass
    return [
        Gate("event loop while stalled 10 s", 100 * while_stalled / normal, "%", 95, 80, least=True),
        Gate("stale frames after the stall", bytes(one.raw[held:]).count(FRAME), "frames", 3, 12),
    ]


def wakeups(pid: int) -> int:
    """Return how often the main thread went to sleep by itself: an event loop that is blocked does not."""
    status = Path(f"/proc/{pid}/task/{pid}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)
    assert found is not None
    return int(found.group(1))


def link_gates(environment: dict[str, str]) -> list[Gate]:
    """Measure a hub that hangs, dies and comes back, and what three consoles cost it."""
    with short_directory() as directory, HubStage(directory) as stage:
        stage.hub.view_when(lambda view: len(view.processes) == 12, "twelve processes")
        crowd = crowded(stage, environment)
        with started(of_console(stage, name=""), environment) as one:
            one.until(FIGURES.search)
            os.kill(stage.hub.process.pid, signal.SIGSTOP)
            hung_s = one.until(lambda raw: b"STALE" in raw)
            os.kill(stage.hub.process.pid, signal.SIGCONT)
            one.until(LIVE.search)
            one.rest(1.0)
            stage.hub.process.kill()
            down_s = one.until(lambda raw: b"CORE DOWN" in raw)
            one.rest(8.0)
            stage.restart_hub()
            live_s = one.until(LIVE.search)
    return [
        *crowd,
        Gate("hub hung to shown", hung_s * 1000, "ms", 2_000, 3_500),
        Gate("hub killed to shown", down_s * 1000, "ms", 100, 400),
        Gate("hub bound again to live", live_s * 1000, "ms", 1_000, 2_500),
    ]


def crowded(stage: HubStage, environment: dict[str, str]) -> list[Gate]:
    """Return what three consoles take of the hub: processor beyond its own, bytes on each one's socket."""
    pid = stage.hub.process.pid
    alone = hub_share(pid)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(started(of_console(stage, name=""), environment)).until(FIGURES.search)
        # They fill their terminals' buffers and go on unread: the hub must not notice.
        attended = hub_share(pid)
        per_s = published_per_s(stage)
    return [
        Gate("hub's processor for 3 consoles", max(0.0, attended - alone), "%", 1, 3),
        Gate("socket of each console", per_s / 1000, "kB/s", 20, 40),
    ]


def hub_share(pid: int) -> float:
    used_s, began_s = cpu_seconds(pid), now_s()
    subprocess.run(["sleep", str(WATCH_S)], check=True)
    return 100 * (cpu_seconds(pid) - used_s) / (now_s() - began_s)


def published_per_s(stage: HubStage) -> float:
    with zmq.Context() as context, context.socket(zmq.SUB) as deltas:
        deltas.setsockopt(zmq.SUBSCRIBE, VIEW_TOPIC)
        deltas.connect(stage.hub.paths.publish_endpoint)
        deltas.recv_multipart()
        total, began_s = 0, now_s()
        while (took_s := now_s() - began_s) < 5.0:
            if deltas.poll(500):
                total += sum(map(len, deltas.recv_multipart()))
        return total / took_s


def cost_table(costs: list[Cost]) -> str:
    titles = ("kB/s", "CPU %", "RSS MB", "PSS MB", "paint ms", "key p50", "p95 ms")
    head = f"{'160x48 unless said':28}" + "".join(f"{title:>9}" for title in titles)
    rows = [
        f"{one.name:28}{one.bytes_per_s / 1000:9.1f}{one.cpu_percent:9.2f}{one.resident_mb:9.1f}"
        f"{one.proportional_mb:9.1f}{one.first_paint_ms:9.0f}{one.key_p50_ms:9.1f}{one.key_p95_ms:9.1f}"
        for one in costs
    ]
    return "\n".join([head, *rows]) + "\n"


def gate_table(gates: list[Gate]) -> str:
    rows = [f"{'gate':36}{'measured':>14}{'target':>14}"]
    for gate in gates:
        measured_text, sign = f"{gate.value:.1f} {gate.unit}", ">=" if gate.least else "<="
        verdict = "" if gate.met else "  MISSED"
        rows.append(f"{gate.name:36}{measured_text:>14}{f'{sign} {gate.target:g}':>14}{verdict}")
    return "\n".join(rows) + "\n"
