"""How long a killed process is missed: a real sweeping shard, and beside it three supervisors with idle children.

The shard: `kill -9` until its next observation is in the journal, as the first failure after a stable period, with
the budget and the exchange's limit lifted. The others: `kill -9` until another process runs. Peers are installed into
an environment of their own, because supervisord's import name is also ours.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from observer_core.journal.files import list_segments
from observer_core.journal.format import SegmentName
from observer_core.journal.reader import SegmentReader, payload_spans
from observer_core.messages import Quote, Record, decode_batch
from tests.bench.figures import Figure, percentile
from tests.bench.processes import cpu_s, live_children, names, pss_mb
from tests.fixtures.loopback_tree import LoopbackTree, moment
from tests.fixtures.supervised import SupervisedTree, until

SHARD_KILLS = 60
CHILD_KILLS = 10
CIRCUS_KILLS = 5
TARGET_MEDIAN_MS = 25.0
TARGET_P99_MS = 120.0
TARGET_SHARE_OF_CIRCUS = 1 / 20
IDLE_CHILDREN = {"sleep", "swing-0"}
IDLE_S = 5.0
SETTLE_S = 2.0
POLL_S = 0.0005
DEADLINE_S = 30.0
SEGMENT_HEADER_LIMIT_BYTES = 300
SHARD = "swing shard, kill -9 → next record journalled"
CIRCUS = "circus, idle child"


class PeerMissingError(Exception):
    """A peer cannot be installed here."""


class Line(NamedTuple):
    """One supervisor with an idle child; processor time in percent of a core, memory in MB."""

    name: str
    restarts_ms: list[float]
    idle_percent: float
    memory_mb: float


def restarts(directory: Path, runs: int) -> list[Figure]:
    """Measure restarts, and supervisors doing nothing."""
    del runs
    shard = tuple(_shard_restarts(directory / "shard"))
    figures = [
        Figure(name=SHARD, unit="ms", values=shard, target=TARGET_MEDIAN_MS),
        Figure(name=f"{SHARD}, p99", unit="ms", values=(percentile(shard, 0.99),), target=TARGET_P99_MS),
    ]
    lines = [_own_supervisor(directory / "own")]
    try:
        lines += [*_circus(directory / "circus"), _supervisord(directory / "supervisord")]
    except PeerMissingError as error:
        sys.stderr.write(f"no comparison: {error}\n")
    for line in lines:
        peer = line is not lines[0]
        figures.append(Figure(name=f"{line.name}: restart", unit="ms", values=tuple(line.restarts_ms), peer=peer))
        figures.append(Figure(name=f"{line.name}: at rest", unit="% core", values=(line.idle_percent,), peer=peer))
        figures.append(Figure(name=f"{line.name}: memory", unit="MB PSS", values=(line.memory_mb,), peer=peer))
    circus = next((figure.value for figure in figures if figure.name == f"{CIRCUS}: restart"), None)
    if circus is not None:
        share = figures[0].value / circus
        name = "restart of a swing shard, share of circus' default"
        figures.append(Figure(name=name, unit="of it", values=(share,), target=TARGET_SHARE_OF_CIRCUS))
    return figures


def _shard_restarts(directory: Path) -> list[float]:
    found: list[float] = []
    with LoopbackTree(directory, rest_limit_per_s=500.0, limits={"stable_after_s": 0.3}) as tree:
        tree.collecting(1)
        journal = tree.paths.journal("swing-0")  # type: ignore[arg-type] # a name, as the tree gives it
        for _ in range(SHARD_KILLS):
            # Longer than the stable period: each kill is a first failure.
            time.sleep(0.8)
            epoch = list_segments(journal)[-1].epoch
            victim = tree.pids()["swing-0"]
            begun_s = moment()
            os.kill(victim, signal.SIGKILL)
            _soon(lambda before=epoch: _grown(journal, before), "no new record")  # type: ignore[misc]
            found.append((moment() - begun_s) * 1e3)
            assert _observed(journal, epoch), "what was journalled first is no observation"
    return found


def _grown(journal: Path, before: int) -> bool:
    """Return whether a segment of a later epoch holds a whole batch."""
    later = [name for name in list_segments(journal) if name.epoch > before]
    return any(
        (journal / name.file_name).stat().st_size > SEGMENT_HEADER_LIMIT_BYTES and _first_records(journal, name)
        for name in later
    )


def _first_records(journal: Path, name: SegmentName) -> tuple[Record, ...]:
    with SegmentReader(journal / name.file_name) as reader:
        spans = payload_spans(reader)[0]
        return decode_batch(reader.read_span(*spans[0])).records if spans else ()


def _observed(journal: Path, before: int) -> bool:
    name = next(name for name in list_segments(journal) if name.epoch > before)
    return any(isinstance(record, Quote) for record in _first_records(journal, name))


def _own_supervisor(directory: Path) -> Line:
    with SupervisedTree(directory, {"swing-0": ("swing", "nothing")}, stable_after_s=0.1) as tree:
        tree.started("swing-0")
        return _measured("observer-supervisor, idle child", tree.process.pid, CHILD_KILLS)


def _circus(directory: Path) -> list[Line]:
    python = _installed(directory, "circus")
    lines = []
    for text, delay in ((CIRCUS, ""), ("circus, polling every 0.1 s", "check_delay = 0.1\n")):
        sockets = "".join(
            f"{name} = ipc://{directory}/{name}\n" for name in ("endpoint", "pubsub_endpoint", "stats_endpoint")
        )
        file = directory / "circus.ini"
        file.write_text(f"[circus]\n{sockets}{delay}[watcher:idle]\ncmd = sleep 1000\n")
        with _running([str(python), "-m", "circus.circusd", str(file)], directory) as pid:
            lines.append(_measured(text, pid, CIRCUS_KILLS))
    return lines


def _supervisord(directory: Path) -> Line:
    python = _installed(directory, "supervisor", "setuptools<81")
    file = directory / "supervisord.conf"
    file.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={directory}/log\npidfile={directory}/pid\n"
        "[program:idle]\ncommand=sleep 1000\nautorestart=true\n"
    )
    with _running([str(python), "-m", "supervisor.supervisord", "-c", str(file)], directory) as pid:
        return _measured("supervisord, idle child", pid, CHILD_KILLS)


def _installed(directory: Path, *packages: str) -> Path:
    """Return the interpreter of a new environment with the packages.

    Raises:
        PeerMissingError: they cannot be had.
    """
    directory.mkdir(parents=True)
    python = directory / "venv" / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(directory / "venv")],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerMissingError(f"{packages[0]} cannot be installed here: {done.stderr[-300:]}")
    return python


@contextmanager
def _running(command: list[str], directory: Path) -> Iterator[int]:
    with (directory / "output").open("ab") as output:
        process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _measured(name: str, supervisor: int, kills: int) -> Line:
    """Kill the one child of a supervisor over and over, then leave the supervisor alone and see what it uses."""
    until(lambda: bool(live_children(supervisor)), f"{name}: no child", deadline_s=30)
    time.sleep(SETTLE_S)
    found: list[float] = []
    for _ in range(kills):
        # supervisord calls a child started after one second; all are treated alike.
        time.sleep(1.3)
        victim = _idle_child(supervisor)
        assert victim is not None
        begun_s = moment()
        os.kill(victim, signal.SIGKILL)
        _soon(lambda dead=victim: _idle_child(supervisor) not in {None, dead}, f"{name}: no new child")  # type: ignore[misc]
        found.append((moment() - begun_s) * 1e3)
    time.sleep(1.3)
    before_s, begun_s = cpu_s(supervisor), moment()
    time.sleep(IDLE_S)
    idle_percent = (cpu_s(supervisor) - before_s) / (moment() - begun_s) * 100
    return Line(name, found, idle_percent, pss_mb(supervisor))


def _soon(condition: Callable[[], bool], failure: str) -> None:
    """Poll finely, because what is measured takes milliseconds, and rarely enough to leave the processor alone."""
    end_s = moment() + DEADLINE_S
    while not condition():
        assert moment() < end_s, failure
        time.sleep(POLL_S)


def _idle_child(supervisor: int) -> int | None:
    """Return the child that works; a process that only waits to become it has another name."""
    return next((pid for pid, name in names(live_children(supervisor)).items() if name in IDLE_CHILDREN), None)
