"""Entry point of `observer-tui`: arguments, refusals, then either plain output or the screen.

Textual takes most of the start-up time, so it is imported last and never for plain output.
"""

import contextlib
import gc
import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, cast

from observer_tui.options import Options, parse_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from observer_core.clock import Clock
    from observer_core.ids import DayNumber
    from observer_tui.plain import Print
    from observer_tui.replay_feed import ReplayFeed
    from observer_tui.view_feed import ViewFeed


class TuiExit(IntEnum):
    """How the console ends; a signal ends it with 128 plus its number."""

    OK = 0
    NO_ANSWER = 1
    USAGE = 2
    NO_TERMINAL = 3
    """Nothing to draw on: no terminal, or no way to a browser."""


_WHERE_RECORDINGS_ARE = (
    "set OBSERVER_LOG_DIR or --log-dir to the log directory of whoever recorded, the one that holds `chronicle`; "
    "of a demo: --log-dir .demo/logs"
)


def main() -> int:
    """Run `observer-tui`; return its exit code."""
    _start_small()
    version = _version()
    options = parse_options(sys.argv[1:], os.environ, version)
    if options.replay is not None:
        return _replay(options, options.replay, version)
    if options.once or options.watch:
        return _print_plain(options)
    return _open_screen(options, version, None)


def _replay(options: Options, number: "DayNumber", version: str) -> int:
    """Show a recorded day on the screen, or one instant of it as text."""
    from observer_core.chronicle.files import recorded_days
    from observer_core.clock import SystemClock
    from observer_core.errors import ChronicleError
    from observer_core.paths import Paths
    from observer_tui.replay_feed import open_recording

    directory = Paths(*(options.log_dir.absolute(),) * 5).chronicle
    try:
        feed = open_recording(directory, number, options.at, SystemClock())
    except ChronicleError as error:
        print(f"observer-tui: {error}", file=sys.stderr)
        if not recorded_days(directory):
            print(_WHERE_RECORDINGS_ARE, file=sys.stderr)
        return TuiExit.NO_ANSWER
    if not options.once:
        return _open_screen(options, version, feed)

    from observer_tui.plain import print_instant
    from observer_tui.words import Words

    words = Words(options.language)
    return _printed(lambda emit: print_instant(feed, emit, as_json=options.as_json, words=words))


def _start_small() -> None:
    """Leave out what several consoles beside a collector need not pay for, before anything large is imported.

    The console speaks over local sockets only: without `ssl`, which asyncio takes as optional, it is 4 MB smaller.
    What imports make lives as long as the console; collecting garbage between them costs a tenth of the start.
    """
    sys.modules.setdefault("ssl", cast("ModuleType", None))
    gc.disable()


def _version() -> str:
    """Return the installed version; `importlib.metadata` would take 20 ms and 2 MB to read it from the same name."""
    for directory in sys.path:
        with contextlib.suppress(OSError):
            for found in Path(directory).glob("observer-*.dist-info"):
                return found.name.removeprefix("observer-").removesuffix(".dist-info")
    return "0"


def _print_plain(options: Options) -> int:
    import asyncio

    from observer_core.clock import SystemClock
    from observer_tui.plain import print_changes, print_once
    from observer_tui.words import Words

    clock, words = SystemClock(), Words(options.language)
    if options.watch:
        return _printed(lambda emit: asyncio.run(print_changes(_feed(options), clock, emit, words)))
    return _printed(
        lambda emit: asyncio.run(
            print_once(_feed(options), clock, emit, as_json=options.as_json, wait_s=options.wait_s, words=words)
        )
    )


def _printed(write: "Callable[[Print], str | None]") -> int:
    """Let something write lines; say why where it could not."""
    try:
        failure = write(lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        return TuiExit.OK
    except BrokenPipeError:
        # The reader (head, grep -q) has what it wanted; keep the interpreter from complaining at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return TuiExit.OK
    if failure is not None:
        print(f"observer-tui: {failure}", file=sys.stderr)
        return TuiExit.NO_ANSWER
    return TuiExit.OK


def _feed(options: Options) -> "ViewFeed":
    from observer_core.bus.view_link import ViewLink
    from observer_core.clock import SystemClock
    from observer_core.paths import Paths
    from observer_tui.view_feed import ViewFeed

    paths = Paths(*(options.run_dir.absolute(),) * 5)
    return ViewFeed(ViewLink(paths, SystemClock(), client=f"observer-tui {_version()}", operator=options.operator))


def _open_screen(options: Options, version: str, replay: "ReplayFeed | None") -> int:
    if options.browser is not None:
        return _serve(options.browser, options.port)
    from observer_core.clock import SystemClock

    if not options.in_browser and (obstacle := _obstacle()):
        print(f"observer-tui: {obstacle}", file=sys.stderr)
        return TuiExit.NO_TERMINAL
    if options.low_bandwidth:
        os.environ["TEXTUAL_COLOR_SYSTEM"] = "standard"
    # Both are read when Textual is imported. Smooth scrolling costs thirty times the bytes of a jump.
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    os.environ["TEXTUAL_SMOOTH_SCROLL"] = "0"
    clock = SystemClock()
    wide = not options.in_browser and _draws_wide(options, clock)
    from observer_tui.app import ConsoleApp
    from observer_tui.drawing_app import ConsoleOptions

    app = ConsoleApp(
        replay or _feed(options),
        clock if replay is None else replay.clock(clock),
        ConsoleOptions(
            operator=options.operator,
            language=options.language,
            theme=options.theme,
            ascii_only=options.ascii_only or wide,
            capture_dir=options.capture_dir,
            version=version,
            hz=options.hz,
            probe_after_s=options.probe_after_s,
            replay=replay,
            in_browser=options.in_browser,
            demo=options.demo,
        ),
    )
    app.run(mouse=options.mouse)
    return app.return_code or 0


def _obstacle() -> str | None:
    """Return what keeps the console from drawing here."""
    from observer_tui.terminal import is_terminal

    if not is_terminal():
        return "no terminal: run it in one (ssh -t, docker exec -it), or use --once"
    if os.environ.get("TERM") in ("dumb", "unknown"):
        return "TERM says that this terminal cannot draw: set TERM, or use --once"
    return None


def _draws_wide(options: Options, clock: "Clock") -> bool:
    """Return whether the terminal, once it has a size, draws block characters two columns wide."""
    from observer_tui.terminal import draws_blocks_wide, wait_for_size

    wait_for_size(clock)
    return not options.ascii_only and draws_blocks_wide(_import_app, clock)


def _serve(arguments: "Sequence[str]", port: int) -> int:
    """Serve the console to browsers until a signal."""
    gc.enable()
    try:
        from observer_tui.browser_server import BrowserServer
    except ModuleNotFoundError as error:
        print(
            f"observer-tui: --browser needs {error.name}, which is not installed: install the extra `browser` "
            "(pip install 'observer[browser]'; in a checkout pip install '.[browser]')",
            file=sys.stderr,
        )
        return TuiExit.NO_TERMINAL
    try:
        server = BrowserServer(arguments, port)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        print(f"observer-tui: port {port} of 127.0.0.1: {why}: choose another by --port", file=sys.stderr)
        return TuiExit.NO_TERMINAL
    print(server.url, flush=True)
    server.serve()
    return TuiExit.OK


def _import_app() -> None:
    import observer_tui.app  # noqa: F401 - imported for its time only


if __name__ == "__main__":
    sys.exit(main())
