"""The console where operators use it: through an SSH server's forced command, and in tmux with its window resized.

A real sshd on loopback with keys of its own; the system's configuration is not read. Root installs what is missing.
"""

import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from supervisor.demo import free_ports
from tests.fixtures.hub import short_directory, until
from tests.fixtures.hub_stage import HubStage
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.terminal import ROOT
from tests.fixtures.watched_program import WatchedProgram

pytestmark = pytest.mark.console

SSHD = "/usr/sbin/sshd"


@pytest.fixture(scope="module")
def stage() -> Iterator[HubStage]:
    with short_directory() as directory, HubStage(directory) as played:
        played.hub.view_when(lambda view: len(view.processes) == 12, "twelve processes")
        yield played


def present_or_installed(*needed: tuple[str, str]) -> None:
    """Skip only where a program is neither here nor can be installed."""
    missing = [package for program, package in needed if shutil.which(program, path=_PATH) is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"check": False, "capture_output": True, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)  # type: ignore[call-overload] # options of run
        install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing]
        subprocess.run(install, **quiet)  # type: ignore[call-overload] # options of run
    for program, package in needed:
        if shutil.which(program, path=_PATH) is None:
            pytest.skip(f"{package} is not installed and cannot be")


_PATH = f"{os.environ['PATH']}:/usr/sbin"


class SshServer:
    """An sshd whose only command is the console."""

    def __init__(self, directory: Path, command: str) -> None:
        (self.port,) = free_ports(1)
        self._directory = directory
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
        key = (directory / "user.pub").read_text()
        (directory / "authorized").write_text(f'restrict,pty,command="{command}" {key}')
        lines = (
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {directory}/host",
            f"AuthorizedKeysFile {directory}/authorized",
            f"PidFile {directory}/pid",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "PermitRootLogin forced-commands-only",
            "PrintMotd no",
        )
        (directory / "sshd_config").write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._log = (directory / "log").open("wb")
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(directory / "sshd_config")], stderr=self._log)
        until(self._listening, "sshd listens")

    def _listening(self) -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self, *more: str) -> list[str]:
        """Return the command line of a client."""
        user = pwd.getpwuid(os.getuid()).pw_name
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "IdentitiesOnly=yes")
        flags = [part for option in options for part in ("-o", option)]
        place = ["-p", str(self.port), "-i", str(self._directory / "user"), "-F", "/dev/null"]
        return ["ssh", *flags, *place, *more, f"{user}@127.0.0.1"]

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(timeout=PATIENCE_S)
        self._log.close()


@pytest.fixture(scope="module")
def server(stage: HubStage) -> Iterator[SshServer]:
    present_or_installed(("sshd", "openssh-server"), ("ssh", "openssh-client"), ("ssh-keygen", "openssh-client"))
    with short_directory() as directory:
        console = [sys.executable, "-m", "observer_tui", "--run-dir", str(stage.hub.paths.run), "--lang", "en"]
        # A shell in between, as many forced commands have one.
        command = f"cd {ROOT} && {shlex.join(console)}; echo left with $?"
        server = SshServer(directory, command)
        yield server
        server.close()


def over_ssh(server: SshServer, *more: str, width: int = 160, height: int = 48) -> WatchedProgram:
    environment = {"PATH": _PATH, "TERM": "xterm-256color", "HOME": "/nowhere"}
    return WatchedProgram(server.client("-tt", *more), width=width, height=height, environment=environment)


def consoles_of(stage: HubStage) -> list[int]:
    """Return the consoles that run against the stage."""
    mark, found = str(stage.hub.paths.run).encode(), []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"observer_tui" in words and mark in words:
                    found.append(int(entry.name))
    return found


def gone(stage: HubStage) -> Callable[[], bool]:
    return lambda: not consoles_of(stage)


def test_over_ssh_it_shows_figures_takes_no_mouse_and_leaves_clean(stage: HubStage, server: SshServer) -> None:
    with over_ssh(server) as one:
        one.until(lambda raw: b"swing-0" in raw)
        one.until(lambda raw: b"1/s" in one.raw)
        assert b"\x1b[?1003h" not in one.raw
        one.press("jj\r")
        one.until(lambda raw: b"generation" in raw)
        one.resize(80, 24)
        one.until(lambda raw: b"detach" in raw)
        one.press("q")
        one.until(lambda raw: b"left with 0" in raw)
        assert one.end(None) == 0
        assert one.raw.rfind(b"\x1b[?1049l") > one.raw.rfind(b"\x1b[?1049h")
    until(gone(stage), "the console ended")


def test_a_dropped_ssh_link_leaves_no_console_behind(stage: HubStage, server: SshServer) -> None:
    with over_ssh(server) as one:
        one.until(lambda raw: b"swing-0" in raw)
        assert len(consoles_of(stage)) == 1
        stage.hub.view_when(lambda view: view.viewers == 1, "the viewer is counted")
        os.kill(one.pid, signal.SIGKILL)
        until(gone(stage), "the console ended with its link")
    stage.hub.view_when(lambda view: view.viewers == 0, "nobody views any more")


def test_ssh_without_a_terminal_is_refused_in_words(server: SshServer) -> None:
    result = subprocess.run(
        server.client("-T"), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60
    )
    assert "left with 3" in result.stdout
    assert "no terminal: run it in one (ssh -t, docker exec -it), or use --once" in result.stderr


class Tmux:
    """A tmux server of its own with one window."""

    def __init__(self, directory: Path, width: int, height: int) -> None:
        self._socket = str(directory / "tmux")
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), "env PS1='$ ' sh")

    def run(self, *arguments: str) -> str:
        """Run a tmux command; return what it prints."""
        command = ["tmux", "-u", "-S", self._socket, *arguments]
        environment = {**os.environ, "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    def shown(self) -> str:
        """Return the window as text."""
        return self.run("capture-pane", "-p")


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    present_or_installed(("tmux", "tmux"))
    with short_directory() as directory:
        window = Tmux(directory, 160, 48)
        yield window
        with suppress(subprocess.CalledProcessError):
            window.run("kill-server")


def follows(shown: str, height: int, wanted: str) -> bool:
    """Return whether the whole console stands within the window."""
    lines = shown.splitlines()
    return wanted in shown and len(lines) <= height and "OBSERVER" in lines[0]


def test_under_tmux_it_follows_the_window_and_leaves_it_clean(stage: HubStage, tmux: Tmux) -> None:
    console = shlex.join([sys.executable, "-m", "observer_tui", "--run-dir", str(stage.hub.paths.run), "--lang", "en"])
    tmux.run("send-keys", f"cd {ROOT}; echo before the console", "Enter")
    until(lambda: "before the console" in tmux.shown(), "the shell is there")
    tmux.run("send-keys", console, "Enter")
    until(lambda: "Processes 12/12" in tmux.shown(), "the large layout")
    for width, height, wanted in (
        (80, 24, "q detach"), (60, 15, "swing-0"), (50, 10, "need 60x15"), (160, 48, "Processes 12/12"),
    ):  # fmt: skip
        tmux.run("resize-window", "-x", str(width), "-y", str(height))
        until(lambda: follows(tmux.shown(), height, wanted), f"{width}x{height}: {wanted}")  # noqa: B023 - used within the turn
    tmux.run("send-keys", "q")
    until(lambda: "before the console" in tmux.shown(), "the shell's screen is back")
    assert "OBSERVER" not in tmux.shown()
    tmux.run("send-keys", console, "Enter")
    until(lambda: "Processes 12/12" in tmux.shown(), "it runs again")
    assert len(consoles_of(stage)) == 1
    tmux.run("kill-session")
    until(gone(stage), "the console ended with its window")
