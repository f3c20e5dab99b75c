"""Today's listings of both boards: from the cache, or downloaded, checked and cached.

Separate from the keeper of the universe, which decides what of them is collected.
"""

import asyncio
import logging

from observer_core.errors import ObserverError
from observer_core.ids import DayNumber
from observer_core.kis.download import download_file
from observer_core.kis.master import MasterFileError, parse_master
from observer_core.market.listings import Listing
from observer_core.market.universe import Universe
from observer_core.market.universe_config import Guard
from observer_core.market.universe_plan import judge_listings
from observer_core.services.universe_files import BOARD_FILES, cached_listings, keep_listings
from observer_core.settings import Settings

logger = logging.getLogger(__name__)


class RefusedUniverseError(ObserverError):
    """A universe or a listing file cannot be believed."""


async def fetch_listings(
    settings: Settings, day: DayNumber, before: Universe | None, guard: Guard, *, accept_size: bool
) -> list[Listing]:
    """Return a day's listings.

    Raises:
        RefusedUniverseError: a downloaded file is damaged, or lost too many of the listings it had before.
        ObserverError: a file cannot be had.
    """
    files = await asyncio.to_thread(cached_listings, settings.paths, day)
    if files is not None:
        try:
            return await asyncio.to_thread(parse_listings, files)
        except MasterFileError as error:
            logger.warning("cached listing file damaged: downloading it again", extra={"error": str(error)})
    files = {}
    for board, file_name in BOARD_FILES.items():
        files[board] = await download_file(f"{settings.master_url}/{file_name}", settings.user_agent)
    try:
        listings = await asyncio.to_thread(parse_listings, files)
    except MasterFileError as error:
        raise RefusedUniverseError(f"{error}; not adopted") from error
    boards = {board: sum(listing.board == board for listing in listings) for board in BOARD_FILES}
    problem = judge_listings(boards, before.boards if before else {}, guard)
    if problem is not None and not accept_size:
        raise RefusedUniverseError(f"{problem}; not adopted")
    await asyncio.to_thread(keep_listings, settings.paths, day, files)
    return listings


def parse_listings(files: dict[str, bytes]) -> list[Listing]:
    """Return the listings of all boards.

    Raises:
        MasterFileError: a file is not what it should be.
    """
    return [listing for board, body in files.items() for listing in parse_master(body, board, BOARD_FILES[board])]
