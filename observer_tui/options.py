"""The command line of `observer-tui`. Parsed before anything heavy is imported."""

import argparse
import contextlib
import os
import pwd
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path

from observer_core.ids import DayNumber
from observer_core.variables import VARIABLES
from observer_tui.words import language_of

RATES_HZ = (0.5, 1.0, 2.0, 4.0)
"""Frames a second that can be chosen."""

SPEEDS = (1, 2, 4, 10, 30, 60, 300)
"""How many times as fast as it was a recording can be played."""

_TIME = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(:(?P<second>\d{2}))?", re.ASCII)

THEME_NAMES = ("dark", "light", "colorblind", "none")

BROWSER_PORT = 8001
"""Beside the hub's 8000."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for."""

    run_dir: Path
    operator: str
    language: str
    theme: str
    ascii_only: bool
    mouse: bool
    capture_dir: Path
    hz: float
    low_bandwidth: bool
    probe_after_s: float
    once: bool
    as_json: bool
    watch: bool
    wait_s: float
    log_dir: Path
    replay: DayNumber | None = None
    """The recorded day to show instead of the present."""
    at: time | None = None
    browser: tuple[str, ...] | None = None
    """Serve pages instead of drawing: the arguments of the console behind each."""
    port: int = BROWSER_PORT
    in_browser: bool = False
    demo: bool = False
    """Whether a demo started this console and ends with it."""
    """Whether this is the console behind a page: there is no terminal that could be asked anything."""


def parse_options(arguments: Sequence[str], environ: Mapping[str, str], version: str) -> Options:
    """Return the options; exits with 2 for wrong ones, with 0 after `--help` and `--version`."""
    parser = _parser(environ, version)
    given = parser.parse_args(arguments)
    if given.replay is None and given.at is not None:
        parser.error("--at belongs to --replay: name the day, too")
    if given.replay is not None and given.watch:
        parser.error("--watch shows what happens now; a recording is shown by --once, or on the screen")
    if given.browser and (given.once or given.watch):
        parser.error("--browser shows the screen; --once and --watch print")
    if given.port is not None and not given.browser:
        parser.error("--port belongs to --browser")
    in_browser = not given.browser and environ.get("TEXTUAL_DRIVER", "").endswith(":WebDriver")
    over_ssh = bool(environ.get("SSH_CONNECTION"))
    no_color = "NO_COLOR" in environ
    return Options(
        run_dir=Path(given.run_dir),
        operator=environ.get("OBSERVER_OPERATOR") or _user_name(),
        language=given.lang or language_of(dict(environ)),
        theme="none" if no_color else given.theme,
        ascii_only=given.ascii,
        mouse=not (given.no_mouse or given.low_bandwidth or over_ssh),
        capture_dir=Path(given.capture_dir),
        hz=given.rate or (0.5 if given.low_bandwidth else 1.0 if over_ssh else 2.0),
        low_bandwidth=given.low_bandwidth,
        # The server itself looks whether a page is there; a hidden one answers questions only once a minute.
        probe_after_s=0.0 if in_browser else given.probe_after,
        once=given.once,
        as_json=given.json,
        watch=given.watch,
        wait_s=given.wait,
        log_dir=Path(given.log_dir),
        replay=given.replay,
        at=given.at,
        browser=_without_door(arguments) if given.browser else None,
        port=BROWSER_PORT if given.port is None else given.port,
        in_browser=in_browser,
        demo=given.demo,
    )


def _without_door(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments without those of the browser's door, for the console behind it."""
    return tuple(_with_door(argparse.ArgumentParser(add_help=False)).parse_known_args(arguments)[1])


def _with_door(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--browser",
        action="store_true",
        help="serve the console to browsers of this machine, on 127.0.0.1 only, and print the address "
        "(extra `browser`); from afar by ssh -L",
    )
    parser.add_argument("--port", type=_port, help=f"with --browser: its port ({BROWSER_PORT}); 0 = any free one")
    return parser


def _parser(environ: Mapping[str, str], version: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="observer-tui",
        description="Watch and operate a running Observer. Leaving the console never stops anything.",
        epilog="Exit codes: 0 left or printed, 1 no answer from the core, or no recording, 2 wrong arguments, "
        "3 no terminal, or no extra `browser`, or its port is taken.",
    )
    run_dir, log_dir = _directory("OBSERVER_RUN_DIR", environ), _directory("OBSERVER_LOG_DIR", environ)
    parser.add_argument("--run-dir", default=run_dir, help="directory of the sockets (OBSERVER_RUN_DIR; %(default)s)")
    parser.add_argument(
        "--replay", type=_day, metavar="DAY", help="show a recorded day, YYYY-MM-DD, instead of the present"
    )
    parser.add_argument("--at", type=_time, metavar="TIME", help="with --replay: from HH:MM or HH:MM:SS on")
    parser.add_argument("--log-dir", default=log_dir, help="--replay reads below it (OBSERVER_LOG_DIR; %(default)s)")
    parser.add_argument("--ascii", action="store_true", help="draw with plain ASCII (chosen by itself where needed)")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal (default over SSH)")
    parser.add_argument("--lang", choices=("ko", "en"), help="language (default: the locale's)")
    parser.add_argument("--theme", choices=THEME_NAMES, default="dark", help="colours (%(default)s; NO_COLOR = none)")
    parser.add_argument("--rate", type=float, choices=RATES_HZ, help="frames a second (2; over SSH 1; keys + and -)")
    parser.add_argument(
        "--low-bandwidth",
        action="store_true",
        help="a frame every two seconds, 16 colours, no mouse: a quarter of the bytes",
    )
    parser.add_argument(
        "--probe-after",
        type=float,
        default=1800.0,
        metavar="S",
        help="leave when a terminal without a key for so long no longer answers; 0 = never (%(default)g)",
    )
    parser.add_argument("--capture-dir", default=".", help="where X saves the screen (current directory)")
    parser.add_argument("--once", action="store_true", help="print the state in five lines and leave")
    parser.add_argument("--json", action="store_true", help="with --once: print the whole view as JSON")
    parser.add_argument("--watch", action="store_true", help="print one line of JSON at every change, until stopped")
    parser.add_argument(
        "--wait", type=float, default=3.0, metavar="S", help="--once waits at most this long (%(default)s)"
    )
    _with_door(parser)
    parser.add_argument("--demo", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="version", version=f"observer-tui {version}")
    return parser


def _directory(name: str, environ: Mapping[str, str]) -> str:
    """Return a directory as the other programs find it: environment, env file, default.

    An env file that this user may not read costs the console nothing: it needs no credential.
    """
    env_file = environ.get("OBSERVER_ENV_FILE", "").strip()
    said = environ.get(name)
    if not said and env_file:
        # Imported here: only who has such a file pays for reading it.
        from observer_core.env_file import read_env_file

        said = read_env_file(Path(env_file), []).get(name)
    return said or next(variable.default for variable in VARIABLES if variable.name == name)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535, always on 127.0.0.1")
    return int(text)


def _day(text: str) -> DayNumber:
    try:
        return DayNumber(int(f"{date.fromisoformat(text):%Y%m%d}"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as YYYY-MM-DD") from None


def _time(text: str) -> time:
    try:
        return time_of_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def time_of_day(text: str) -> time:
    """Return a time that was typed.

    Raises:
        ValueError: it is none; says how to write it.
    """
    found = _TIME.fullmatch(text)
    if found is not None:
        with contextlib.suppress(ValueError):
            return time(int(found["hour"]), int(found["minute"]), int(found["second"] or 0))
    raise ValueError(f"{text!r} is no time of the day: write it as HH:MM or HH:MM:SS")


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
