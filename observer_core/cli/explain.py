"""`observerctl explain SHARD|SYMBOL|GAP`: why something is in its state and what to do next.

Processes are explained by the hub's view; symbols and gaps by the files, so these two need no running system. Where a
hub runs, why a symbol stands as it does is its word: the console and this command must not contradict each other.
"""

import os
from pathlib import Path

import msgspec

from observer_core.bus.request import Requester, new_request_id
from observer_core.cli.data_directory import data_paths, settled_paths
from observer_core.cli.explanations import explain_gap, explain_process, explain_symbol, newest_word
from observer_core.clock import Clock, SystemClock
from observer_core.details import SymbolDetail
from observer_core.errors import LinkError, ObserverError
from observer_core.http.symbols import SYMBOL_FORM, symbol_status
from observer_core.ids import DayNumber
from observer_core.market.listings import Listing
from observer_core.messages import GapReason
from observer_core.paths import Paths
from observer_core.quality.backfill import MINUTE_NS
from observer_core.questions import GetSymbol, GetView
from observer_core.services.hub_archive import BackfillArchive, BackfillLine, GapArchive, GapLine
from observer_core.services.symbol_completeness import completeness_by_files, newest_gaps
from observer_core.services.symbol_owners import symbol_owners
from observer_core.services.universe_files import cached_listings, newest_universe
from observer_core.services.universe_listings import parse_listings
from observer_core.settings import load_client_settings
from observer_core.view import SystemView


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What --json prints."""

    subject: str
    kind: str
    """"process", "symbol" or "gap"."""
    sentences: tuple[str, ...]
    next_step: str


def print_explanation(subject: str, *, as_json: bool) -> bool:
    """Print what is known of a subject and the next step; return False when nothing is called so.

    Raises:
        ConfigError: the settings are wrong.
        LinkError: it can only be a process, and the hub does not answer.
    """
    kind, lines = _explanation(load_client_settings(os.environ).paths, subject, SystemClock())
    if lines and as_json:
        step = lines[-1].removeprefix("next: ")
        found = Explanation(subject=subject, kind=kind, sentences=tuple(lines[:-1]), next_step=step)
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    elif lines:
        print("\n".join(lines))
    return bool(lines)


def _explanation(paths: Paths, subject: str, clock: Clock) -> tuple[str, list[str]]:
    now_ns = clock.now_ns()
    if SYMBOL_FORM.fullmatch(subject):
        paths = data_paths(paths, clock)
        status = symbol_status(paths.data, subject, symbol_owners(paths)(subject), "1m", now_ns)
        status = msgspec.structs.replace(status, completeness=completeness_by_files(paths, clock)(subject))
        standing = _standing(paths, subject, clock)
        gaps = [] if standing else _open_gaps(paths.data, subject, now_ns)
        return "symbol", explain_symbol(newest_universe(paths), status, _listing(paths, subject), standing, gaps)
    try:
        view = _view(paths, clock)
    except LinkError:
        found = _gap(paths.data, subject, now_ns)
        if not found:
            # It can only be a process.
            raise
        return "gap", found
    row = next((row for row in view.processes if row.name == subject), None)
    if row is not None:
        return "process", explain_process(view, row, now_ns)
    return "gap", _gap(settled_paths(paths, view).data, subject, now_ns)


def _gap(archive: Path, gap_id: str, now_ns: int) -> list[str]:
    gaps = _gap_records(archive, gap_id, now_ns)
    if not gaps:
        return []
    gap = newest_word(gaps)
    return explain_gap(gap, _fetched(archive, gap, now_ns))


def _view(paths: Paths, clock: Clock) -> SystemView:
    with Requester(paths.viewer_endpoint, clock) as requester:
        answer = requester.ask(GetView(request_id=new_request_id()))
    if answer.view is None:
        raise LinkError(answer.error or "the hub answered without a view")
    return answer.view


def _standing(paths: Paths, symbol: str, clock: Clock) -> SymbolDetail | None:
    """Return what the hub says of a symbol; None when none runs, or it does not know the symbol."""
    try:
        with Requester(paths.viewer_endpoint, clock) as requester:
            return requester.ask(GetSymbol(request_id=new_request_id(), code=symbol)).symbol
    except LinkError:
        return None


def _open_gaps(archive: Path, symbol: str, now_ns: int) -> list[GapLine]:
    """Return the open gap records of today that cover a symbol, newest first."""
    newest = newest_gaps(GapArchive(archive).read_all(now_ns)).values()
    found = [gap for gap in newest if gap.until_ns is None and symbol in gap.symbols]
    return sorted(found, key=lambda gap: gap.from_ns, reverse=True)


def _gap_records(archive: Path, gap_id: str, now_ns: int) -> list[GapLine]:
    """Return the records of a gap in the archive of the Korean day."""
    return [line for line in GapArchive(archive).read_all(now_ns) if line.gap_id == gap_id]


def _fetched(archive: Path, gap: GapLine, now_ns: int) -> list[BackfillLine]:
    """Return the broker's bars of the minutes that a proved gap touches."""
    if gap.reason != GapReason.CONTINUITY or gap.until_ns is None:
        return []
    lines = [line for line in BackfillArchive(archive).read_all(now_ns) if line.symbol in gap.symbols]
    return [line for line in lines if gap.from_ns - MINUTE_NS < line.minute_ns < gap.until_ns]


def _listing(paths: Paths, symbol: str) -> Listing | None:
    days = sorted({path.name[:8] for path in paths.listings.glob("[0-9]*-*.mst.zip")})
    files = cached_listings(paths, DayNumber(int(days[-1]))) if days and days[-1].isdigit() else None
    if files is None:
        return None
    try:
        return next((listing for listing in parse_listings(files) if listing.code == symbol), None)
    except ObserverError:
        return None
