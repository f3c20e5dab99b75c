"""The real console in a real pseudo-terminal against a real hub: paint, keys, exits, bytes, a hub that goes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from observer_core.questions import GetHistory
from observer_core.rates import Course
from tests.fixtures.hub import short_directory, until
from tests.fixtures.hub_stage import KINDS, HubStage
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.terminal import MOUSE_OFF, RESTORED, ROOT, Terminal, monotonic_s

pytestmark = pytest.mark.console

BYTES_PER_S_LIMIT = 16_000
"""Hard limit of the design at 160x48, 2 Hz, 12 busy rows; typical is a quarter of it."""

STALLED_REPAINTS = 50
"""Whole pages asked for while nobody reads: far more than the terminal's and the writer's queues hold."""

_COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")


@pytest.fixture(scope="module")
def stage() -> Iterator[HubStage]:
    with short_directory() as directory, HubStage(directory) as played:
        played.hub.view_when(lambda view: len(view.processes) == 12, "twelve processes")
        yield played


def fresh(text: str) -> bool:
    """Return whether the first line says that the link is live; the test machine's disk may be short of space."""
    return re.search(r" (LIVE|DEGRADED) [0-9.]+s", text.splitlines()[0]) is not None


def arguments(stage: HubStage, *more: str) -> list[str]:
    return ["-m", "observer_tui", "--run-dir", str(stage.hub.paths.run), *more]


def test_first_paint_shows_live_figures(stage: HubStage) -> None:
    with Terminal(arguments(stage)) as terminal:
        terminal.wait_for(fresh)
        terminal.wait_for(lambda text: re.search(r"swing-0 +running +[0-9]{2,}", text))
        assert "KRX" in terminal.text()
        assert "maintenance" in terminal.text()
        terminal.press("q")
        assert terminal.end() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_restored(stage: HubStage, number: signal.Signals, code: int) -> None:
    with Terminal(arguments(stage)) as terminal:
        terminal.wait_for(fresh)
        assert b"\x1b[?1049h" in terminal.raw
        assert b"\x1b[?1003h" in terminal.raw
        assert terminal.end(number) == code
        for what, sequence in RESTORED.items():
            assert terminal.raw.rfind(sequence) > terminal.raw.rfind(b"\x1b[?1049h"), what
        assert terminal.raw.rfind(MOUSE_OFF) > terminal.raw.rfind(b"\x1b[?1003h")


def test_interrupt_twice_leaves(stage: HubStage) -> None:
    with Terminal(arguments(stage)) as terminal:
        terminal.wait_for(fresh)
        terminal.press("\x03")
        terminal.wait_for("press ctrl+c again")
        terminal.press("\x03")
        assert terminal.end() == 0
        for what, sequence in RESTORED.items():
            assert sequence in terminal.raw, what


def test_keys_open_pages_and_the_size_may_change(stage: HubStage) -> None:
    with Terminal(arguments(stage)) as terminal:
        terminal.wait_for(fresh)
        terminal.press("jj\r")
        terminal.wait_for("generation")
        assert "swing-2" in terminal.text()
        terminal.press("6")
        terminal.wait_for("last commit")
        terminal.press("?")
        terminal.wait_for("Orders (after W)")
        terminal.press("1")
        terminal.wait_for("Processes 12/12")
        terminal.screen.resize(24, 80)
        terminal.child.setwinsize(24, 80)
        terminal.wait_for(lambda text: "Processes" not in text and "swing-0" in text and "q detach" in text)
        terminal.press("q")
        assert terminal.end() == 0


def test_an_order_is_confirmed_carried_out_and_shown(stage: HubStage) -> None:
    with Terminal(arguments(stage)) as terminal:
        terminal.wait_for("swing-1")
        terminal.press("R")
        terminal.wait_for("press W first")
        terminal.press("W")
        terminal.wait_for("Ask for write mode")
        terminal.press("market test\r")
        terminal.wait_for(" RW ")
        terminal.press("jR")
        terminal.wait_for("restart swing-1?")
        assert "285 symbols" in terminal.text()
        terminal.press("\r")
        terminal.wait_for(lambda text: "restart swing-1?" not in text)
        terminal.pump(1.2)
        assert stage.orders == [], "enter on the focused Cancel sent an order"
        terminal.press("R")
        terminal.wait_for("restart swing-1?")
        terminal.press("\t\r")
        terminal.wait_for("restart swing-1: done")
        assert [(order.verb, order.target, order.reason) for order in stage.orders] == [
            ("restart", "swing-1", "market test")
        ]
        stage.orders.clear()
        terminal.press("W")
        terminal.wait_for(" RO ")
        terminal.press("q")
        assert terminal.end() == 0


def test_bytes_and_processor_time_stay_small(stage: HubStage, record_property: Callable[[str, object], None]) -> None:
    with Terminal(arguments(stage, "--no-mouse")) as terminal:
        terminal.wait_for(fresh)
        first_paint_s = monotonic_s() - terminal.started_s
        terminal.pump(3.0)
        seen, used_s, began_s = len(terminal.raw), terminal.cpu_s(), monotonic_s()
        while monotonic_s() - began_s < 6.0:
            terminal.pump(0.2)
        took_s = monotonic_s() - began_s
        rate = (len(terminal.raw) - seen) / took_s
        share = (terminal.cpu_s() - used_s) / took_s
        record_property("bytes_per_s", rate)
        record_property("cpu_share", share)
        record_property("first_paint_s", first_paint_s)
        assert 500 / slowness() < rate < BYTES_PER_S_LIMIT
        assert share < 0.10 * slowness()
        terminal.press("z")
        terminal.wait_for("FROZEN")
        terminal.wait_quiet(2.0)
        terminal.press("q")
        assert terminal.end() == 0


def test_no_color_writes_no_colour(stage: HubStage) -> None:
    with Terminal(arguments(stage), environment={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for(fresh)
        terminal.pump(1.0)
        colours = {found for found in _COLOUR.findall(bytes(terminal.raw)) if b"39;49" not in found}
        assert colours == set()
        terminal.press("q")
        assert terminal.end() == 0


def test_a_stalled_terminal_drops_frames_and_is_repaired(stage: HubStage) -> None:
    with Terminal(arguments(stage, "--no-mouse")) as terminal:
        terminal.wait_for(fresh)
        terminal.pump(1.0)
        before = len(terminal.raw)
        terminal.press("\x0c")
        terminal.wait_for(lambda _: len(terminal.raw) - before > 8_000)
        terminal.pump(1.0)
        whole_page = len(terminal.raw) - before
        before = len(terminal.raw)
        for _ in range(STALLED_REPAINTS):
            terminal.press("\x0c")
            stage.silent.wait(0.1)
        terminal.pump(2.0)
        replayed = len(terminal.raw) - before
        assert replayed < STALLED_REPAINTS * whole_page / 2, "stale frames were replayed"
        terminal.wait_for(fresh)
        terminal.press("6")
        terminal.wait_for("last commit")
        assert terminal.end(signal.SIGTERM) == 143


def test_without_a_terminal_it_refuses(stage: HubStage) -> None:
    result = subprocess.run(
        [sys.executable, *arguments(stage)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == 3
    assert "no terminal" in result.stderr
    assert result.stdout == ""


def test_once_prints_five_lines_or_the_view(stage: HubStage) -> None:
    plain = run_plain(stage, "--once", "--lang", "en")
    assert len(plain.splitlines()) == 5
    assert "12 ok" in plain
    assert re.search(r"records/s: [0-9,]{3,}", plain)
    view = json.loads(run_plain(stage, "--once", "--json"))
    assert len(view["processes"]) == 12


def test_one_look_has_the_rates_that_the_core_keeps(stage: HubStage) -> None:
    """Nothing is reported while it looks: what it prints it cannot have counted itself."""
    until(lambda: is_kept(stage), "the core has a rate of every shard and writer")
    stage.silent.set()
    try:
        found = run_plain(stage, "--once", "--lang", "en")
    finally:
        stage.silent.clear()
    rates = re.search(r"records/s: ([0-9,]+) .* bytes/s written: [0-9.]+ MB", found)
    assert rates is not None, found
    # Eight shards of 140 to 203 records a second.
    assert 1_372 * 0.88 < int(rates[1].replace(",", "")) < 1_372 * 1.12


def is_kept(stage: HubStage) -> bool:
    """Return whether the newest kept points of all shards and writers have rates."""
    with stage.hub.viewer() as viewer:
        history = viewer.ask(GetHistory(request_id="h")).history
    courses = {one.name: Course(one.columns) for one in history.processes} if history is not None else {}
    counted = [
        courses[name] for name, kind in KINDS.items() if kind in {"swing", "scalp", "writer"} and name in courses
    ]
    return len(counted) == 10 and all(len(course) and course[-1].records is not None for course in counted)


def run_plain(stage: HubStage, *more: str) -> str:
    result = subprocess.run(
        [sys.executable, *arguments(stage, *more)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return result.stdout


def test_watch_prints_a_line_at_every_change(stage: HubStage) -> None:
    process = subprocess.Popen(
        [sys.executable, *arguments(stage, "--watch")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = [json.loads(process.stdout.readline()) for _ in range(5)]
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert errors == ""
    assert lines[-1]["verdict"] in ("LIVE", "DEGRADED")
    assert lines[-1]["seq"] > lines[1]["seq"]


def test_once_without_a_core_says_what_to_do(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "observer_tui", "--once", "--run-dir", str(tmp_path), "--wait", "0.3"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "start observer-supervisor" in result.stderr


def test_a_hung_and_a_killed_hub_are_shown_with_the_age_and_recovered_from() -> None:
    with short_directory() as directory, HubStage(directory) as played:
        played.hub.view_when(lambda view: len(view.processes) == 12, "twelve processes")
        with Terminal(arguments(played)) as terminal:
            terminal.wait_for(lambda text: fresh(text) and "swing-3" in text)
            os.kill(played.hub.process.pid, signal.SIGSTOP)
            stale_s = terminal.wait_for("STALE")
            assert "figures are" in terminal.text()
            assert "swing-3" in terminal.text()
            assert stale_s < 3.0 * slowness()
            os.kill(played.hub.process.pid, signal.SIGCONT)
            terminal.wait_for(fresh)
            os.kill(played.hub.process.pid, signal.SIGKILL)
            terminal.wait_for("CORE DOWN")
            assert "swing-3" in terminal.text(), "the last figures stay"
            assert "DOWN" in terminal.text().splitlines()[0]
            terminal.press("q")
            assert terminal.end() == 0
