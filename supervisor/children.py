"""Composition: which children a configuration means, and what each of them runs.

The one place where the supervisor knows the services. They are imported here, before any fork, and frozen: a child
then starts in milliseconds and shares the pages with all others.
"""

import gc
import importlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from observer_core.ids import ProcessName
from observer_core.market.calendar import Calendar
from observer_core.market.sessions import Phase, phase_at
from observer_core.services.context import ChildContext
from observer_core.services.scaling import shards_in_force
from observer_core.settings import Replay, Settings
from supervisor.specs import ChildSpec

_PHASES_A_WEEK = 7 * 16
"""More phases than a week has: the search for the next opening ends here."""

IMPORTED_AT_FIRST_USE = ("anyio._backends._asyncio", "concurrent.futures.thread", "encodings.ascii", "encodings.idna")
"""What libraries import only when they are first used: milliseconds of every restart if the child had to do it."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceMain:
    """Entry point of a service by name: what cannot be imported fails in its own child, not in the supervisor."""

    module: str
    function: str = "run"

    def __call__(self, context: ChildContext) -> int:
        """Run the service in a child and return its exit code."""
        return int(getattr(importlib.import_module(self.module), self.function)(context))


def compose(settings: Settings) -> tuple[ChildSpec, ...]:
    """Return the children of a configuration, in the order in which screens list them."""
    services = "observer_core.services"
    if settings.replay is None:
        swing = [sweeping_shard(index) for index in range(shards_in_force(settings))]
        scalp = [_streaming_shard(index) for index in range(len(settings.app_keys))]
    else:
        # Each recorded shard is replayed by the one of its name.
        swing, scalp = _recorded_shards(settings.replay)
    writers = [_child("jsonl", "writer", ServiceMain(f"{services}.writer", "run_jsonl"))]
    if settings.postgres_dsn is not None:
        writers.append(_child("postgres", "writer", ServiceMain(f"{services}.writer", "run_postgres"), 1))
    others = [
        _child("hub", "hub", ServiceMain(f"{services}.hub")),
        _child("maintenance", "maintenance", ServiceMain(f"{services}.maintenance")),
    ]
    return (*swing, *scalp, *writers, *others)


def _recorded_shards(replay: Replay) -> tuple[list[ChildSpec], list[ChildSpec]]:
    # Imported here: only a replay reads archives.
    from observer_core.services.recording import Recording

    numbers: dict[str, list[int]] = {"swing": [], "scalp": []}
    for shard in Recording(replay.directory, replay.day).shards:
        kind, _, number = shard.partition("-")
        if number.isdigit():
            numbers[kind].append(int(number))
    return [*map(sweeping_shard, numbers["swing"])], [*map(_streaming_shard, numbers["scalp"])]


def _streaming_shard(index: int) -> ChildSpec:
    return _child(f"scalp-{index}", "scalp", ServiceMain("observer_core.services.scalp"), index)


def sweeping_shard(index: int) -> ChildSpec:
    """Return the sweeping shard with an index; their number changes while the tree runs."""
    return _child(f"swing-{index}", "swing", ServiceMain("observer_core.services.swing"), index)


def preload(children: Iterable[ChildSpec]) -> None:
    """Import what the children run and freeze it; a module that fails is logged, its child will say so again."""
    services = {child.run.module for child in children if isinstance(child.run, ServiceMain)}
    for module in (*sorted(services), *IMPORTED_AT_FIRST_USE):
        try:
            importlib.import_module(module)
        except Exception:
            # Whatever one service's import raises, the other services must still be started.
            _logger.exception("module cannot be imported", extra={"preloaded_module": module})
    if services:
        # The TLS context is the dearest part of an HTTP client's start.
        importlib.import_module("observer_core.kis.transport").tls_context()
    # Without it, the first collection in every child would touch, and so copy, every page of the shared image.
    gc.collect()
    gc.freeze()


def next_opening_ns(now_ns: int, calendar: Calendar) -> int | None:
    """Return the wall-clock instant at which the next trading day begins to stir; quarantined children try again."""
    at = phase_at(now_ns, calendar)
    for _ in range(_PHASES_A_WEEK):
        opens_ns = at.until_ns
        at = phase_at(opens_ns, calendar)
        if at.phase is Phase.PRE_OPEN:
            return opens_ns
    return None


def _child(name: str, kind: str, run: ServiceMain, index: int = 0) -> ChildSpec:
    return ChildSpec(ProcessName(name), kind, run, index)
