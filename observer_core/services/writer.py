"""The writer processes: what the JSONL writer and the Postgres writer are made of.

Composition only; the loop is `writer_loop`, the sinks are in `observer_core.sinks`.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from random import Random

from observer_core.bus.status import StatusReporter
from observer_core.bus.subscriber import BatchSubscriber
from observer_core.clock import NS_PER_MS, NS_PER_S
from observer_core.errors import FatalSinkError, LinkError, ProcessError, TransientSinkError
from observer_core.exit_codes import ExitCode
from observer_core.ids import ShardName
from observer_core.pacing.backoff import Backoff
from observer_core.paths import Paths
from observer_core.services.context import ChildContext, on_stop_signals
from observer_core.services.journal_followers import JournalFollowers
from observer_core.services.shard_disk import quiet_logs, watch_over
from observer_core.services.writer_figures import WriterFigures
from observer_core.services.writer_loop import CommitPolicy, WriterLoop
from observer_core.settings import Secret
from observer_core.sinks.port import Offset, Sink

logger = logging.getLogger(__name__)

JSONL_POLICY = CommitPolicy(records=20_000, age_ns=20 * NS_PER_MS)
"""Lines are written at once; syncing five files took 1 ms, so that an archived line is durable within 50 ms."""
POSTGRES_POLICY = CommitPolicy(records=2_000, age_ns=250 * NS_PER_MS)
_BACKOFF_FLOOR_S = 0.1
_SCHEMA_TIMEOUT_S = 60.0
_BACKOFF_CAP_S = 5.0
_PROGRESS_INTERVAL_NS = NS_PER_S


def run_jsonl(context: ChildContext) -> int:
    """Run the JSONL writer until told to stop; return the exit code."""
    # Imported here: each writer loads the library of its own sink only.
    from observer_core.sinks.jsonl import JSONL, JsonlSink, Spare

    paths = context.settings.paths
    spare = Spare((paths.journals, paths.state), context.settings.disk_reserve_bytes)
    sink = JsonlSink(paths.data, paths.checkpoint(JSONL), context.clock, spare=spare)
    return _run(context, sink, JSONL_POLICY)


def run_postgres(context: ChildContext) -> int:
    """Run the Postgres writer until told to stop; return the exit code."""
    from observer_core.sinks.dead_letters import DeadLetterFile
    from observer_core.sinks.postgres import POSTGRES, PostgresSink

    settings = context.settings
    if settings.postgres_dsn is None:
        logger.critical("no Postgres to write to: set OBSERVER_POSTGRES_DSN")
        return ExitCode.CONFIG
    dead_letters = DeadLetterFile(settings.paths.dead_letters, POSTGRES)
    dsn = settings.postgres_dsn
    sink = PostgresSink(dsn, dead_letters, context.clock, make_schema=lambda: _make_schema(dsn, context))
    return _run(context, sink, POSTGRES_POLICY, remember=lambda offsets: _remember(settings.paths, offsets))


def _remember(paths: Paths, offsets: Mapping[ShardName, Offset]) -> None:
    """Leave the durable offsets of the database where segment retention finds them: behind the truth, never ahead."""
    from observer_core.sinks.jsonl_checkpoint import Checkpoint, store_checkpoint
    from observer_core.sinks.postgres import POSTGRES

    path = paths.checkpoint(POSTGRES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        store_checkpoint(path, Checkpoint(offsets=dict(offsets)))
    except OSError as error:
        # The rows and their offsets are in the database; only the removal of segments waits.
        logger.warning("offsets not left for retention", extra={"error": str(error)})


def _make_schema(dsn: Secret, context: ChildContext) -> None:
    """Make the schema of an empty database in a short-lived process: the migration library is heavy.

    Progress is reported meanwhile: on a busy machine it may take longer than the supervisor waits for a sign of life.
    """
    command = (sys.executable, "-m", "observer_core.cli.observerctl", "db", "upgrade")
    environment = {**os.environ, "OBSERVER_POSTGRES_DSN": dsn.reveal()}
    try:
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as upgrade:
            output, errors = _await(upgrade, context)
    except OSError as error:
        raise TransientSinkError(f"the schema could not be made: {type(error).__name__}") from error
    if upgrade.returncode != 0:
        raise TransientSinkError(f"the schema could not be made: {errors.strip()}")
    logger.info("schema made", extra={"output": output.strip()})


def _await(process: "subprocess.Popen[str]", context: ChildContext) -> tuple[str, str]:
    deadline_ns = context.clock.monotonic_ns() + _SCHEMA_TIMEOUT_S * NS_PER_S
    while True:
        try:
            return process.communicate(timeout=1.0)
        except subprocess.TimeoutExpired:
            context.report_progress()
            if context.clock.monotonic_ns() > deadline_ns:
                process.kill()


class _StopWatch:
    """Whether the loop should end: a signal came or the supervisor is gone; reports progress on the way."""

    def __init__(self, context: ChildContext) -> None:
        self._context = context
        self._stopped = False
        self._progress_due_ns = 0
        self._disk = watch_over(context.settings)
        on_stop_signals(self.stop)

    def stop(self) -> None:
        self._stopped = True

    def should_stop(self) -> bool:
        context = self._context
        try:
            context.read_orders()
        except EOFError:
            logger.warning("the supervisor is gone: stopping")
            self._stopped = True
        now_ns = context.clock.monotonic_ns()
        if now_ns >= self._progress_due_ns:
            context.report_progress()
            self._disk.look()
            quiet_logs(self._disk.worst)
            self._progress_due_ns = now_ns + _PROGRESS_INTERVAL_NS
        return self._stopped


def _run(
    context: ChildContext,
    sink: Sink,
    policy: CommitPolicy,
    remember: Callable[[Mapping[ShardName, Offset]], None] | None = None,
) -> int:
    paths = context.settings.paths
    try:
        lock = context.hold_role(f"sink-{sink.name}")
    except ProcessError as error:
        logger.critical("another writer runs", extra={"reason": str(error)})
        return ExitCode.LOCKED
    with lock:
        watch = _StopWatch(context)
        try:
            subscriber = BatchSubscriber(paths.sink_endpoint(sink.name))
        except LinkError as error:
            logger.critical("no endpoint for the shards", extra={"reason": str(error)})
            return ExitCode.FAILED
        figures = WriterFigures()
        reporter = _reporter(context, figures)
        try:
            loop = WriterLoop(
                subscriber=subscriber,
                followers=JournalFollowers(paths.journals),
                sink=sink,
                clock=context.clock,
                policy=policy,
                backoff=_backoff(),
                figures=figures,
                remember=remember,
            )
            reporter.start()
            return loop.run(watch.should_stop, context.report_ready)
        except FatalSinkError as error:
            logger.critical("the store refuses for good", extra={"sink": sink.name, "reason": str(error)})
            return ExitCode.CONNECT
        finally:
            reporter.stop()
            subscriber.close()


def _backoff() -> Backoff:
    return Backoff(_BACKOFF_FLOOR_S, _BACKOFF_CAP_S, Random())  # noqa: S311 - jitter, not a secret


def _reporter(context: ChildContext, figures: WriterFigures) -> StatusReporter:
    settings = context.settings
    pid = os.getpid()
    return StatusReporter(
        settings.paths.status_endpoint,
        settings.status_interval_ms / 1000,
        lambda: figures.status(context.name, pid, context.clock),
    )
