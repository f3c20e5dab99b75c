"""`observer-supervisor`: read the settings, take the lock of the data directory, run the tree, leave with its code."""

import argparse
import contextlib
import logging
import os
import random
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from observer_core import logs
from observer_core.clock import Clock, SystemClock
from observer_core.directories import directory_problems
from observer_core.errors import ConfigError, ProcessError
from observer_core.exit_codes import ExitCode
from observer_core.locks import hold
from observer_core.services.calendar_watch import CalendarWatch
from observer_core.services.pace import Pace
from observer_core.settings import Settings, load_settings, read_settings
from supervisor import memory
from supervisor.arbiter import Arbiter
from supervisor.children import compose, next_opening_ns, preload, sweeping_shard
from supervisor.limits import Limits
from supervisor.orders import Moment
from supervisor.scaling import SpecOf
from supervisor.spawn import Nursery
from supervisor.specs import ChildSpec
from supervisor.standby import StoppedEarly, await_tenure
from supervisor.tree import Tree

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Installation:
    """Settings and children of this start."""

    settings: Settings
    children: tuple[ChildSpec, ...]
    shard_spec: SpecOf | None = sweeping_shard
    """Describes a sweeping shard that is added later; None = their number cannot change."""
    clock: Clock = field(default_factory=SystemClock)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        installation = _demo_installation(options) if options.demo else _installation(_environment(options))
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"configuration: {problem}\n")
        return ExitCode.CONFIG
    if options.check_config:
        for warning in installation.settings.warnings:
            sys.stderr.write(f"warning: {warning}\n")
        names = ", ".join(child.name for child in installation.children)
        sys.stdout.write(f"configuration is valid; children: {names}\n")
        return ExitCode.OK
    return run(installation, limits_for(installation.settings), standby=options.standby)


def limits_for(settings: Settings) -> Limits:
    """Return the limits that the settings ask for."""
    return Limits(recycle_memory_bytes=settings.recycle_memory_bytes, recycle_age_s=settings.recycle_age_s)


def run(installation: Installation, limits: Limits, *, standby: bool = False) -> int:
    """Run the tree of an installation until it is told to stop; return the exit code.

    Args:
        standby: wait, ready to begin at once, while another supervisor runs on the data directory.
    """
    settings = installation.settings
    try:
        _make_directories(settings)
        logs.configure("supervisor", settings)
    except OSError as error:
        sys.stderr.write(f"configuration: {error.filename} cannot be made or written: {error.strerror}\n")
        return ExitCode.CONFIG
    # Whoever holds it may start processes on the data directory, and gives it up when its stop begins.
    tenure_file = settings.paths.locks / "supervisor.lock"
    with contextlib.ExitStack() as held:
        try:
            tenure = None if standby else held.enter_context(hold(tenure_file, "supervisor"))
            # A second bind of an ipc path steals it silently: another tree with the same sockets must not start.
            held.enter_context(hold(settings.paths.run / "supervisor.lock", "supervisor"))
            # Everything slow comes before a standby's waiting: what follows it is the gap.
            preload(installation.children)
            if tenure is None:
                tenure = held.enter_context(await_tenure(tenure_file, settings.run_dir))
                limits = replace(limits, start_patience_s=0.0)
        except ProcessError as error:
            sys.stderr.write(
                f"data directory {settings.data_dir} or run directory {settings.run_dir} is in use: {error}; "
                "stop that supervisor, or set OBSERVER_DATA_DIR and OBSERVER_RUN_DIR to others\n"
            )
            return ExitCode.LOCKED
        except StoppedEarly:
            return ExitCode.OK
        for warning in settings.warnings:
            _logger.warning(warning)
        if settings.replay is not None:
            from observer_core.services.replay import begin_replay

            begin_replay(settings, installation.clock)
        _logger.info("supervisor started", extra={"pid": os.getpid(), "data": str(settings.data_dir)})
        return _arbiter(installation, limits, tenure.close).run()


def _arbiter(installation: Installation, limits: Limits, step_down: Callable[[], None]) -> Arbiter:
    clock = installation.clock
    paths = installation.settings.paths
    memory_file = paths.state / "supervisor.json"
    now = Moment(clock.monotonic_ns(), clock.now_ns())
    remembered = memory.recall(memory.load(memory_file), installation.children, limits, now)
    rng = random.Random()  # noqa: S311 - jitter, not a secret
    tree = Tree(installation.children, limits, rng, remembered, shard_spec=installation.shard_spec)
    calendar = CalendarWatch(paths, clock)
    pace = Pace(installation.settings, clock)
    nursery = Nursery(installation.settings, clock, paths.logs)

    def next_session(now_ns: int) -> int | None:
        return next_opening_ns(now_ns, calendar.current())

    return Arbiter(tree, nursery, memory_file, next_session, step_down, lambda: not pace.resting)


def _installation(environment: Mapping[str, str]) -> Installation:
    settings, problems = read_settings(environment)
    # All at once: what is wrong with a value must not hide what is wrong with a directory.
    named = {problem.partition("=")[0] for problem in problems}
    unfit = [found for found in directory_problems(settings) if found.fatal and found.variable not in named]
    problems += [problem.text for problem in unfit]
    if problems:
        raise ConfigError([*problems, *settings.warnings])
    if settings.replay is not None:
        return _replay_installation(settings)
    if settings.paths.replay.exists():
        raise ConfigError(
            f"OBSERVER_DATA_DIR={settings.data_dir} holds a replay; a collection beside it could not be told apart; "
            "choose another directory"
        )
    return Installation(settings, compose(settings))


def _replay_installation(settings: Settings) -> Installation:
    # Imported here: a collection reads no archive.
    from observer_core.services.replay import plan_replay

    plan_replay(settings, SystemClock())
    return Installation(settings, compose(settings), shard_spec=None)


def _environment(options: argparse.Namespace) -> Mapping[str, str]:
    """Return the environment with what the options for a replay say."""
    if not options.replay:
        return os.environ
    into = Path(options.replay_into).resolve()
    run_directory = tempfile.mkdtemp(prefix="observer-")
    sys.stdout.write(f"replay into {into}; to look at it: OBSERVER_RUN_DIR={run_directory} observer-tui\n")
    sys.stdout.flush()
    return {
        **os.environ,
        "OBSERVER_SOURCE": "replay",
        "OBSERVER_REPLAY_DIR": str(Path(options.replay).resolve()),
        "OBSERVER_REPLAY_DAY": options.replay_day,
        "OBSERVER_REPLAY_SPEED": str(options.replay_speed),
        "OBSERVER_DATA_DIR": str(into / "data"),
        "OBSERVER_LOG_DIR": str(into / "logs"),
        "OBSERVER_CONFIG_DIR": str(into / "config"),
        "KIS_TOKEN_CACHE_DIR": str(into / "secrets"),
        "OBSERVER_RUN_DIR": run_directory,
        "OBSERVER_HTTP_PORT": "0",
    }


def _demo_installation(options: argparse.Namespace) -> Installation:
    # Imported here: a real installation does not load the simulated one.
    from supervisor.demo import DemoOptions, compose_demo, own_directory

    directory = Path(options.demo_directory).resolve()
    own_directory(directory)
    run_directory = options.demo_run_directory or tempfile.mkdtemp(prefix="observer-")
    demo = compose_demo(
        DemoOptions(
            directory=directory,
            run_directory=Path(run_directory).resolve(),
            symbols=options.demo_symbols,
            seed=options.demo_seed,
            speed=options.demo_speed,
            http_port=options.demo_http_port,
        )
    )
    settings = load_settings(demo.environment)
    return Installation(settings, (*demo.children, *compose(settings)))


def _make_directories(settings: Settings) -> None:
    paths = settings.paths
    for directory in (paths.data, paths.state, paths.logs, paths.config, paths.token_cache):
        directory.mkdir(parents=True, exist_ok=True)
    # Sockets in here are the roles: nobody else may as much as look.
    paths.run.mkdir(mode=0o750, parents=True, exist_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="observer-supervisor", description="Run and supervise the collection.")
    parser.add_argument("--check-config", action="store_true", help="check the settings, list the children and leave")
    parser.add_argument(
        "--standby", action="store_true", help="wait for a running supervisor to stop, then take over within a second"
    )
    parser.add_argument("--replay", metavar="DIR", default="", help="replay a day that this data directory recorded")
    parser.add_argument("--replay-day", metavar="YYYY-MM-DD", default="", help="which day")
    parser.add_argument("--replay-speed", type=float, default=1.0, help="so many times as fast (default: 1)")
    parser.add_argument(
        "--replay-into", metavar="DIR", default=".replay", help="where the replay keeps its files (default: .replay)"
    )
    parser.add_argument("--demo", action="store_true", help="run against the built-in simulated exchange")
    parser.add_argument("--demo-directory", default=".demo", help="where the demo keeps its files (default: .demo)")
    parser.add_argument("--demo-run-directory", default="", help="where the demo's sockets are (default: temporary)")
    parser.add_argument("--demo-symbols", type=int, default=2000, help="symbols of the simulated market")
    parser.add_argument("--demo-seed", type=int, default=1, help="seed of the simulated market")
    parser.add_argument("--demo-speed", type=float, default=1.0, help="speed of the simulated market")
    parser.add_argument("--demo-http-port", type=int, default=0, help="port of the HTTP service, 0 = any")
    return parser


if __name__ == "__main__":
    sys.exit(main())
