"""The JSON bodies of the HTTP endpoints, and the two that are folded from a view: freshness and the manifest.

Separate from the application, which is about requests; here are names and meanings that scripts depend on.
"""

import msgspec

from observer_core.archive.manifest import DayManifest, read_manifest
from observer_core.clock import NS_PER_S
from observer_core.ids import DayNumber
from observer_core.paths import Paths
from observer_core.view import SystemView

DAYS_LISTED = 400


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Body of /health: the process that answers is alive."""

    status: str
    version: str
    pid: int | None
    as_of_ns: int
    view_age_s: float


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Body of /ready."""

    ready: bool
    phase: str
    failing: tuple[str, ...]
    as_of_ns: int


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Body of every error."""

    error: str
    status: int


class ShardFreshness(msgspec.Struct, frozen=True, kw_only=True):
    """How fresh what one shard collects is."""

    shard: str
    state: str
    symbols: int
    newest_record_age_s: float | None
    """None = it has no record yet."""
    sweep_s: float | None
    stale_symbols: int
    stale_examples: tuple[str, ...]
    completeness_percent: float | None


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """Body of /freshness."""

    phase: str
    symbols: int
    stale_symbols: int
    oldest_shard_age_s: float | None
    shards: tuple[ShardFreshness, ...]
    completeness_percent: dict[str, float]
    as_of_ns: int


class ManifestBody(msgspec.Struct, frozen=True, kw_only=True):
    """Body of /manifest.json: the sealed archive files of one day, and the days there are."""

    day: DayNumber | None
    days: tuple[DayNumber, ...]
    """Newest first."""
    manifest: DayManifest | None


def freshness(view: SystemView, now_ns: int) -> Freshness:
    """Return the freshness of every shard as of now."""
    shards = tuple(
        ShardFreshness(
            shard=row.name,
            state=row.state,
            symbols=row.symbols,
            newest_record_age_s=(
                None if row.last_record_ns is None else round(max(0, now_ns - row.last_record_ns) / NS_PER_S, 3)
            ),
            sweep_s=row.sweep_s,
            stale_symbols=row.stale_symbols,
            stale_examples=row.stale_examples,
            completeness_percent=row.completeness,
        )
        for row in view.processes
        if row.kind in {"swing", "scalp"}
    )
    return Freshness(
        phase=view.market.phase,
        symbols=sum(row.symbols for row in shards if row.shard.startswith("swing")),
        stale_symbols=sum(row.stale_symbols for row in shards),
        oldest_shard_age_s=max(
            (row.newest_record_age_s for row in shards if row.newest_record_age_s is not None), default=None
        ),
        shards=shards,
        completeness_percent=view.gaps.completeness_today,
        as_of_ns=now_ns,
    )


def manifest_body(paths: Paths, day: DayNumber | None) -> ManifestBody | None:
    """Return the manifest of a day, of the newest when none is named; None when that day has none. Blocks."""
    directory = paths.manifest(DayNumber(0)).parent
    days = sorted((int(file.stem) for file in directory.glob("*.json") if file.stem.isdigit()), reverse=True)
    known = tuple(DayNumber(number) for number in days)
    if day is None and not known:
        return ManifestBody(day=None, days=(), manifest=None)
    wanted = known[0] if day is None else day
    if wanted not in known:
        return None
    return ManifestBody(day=wanted, days=known[:DAYS_LISTED], manifest=read_manifest(paths.manifest(wanted), wanted))
