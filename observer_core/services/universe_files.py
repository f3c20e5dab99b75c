"""The files of the universe: snapshots that never change, listings, and the desk between operator and maintenance.

The desk (`state/universe`) holds pins, requests of `observerctl universe` and the outcome of the last change. Only
maintenance writes pins and outcomes; anybody who may write there can leave a request, one file each.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from observer_core.errors import ConfigError
from observer_core.ids import DayNumber
from observer_core.journal.files import replace_durably, sync_directory
from observer_core.market.universe import Universe, decode_universe, encode_universe
from observer_core.market.universe_plan import Plan
from observer_core.paths import Paths
from observer_core.services.assignment import Assignment, read_assignment

logger = logging.getLogger(__name__)

BOARD_FILES = {"kospi": "kospi_code.mst.zip", "kosdaq": "kosdaq_code.mst.zip"}
_LISTING_DAYS_KEPT = 10


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol that an operator wants in the streams."""

    symbol: str
    who: str
    reason: str
    at_ns: int


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator asks maintenance to do about the universe."""

    request_id: str
    verb: str
    """"apply", "pin" or "unpin"."""
    who: str
    reason: str
    at_ns: int
    symbols: tuple[str, ...] = ()
    accept_size: bool = False
    """Take the universe even if the guard refuses its size."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the last change of file, pins or request."""

    at_ns: int
    state: str
    """"applied", "unchanged", "refused" (by the guard), "invalid" (the file), "failed" (something else)."""
    text: str
    snapshot: str
    """Name of the snapshot in force afterwards, "" = none."""
    problems: tuple[str, ...] = ()
    """Each "file:line: reason"."""
    plan: Plan | None = None
    request_ids: tuple[str, ...] = ()


_pins_decoder = msgspec.json.Decoder(tuple[Pin, ...])
_request_decoder = msgspec.json.Decoder(Request)
_outcome_decoder = msgspec.json.Decoder(Outcome)


def snapshot_file(paths: Paths, universe: Universe) -> Path:
    """Return the file of a snapshot."""
    return paths.universe / f"{universe.name}.json"


def read_universe(paths: Paths, day: DayNumber) -> Universe | None:
    """Return a day's last readable snapshot."""
    found = (_read_snapshot(paths, f"{day}-{number}" if number else f"{day}") for number in _sequences(paths, day))
    return next((universe for universe in found if universe is not None), None)


def newest_universe(paths: Paths) -> Universe | None:
    """Return the last readable snapshot of any day."""
    stems = (path.stem.partition("-")[0] for path in paths.universe.glob("[0-9]*.json"))
    days = sorted({int(stem) for stem in stems if stem.isdigit()}, reverse=True)
    found = (read_universe(paths, DayNumber(day)) for day in days)
    return next((universe for universe in found if universe is not None), None)


def in_force(paths: Paths) -> tuple[Universe, Assignment]:
    """Return universe and assignment in force.

    Raises:
        ConfigError: there is none yet.
    """
    universe, assignment = newest_universe(paths), read_assignment(paths)
    if universe is None or assignment is None:
        raise ConfigError(
            f"there is no universe in {paths.universe} yet: did maintenance run with this data directory?"
        )
    return universe, assignment


def next_sequence(paths: Paths, day: DayNumber) -> int:
    """Return the number of a day's next snapshot."""
    return max(_sequences(paths, day), default=-1) + 1


def write_universe(paths: Paths, universe: Universe) -> None:
    """Write a snapshot, once and for all.

    Raises:
        FileExistsError: there is one of that name already; it is unharmed.
    """
    paths.universe.mkdir(parents=True, exist_ok=True)
    target = snapshot_file(paths, universe)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        replace_durably(draft, encode_universe(universe))
        draft.chmod(0o440)
        # A link, unlike a rename, never replaces what is there.
        target.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(paths.universe)


def listing_file(paths: Paths, day: DayNumber, board: str) -> Path:
    """Return the cached listing file of a board as of a day."""
    return paths.listings / f"{day}-{BOARD_FILES[board]}"


def keep_listings(paths: Paths, day: DayNumber, files: dict[str, bytes]) -> None:
    """Cache a day's listing files and remove those of more than ten days back."""
    paths.listings.mkdir(parents=True, exist_ok=True)
    for board, body in files.items():
        replace_durably(listing_file(paths, day, board), body)
    days = sorted({path.name[:8] for path in paths.listings.glob("[0-9]*-*.mst.zip")})
    for old in days[:-_LISTING_DAYS_KEPT]:
        for path in paths.listings.glob(f"{old}-*.mst.zip*"):
            path.unlink(missing_ok=True)


def set_listings_aside(paths: Paths, day: DayNumber) -> None:
    """Take a day's listing files out of the cache but keep them to look at: the next try downloads anew."""
    for board in BOARD_FILES:
        path = listing_file(paths, day, board)
        with suppress(FileNotFoundError):
            path.replace(path.with_name(f"{path.name}.refused"))


def forget_listings(paths: Paths, day: DayNumber) -> None:
    """Drop a day's listing files from the cache: whoever needs them next downloads them."""
    for board in BOARD_FILES:
        listing_file(paths, day, board).unlink(missing_ok=True)


def cached_listings(paths: Paths, day: DayNumber) -> dict[str, bytes] | None:
    """Return the cached listing files of a day by board, None unless all are there."""
    try:
        return {board: listing_file(paths, day, board).read_bytes() for board in BOARD_FILES}
    except OSError:
        return None


def read_pins(paths: Paths) -> tuple[Pin, ...]:
    """Return the operators' pins in the order of pinning."""
    path = paths.universe_desk / "pins.json"
    try:
        return _pins_decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("pins not readable", extra={"file": str(path), "error": str(error)})
        return ()


def write_pins(paths: Paths, pins: tuple[Pin, ...]) -> None:
    """Replace the pins."""
    _write(paths.universe_desk / "pins.json", pins)


def leave_request(paths: Paths, request: Request) -> None:
    """Leave a request on the desk.

    Raises:
        OSError: this user may not write there.
    """
    _write(paths.universe_desk / f"request-{request.request_id}.json", request)


def take_requests(paths: Paths) -> list[Request]:
    """Return the requests on the desk, oldest first, and clear them away."""
    found: list[Request] = []
    for path in paths.universe_desk.glob("request-*.json"):
        try:
            found.append(_request_decoder.decode(path.read_bytes()))
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("request not readable", extra={"file": path.name, "error": str(error)})
        path.unlink(missing_ok=True)
    return sorted(found, key=lambda request: (request.at_ns, request.request_id))


def read_outcome(paths: Paths) -> Outcome | None:
    """Return the outcome of the last change, None when there was none."""
    try:
        return _outcome_decoder.decode((paths.universe_desk / "outcome.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def write_outcome(paths: Paths, outcome: Outcome) -> None:
    """Say what became of a change."""
    _write(paths.universe_desk / "outcome.json", outcome)


def _sequences(paths: Paths, day: DayNumber) -> list[int]:
    """Return the sequence numbers of a day's snapshots, newest first."""
    return sorted(_numbers(paths, day), reverse=True)


def _numbers(paths: Paths, day: DayNumber) -> Iterator[int]:
    for path in paths.universe.glob(f"{day}*.json"):
        stem, dash, number = path.stem.partition("-")
        if stem == str(day) and (number.isdigit() if dash else True):
            yield int(number) if dash else 0


def _read_snapshot(paths: Paths, name: str) -> Universe | None:
    path = paths.universe / f"{name}.json"
    try:
        return decode_universe(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("universe snapshot not readable", extra={"file": str(path), "error": str(error)})
        return None


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, msgspec.json.format(msgspec.json.encode(content), indent=1))
