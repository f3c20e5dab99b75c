"""The real console in real terminals of every size and colour depth, and how it leaves each of them.

`test_console_terminal` shows what it does in one; this is about the terminals: what they can, say, and how they go.
"""

import base64
import os
import re
import signal
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.fixtures.hub import short_directory
from tests.fixtures.hub_stage import HubStage
from tests.fixtures.patience import slowness
from tests.fixtures.terminal import RESTORED, Terminal, monotonic_s
from tests.fixtures.watched_program import WatchedProgram

pytestmark = pytest.mark.console

TRUE_COLOUR = re.compile(rb"[34]8;2;")
INDEXED_COLOUR = re.compile(rb"[34]8;5;")
BASIC_COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
PRESENT = ("swing-0", "q detach")


@pytest.fixture(scope="module")
def stage() -> Iterator[HubStage]:
    with short_directory() as directory, HubStage(directory) as played:
        played.hub.view_when(lambda view: len(view.processes) == 12, "twelve processes")
        yield played


def arguments(stage: HubStage, *more: str) -> list[str]:
    return ["-m", "observer_tui", "--run-dir", str(stage.hub.paths.run), *more]


def fresh(text: str) -> bool:
    return re.search(r" (LIVE|DEGRADED) [0-9.]+s", text.splitlines()[0]) is not None


@pytest.mark.parametrize(
    ("size", "shown", "hidden"),
    [
        ((160, 48), ("Processes 12/12", "maintenance", "Disk"), ("need 60x15",)),
        ((80, 24), PRESENT, ("Processes 12/12", "need 60x15")),
        ((60, 15), PRESENT, ("need 60x15",)),
        ((59, 15), ("OBSERVER", "12 ok", "need 60x15"), PRESENT),
        ((60, 14), ("OBSERVER", "12 ok", "need 60x15"), PRESENT),
        ((20, 3), ("OBSERVER",), PRESENT),
        ((300, 100), ("Processes 12/12", "maintenance"), ("need 60x15",)),
    ],
    ids=lambda value: f"{value[0]}x{value[1]}" if isinstance(value, tuple) and isinstance(value[0], int) else "",
)
def test_every_size_has_its_layout(
    stage: HubStage, size: tuple[int, int], shown: tuple[str, ...], hidden: tuple[str, ...]
) -> None:
    width, height = size
    with Terminal(arguments(stage, "--lang", "en"), width=width, height=height) as terminal:
        terminal.wait_for(lambda text: all(word in text for word in shown))
        for word in hidden:
            assert word not in terminal.text()
        terminal.press("q")
        assert terminal.end() == 0


@pytest.mark.parametrize(
    ("environment", "wanted", "unwanted"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, INDEXED_COLOUR, TRUE_COLOUR),
        ({"TERM": "xterm-256color"}, INDEXED_COLOUR, TRUE_COLOUR),
        ({"TERM": "xterm"}, BASIC_COLOUR, INDEXED_COLOUR),
        ({"TERM": "linux"}, BASIC_COLOUR, INDEXED_COLOUR),
        ({"TERM": "vt220"}, BASIC_COLOUR, INDEXED_COLOUR),
        ({"TERM": ""}, BASIC_COLOUR, INDEXED_COLOUR),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, re.compile(rb"\x1b\[[0-9;]*7[;m]"), INDEXED_COLOUR),
    ],
    ids=["true", "256", "exec-xterm", "linux", "vt220", "no-TERM", "no-colour"],
)
def test_every_colour_depth_is_kept_to(
    stage: HubStage, environment: Mapping[str, str], wanted: re.Pattern[bytes], unwanted: re.Pattern[bytes]
) -> None:
    with Terminal(arguments(stage), environment=environment) as terminal:
        terminal.wait_for(fresh)
        terminal.wait_for(lambda _: wanted.search(terminal.raw))
        terminal.pump(0.6)
        assert not unwanted.search(terminal.raw)
        if "NO_COLOR" in environment:
            assert not BASIC_COLOUR.search(terminal.raw)
        terminal.press("q")
        assert terminal.end() == 0


def test_low_bandwidth_writes_few_bytes_and_no_mouse(stage: HubStage) -> None:
    with Terminal(arguments(stage, "--low-bandwidth"), environment={"COLORTERM": "truecolor"}) as terminal:
        terminal.wait_for(fresh)
        assert b"\x1b[?1003h" not in terminal.raw
        assert not INDEXED_COLOUR.search(terminal.raw)
        terminal.wait_for("maintenance")
        terminal.pump(2.5)
        before, began_s = len(terminal.raw), monotonic_s()
        while monotonic_s() - began_s < 6.0:
            terminal.pump(0.5)
        assert 100 / slowness() < (len(terminal.raw) - before) / (monotonic_s() - began_s) < 2_000
        terminal.press("q")
        assert terminal.end() == 0


@pytest.mark.parametrize(("column", "ascii_only"), [(2, False), (3, True), (None, False)])
def test_the_terminal_is_asked_how_wide_it_draws_blocks(stage: HubStage, column: int | None, ascii_only: bool) -> None:
    answers = {} if column is None else {b"\x1b[6n": f"\x1b[1;{column}R".encode()}
    with watched(stage, answers=answers) as one:
        one.until(lambda raw: b"swing-0" in raw)
        one.rest(0.5)
        drawn = one.raw[one.raw.index(b"\x1b[?1049h") :].decode(errors="replace")
        assert ("┌" not in drawn) is ascii_only
        assert ("+--" in drawn) is ascii_only
        assert all(ord(letter) < 128 for letter in drawn) is ascii_only
        one.press("q")
        one.rest(1.0)


def watched(
    stage: HubStage, *more: str, answers: Mapping[bytes, bytes] | None = None, **environment: str
) -> WatchedProgram:
    known = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
    return WatchedProgram([sys.executable, *arguments(stage, *more)], environment=known, answers=answers)


def test_korean_by_locale_with_every_line_as_wide_as_the_terminal(stage: HubStage) -> None:
    with Terminal(arguments(stage), environment={"LANG": "ko_KR.UTF-8"}) as terminal:
        terminal.wait_for("합계")
        terminal.press("L")
        terminal.wait_for("TOTAL")
        terminal.press("L")
        terminal.wait_for("합계")
        # pyte keeps a wide letter's second cell as an empty one: every frame's right edge is where it belongs.
        edges = [place for place, line in enumerate(terminal.screen.display) if line.rstrip().endswith(("│", "┐", "┘"))]
        assert len(edges) > 30
        for row in edges:
            cells = terminal.screen.buffer[row]
            assert cells[159].data in "│┐┘", terminal.screen.display[row]
        terminal.press("q")
        assert terminal.end() == 0


def test_copying_reaches_the_terminals_clipboard(stage: HubStage) -> None:
    with Terminal(arguments(stage)) as terminal:
        terminal.wait_for("swing-0")
        terminal.press("c")
        terminal.wait_for("copied")
        found = re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", terminal.raw)
        assert found is not None
        assert base64.b64decode(found.group(1)).startswith(b"process ")
        terminal.press("q")
        assert terminal.end() == 0


def test_saving_the_screen_as_picture_and_text(stage: HubStage, tmp_path: Path) -> None:
    with Terminal(arguments(stage, "--capture-dir", str(tmp_path))) as terminal:
        terminal.wait_for("swing-0")
        terminal.press("X")
        terminal.wait_for("saved")
        drawn, plain = sorted(tmp_path.glob("observer-*"))
        assert "swing-0" in plain.read_text()
        assert "swing-0" in drawn.read_text()
        terminal.press("q")
        assert terminal.end() == 0


def test_the_mouse_is_given_to_the_terminal_and_taken_back(stage: HubStage) -> None:
    with Terminal(arguments(stage)) as terminal:
        terminal.wait_for("swing-0")
        terminal.press("m")
        terminal.wait_for("the mouse is the terminal's")
        assert terminal.raw.rfind(b"\x1b[?1003l") > terminal.raw.rfind(b"\x1b[?1003h")
        terminal.press("m")
        terminal.wait_for("the mouse is the console's")
        assert terminal.raw.rfind(b"\x1b[?1003h") > terminal.raw.rfind(b"\x1b[?1003l")
        terminal.press("q")
        assert terminal.end() == 0


def test_the_mouse_is_left_alone_over_ssh(stage: HubStage) -> None:
    with Terminal(arguments(stage), environment={"SSH_CONNECTION": "127.0.0.1 1 127.0.0.1 22"}) as terminal:
        terminal.wait_for(fresh)
        assert "1/s" in terminal.text()
        assert b"\x1b[?1003h" not in terminal.raw
        terminal.press("q")
        assert terminal.end() == 0


CRASHING = """
import sys
import observer_tui.__main__ as console
import observer_tui.app as app
def crash(self):
    raise RuntimeError("made to crash")
app.ConsoleApp.action_invert = crash
sys.argv = ["observer-tui", "--run-dir", {run_dir!r}]
sys.exit(console.main())
"""


def by_key(one: WatchedProgram) -> None:
    one.press("q")


def by_interrupts(one: WatchedProgram) -> None:
    one.press("\x03")
    one.until(lambda raw: b"again" in raw)
    one.press("\x03")


def by_crash(one: WatchedProgram) -> None:
    one.press("I")


def by_signal(number: signal.Signals) -> Callable[[WatchedProgram], None]:
    return lambda one: os.kill(one.pid, number)


EXITS: dict[str, tuple[Callable[[WatchedProgram], None], int]] = {
    "key": (by_key, 0),
    "interrupts": (by_interrupts, 0),
    "TERM": (by_signal(signal.SIGTERM), 143),
    "HUP": (by_signal(signal.SIGHUP), 129),
    "INT": (by_signal(signal.SIGINT), 130),
    "crash": (by_crash, 1),
}


@pytest.mark.parametrize("case", EXITS)
def test_every_exit_leaves_the_terminal_as_it_was(stage: HubStage, case: str) -> None:
    leave, code = EXITS[case]
    program = ["-c", CRASHING.format(run_dir=str(stage.hub.paths.run))]
    known = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    with WatchedProgram([sys.executable, *program], environment=known) as one:
        before = one.modes()
        one.until(lambda raw: b"swing-0" in raw)
        one.rest(0.5)
        assert one.modes() != before, "the console did not take the terminal"
        leave(one)
        assert one.end(None) == code
        assert one.last_modes == before
        assert_restored(bytes(one.raw))
        if case == "crash":
            assert b"made to crash" in one.raw


def assert_restored(raw: bytes) -> None:
    """Assert that every private mode that was set was reset afterwards, and that the cursor shows."""
    states: dict[bytes, bytes] = {}
    for modes, state in re.findall(rb"\x1b\[\?([0-9;]+)([hl])", raw):
        states.update(dict.fromkeys(modes.split(b";"), state))
    left_on = {mode for mode, state in states.items() if state == b"h"} - {b"25", b"7"}
    assert left_on == set()
    assert states[b"25"] == b"h"
    assert states.get(b"7", b"h") == b"h"
    assert raw.count(b"\x1b[<u") >= raw.count(b"\x1b[>"), "the keyboard protocol was not given back"
    for what, sequence in RESTORED.items():
        assert sequence in raw[raw.rindex(b"\x1b[?1049h") :], what


def test_a_hub_that_dies_does_not_take_the_console_with_it() -> None:
    with short_directory() as directory, HubStage(directory) as played:
        played.hub.view_when(lambda view: len(view.processes) == 12, "twelve processes")
        with watched(played) as one:
            before = one.modes()
            one.until(lambda raw: b"swing-0" in raw)
            one.rest(0.5)
            os.kill(played.hub.process.pid, signal.SIGKILL)
            one.until(lambda raw: b"CORE DOWN" in raw)
            played.restart_hub()
            one.until(lambda raw: re.search(rb"(LIVE|DEGRADED) [0-9.]+s", raw))
            os.kill(played.hub.process.pid, signal.SIGKILL)
            one.until(lambda raw: b"CORE DOWN" in raw)
            one.press("q")
            assert one.end(None) == 0
            assert one.last_modes == before
            assert_restored(bytes(one.raw))


def test_a_terminal_that_takes_nothing_cannot_hold_a_console_that_must_leave(stage: HubStage) -> None:
    with watched(stage) as one:
        before = one.modes()
        one.until(lambda raw: b"swing-0" in raw)
        for _ in range(40):
            one.press("\x0c")
            stage.silent.wait(0.05)
        os.kill(one.pid, signal.SIGTERM)
        assert one.wait_unread(8.0 * slowness()), "it waits for a terminal that takes nothing"
        assert one.end(None) == 143
        assert one.last_modes == before


def test_a_console_whose_terminal_vanished_ends(stage: HubStage) -> None:
    with watched(stage) as one:
        one.until(lambda raw: b"swing-0" in raw)
        # The other end closes without a word, as when the link drops; a wrapper may have told it to ignore that.
        one.hang_up()
        assert one.wait_unread(8.0 * slowness())


def test_a_terminal_that_no_longer_answers_is_left(stage: HubStage) -> None:
    answers = {b"\x1b[6n": b"\x1b[1;2R"}
    with watched(stage, "--probe-after", "2", answers=answers) as one:
        one.until(lambda raw: b"swing-0" in raw)
        one.until(lambda _: one.raw.count(b"\x1b[6n") >= 3)
        answers.clear()
        assert one.wait_unread(15.0 * slowness()), "it stays with a terminal that does not answer"
        assert one.end(None) == 129


def test_a_terminal_that_never_answered_is_not_left(stage: HubStage) -> None:
    with watched(stage, "--probe-after", "1", answers={}) as one:
        one.until(lambda raw: b"swing-0" in raw)
        one.rest(9.0)
        one.press("q")
        assert one.end(None) == 0


def test_a_terminal_that_cannot_draw_is_refused(stage: HubStage) -> None:
    with watched(stage, TERM="dumb") as one:
        one.until(lambda raw: b"TERM says" in raw)
        assert one.end(None) == 3
        assert b"\x1b" not in one.raw


def test_a_size_that_comes_late_is_waited_for(stage: HubStage) -> None:
    """Container engines start a program in a terminal of 0x0 and tell the size a moment later."""
    with WatchedProgram(
        [sys.executable, *arguments(stage)],
        width=0,
        height=0,
        environment={"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8"},
    ) as one:
        one.rest(0.1)
        one.resize(160, 48)
        one.until(lambda raw: b"Processes 12/12" in raw)
        one.press("q")
        assert one.end(None) == 0


def test_the_terminals_modes_are_readable() -> None:
    """The comparison above must not compare nothing."""
    program = ["sh", "-c", "echo first; read line; stty -icanon; echo then; sleep 5"]
    with WatchedProgram(program, environment={"PATH": os.environ["PATH"]}) as one:
        one.until(lambda raw: b"first" in raw)
        assert one.modes()[3] & termios.ICANON
        one.press("\n")
        one.until(lambda raw: b"then" in raw)
        assert not one.modes()[3] & termios.ICANON
