"""The console in a browser: the real server, its page over HTTP, its WebSocket as the page speaks it, a real hub."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx
import pyte
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from observer_core.clock import NS_PER_S
from tests.fixtures.hub import CLOCK, short_directory, until
from tests.fixtures.hub_stage import HubStage
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.terminal import ROOT

pytestmark = pytest.mark.console

WIDTH, HEIGHT = 160, 48
PIPE_HALF_BYTES = 32_768
_PPID, _LISTENING = 1, "0A"


@pytest.fixture(scope="module")
def stage() -> Iterator[HubStage]:
    with short_directory() as directory, HubStage(directory) as played:
        played.hub.view_when(lambda view: len(view.processes) == 12, "twelve processes")
        yield played


class Door:
    """One `observer-tui --browser`."""

    def __init__(self, stage: HubStage, *more: str) -> None:
        arguments = ["--browser", "--port", "0", "--run-dir", str(stage.hub.paths.run), "--lang", "en", *more]
        # No HOME, no TERM, no terminal: nothing of the server may need one.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "observer_tui", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url: SplitResult = urlsplit(self.process.stdout.readline().strip())
        assert self.url.port, "it did not start"

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a path."""
        return httpx.get(f"http://{self.url.netloc}{path}", headers=headers, timeout=PATIENCE_S, trust_env=False)

    def whole(self) -> str:
        """Return the path with the key."""
        return f"{self.url.path}?{self.url.query}"

    def cookie(self) -> str:
        """Open the page; return what a browser would send from then on."""
        response = self.get(self.whole())
        assert response.status_code == 200
        return response.headers["Set-Cookie"].partition(";")[0]

    def consoles(self) -> list[int]:
        """Return the children."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit():
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[_PPID]) == self.process.pid and fields[0] != "Z":
                        found.append(int(entry.name))
        return found

    def end(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_S)


class OpenPage:
    """What the page's terminal shows."""

    def __init__(self, link: ClientConnection) -> None:
        self.link = link
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.raw = bytearray()
        self._stream = pyte.ByteStream(self.screen)

    def text(self) -> str:
        """Return the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, wanted: str) -> None:
        """Take frames until the screen shows it."""
        deadline_ns = CLOCK.monotonic_ns() + int(PATIENCE_S * NS_PER_S)
        while wanted not in self.text():
            assert CLOCK.monotonic_ns() < deadline_ns, f"not shown: {wanted}\n{self.text()}"
            with suppress(TimeoutError):
                message = self.link.recv(timeout=1)
                assert isinstance(message, bytes)
                self.raw += message
                self._stream.feed(message)

    def press(self, keys: str) -> None:
        """Type."""
        self.link.send(json.dumps(["stdin", keys]))

    def drain(self) -> None:
        """Take what comes until the other end closes.

        Raises:
            ConnectionClosed: it did.
        """
        deadline_ns = CLOCK.monotonic_ns() + int(PATIENCE_S * NS_PER_S)
        while CLOCK.monotonic_ns() < deadline_ns:
            with suppress(TimeoutError):
                self.link.recv(timeout=1)


@contextmanager
def door(stage: HubStage, *more: str) -> Iterator[Door]:
    opened = Door(stage, *more)
    try:
        yield opened
    finally:
        if opened.process.poll() is None:
            opened.process.kill()
        opened.process.wait(timeout=PATIENCE_S)
        assert opened.process.stdout is not None
        opened.process.stdout.close()


@contextmanager
def page(opened: Door, **changes: str) -> Iterator[OpenPage]:
    """Open the page as a browser does: the key becomes a cookie, the address of the WebSocket is in the page."""
    cookie = opened.cookie()
    markup = opened.get("/", Cookie=cookie).text
    address = markup.partition('data-session-websocket-url="')[2].partition('"')[0]
    assert address == f"ws://{opened.url.netloc}/ws"
    origin = f"http://{opened.url.netloc}"
    headers = {"Origin": origin, "Cookie": cookie, **changes}
    with connect(f"{address}?width={WIDTH}&height={HEIGHT}", additional_headers=headers, max_queue=None) as link:
        yield OpenPage(link)


def listening(pid: int) -> set[str]:
    """Return the addresses on which a process listens, as the kernel lists them."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == _LISTENING and row[9] in inodes}


def test_a_page_shows_the_console_takes_keys_and_leaves_nothing_behind(stage: HubStage) -> None:
    with door(stage) as opened:
        assert listening(opened.process.pid) == {f"0100007F:{opened.url.port:04X}"}
        with page(opened) as one, page(opened) as other:
            one.wait_for("Processes 12/12")
            one.wait_for("swing-6")
            assert b"\x1b[6n" not in one.raw, "a page was asked where its cursor is"
            assert b"\x1b[?1003l" not in one.raw, "the mouse was given back"
            other.wait_for("Processes 12/12")
            assert len(opened.consoles()) == 2
            one.press("\r")
            one.wait_for("generation")
            one.link.send(json.dumps(["resize", {"width": 80, "height": 24}]))
            one.screen.resize(24, 80)
            one.press("1")
            one.wait_for("q detach")
            one.press("q")
            with pytest.raises(ConnectionClosed):
                one.drain()
            until(lambda: len(opened.consoles()) == 1, "a console that was left ends")
        until(lambda: not opened.consoles(), "a console whose page was closed ends")
        with page(opened) as third:
            third.wait_for("swing-0")
            children = opened.consoles()
            assert len(children) == 1
            assert opened.end(signal.SIGTERM) == 0
            assert not any(Path(f"/proc/{child}").exists() for child in children), "an orphan"


def test_a_dead_console_closes_its_page_and_a_stuck_one_is_killed(stage: HubStage) -> None:
    with door(stage, "--no-mouse") as opened, page(opened) as one:
        one.wait_for("swing-0")
        assert b"\x1b[?1003l" in one.raw, "the mouse was taken"
        os.kill(opened.consoles()[0], signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            one.drain()
        with page(opened) as other:
            other.wait_for("swing-0")
            (stuck,) = opened.consoles()
            os.kill(stuck, signal.SIGSTOP)
            assert opened.end(signal.SIGINT) == 0
            until(lambda: not Path(f"/proc/{stuck}").exists(), "the stuck console is gone")


def test_consoles_end_with_a_server_that_was_killed(stage: HubStage) -> None:
    with door(stage) as opened, page(opened) as one:
        one.wait_for("swing-0")
        children = opened.consoles()
        opened.end(signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "consoles without a server end")


def test_a_page_that_takes_nothing_does_not_hold_its_console(stage: HubStage) -> None:
    # The console as the server starts it, without the server, whose queues would take megabytes first.
    console = subprocess.Popen(
        [sys.executable, "-m", "observer_tui", "--run-dir", str(stage.hub.paths.run)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert console.stdin is not None
    assert console.stdout is not None
    with console, console.stdin as keys, console.stdout as output:
        assert output.readline() == b"__GANGLION__\n"
        counts: list[int] = []

        def stalled() -> bool:
            keys.write(b"D\0\0\0\1\x0c")  # draw the whole screen again
            keys.flush()
            stage.silent.wait(0.1)
            waiting = fcntl.ioctl(output.fileno(), termios.FIONREAD, bytes(4))
            counts.append(int.from_bytes(waiting, sys.byteorder))
            return counts[-1] > PIPE_HALF_BYTES and len(counts) > 10 and len(set(counts[-10:])) == 1

        until(stalled, "the console can write no more")
        console.send_signal(signal.SIGTERM)
        assert console.wait(timeout=PATIENCE_S) == 143


def test_strangers_are_refused(stage: HubStage) -> None:
    with door(stage) as opened:
        cookie, whole = opened.cookie(), opened.whole()
        assert opened.get("/").status_code == 403
        assert opened.get("/?key=wrong", Cookie=cookie).status_code == 403
        assert opened.get("/static/js/textual.js").status_code == 403
        assert opened.get("/static/js/textual.js", Cookie=cookie).status_code == 200
        assert opened.get(whole, Host=f"rebound.example:{opened.url.port}").status_code == 403
        assert opened.get(whole, Origin="http://rebound.example").status_code == 403
        policy = opened.get(whole).headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        for strange in ({"Cookie": "no"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}):
            with pytest.raises(InvalidStatus) as refused, page(opened, **strange):
                pass
            assert refused.value.response.status_code == 403
        assert not opened.consoles()


def refusal(*arguments: str, before: str = "pass") -> tuple[int, str]:
    """Return exit code and complaint."""
    code = f"import sys; {before}; import observer_tui.__main__ as console; sys.exit(console.main())"
    result = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    return result.returncode, result.stderr


def test_what_cannot_be_served_is_said_clearly(stage: HubStage, tmp_path: Path) -> None:
    code, text = refusal("--browser", before="sys.modules['textual_serve'] = None")
    assert (code, "Traceback" in text) == (3, False)
    assert "install the extra `browser` (pip install 'observer[browser]'" in text
    with door(stage) as opened:
        code, text = refusal("--browser", "--port", str(opened.url.port))
        assert (code, "Traceback" in text) == (3, False)
        assert f"port {opened.url.port} of 127.0.0.1: Address already in use: choose another by --port" in text
    code, text = refusal("--browser", "--replay", "2026-11-20", "--log-dir", str(tmp_path))
    assert (code, "Traceback" in text) == (1, False)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--browser", "--once"], "--once and --watch print"),
        (["--port", "8001"], "--port belongs to --browser"),
        (["--browser", "--port", "0.0.0.0:80"], "is no port: 0 to 65535, always on 127.0.0.1"),
        (["--browser", "--port", "65536"], "is no port"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: list[str], complaint: str) -> None:
    code, text = refusal(*arguments)
    assert code == 2
    assert complaint in text
