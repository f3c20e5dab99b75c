"""The listing files as they are handed out: whole, shortened or damaged, of the day the exchange says it is.

Separate from the writer of the bytes: what is wrong with a download is a fault of the host, not of the format.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import format_datetime
from typing import Final

from starlette.responses import Response

from observer_core.clock import kst_datetime
from observer_core.kis.simulator.master_files import MARKETS, master_name, master_zip
from observer_core.kis.simulator.trading_hours import kst_day_number
from observer_core.kis.simulator.venue import Venue

_BUILT_HOUR: Final = 7
_MARKET_OF: Final = {master_name(market): market for market in MARKETS}
_MAINTENANCE: Final = "<html><body>점검 중입니다.</body></html>"


class MasterShelf:
    """Answer requests for listing files; each is built once per day and length."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._built: dict[tuple[str, int, int], bytes] = {}

    def answer(self, name: str) -> Response:
        """Return the answer to a request for a file of the master directory."""
        knobs = self._venue.faults.knobs
        market = _MARKET_OF.get(name)
        if market is None or knobs.master_fault == "missing":
            return Response("not found", 404, media_type="text/plain")
        if knobs.master_fault == "html":
            return Response(_MAINTENANCE, 200, media_type="text/html")
        content = self._content(market, knobs.master_lines)
        if knobs.master_fault == "cut":
            content = content[: len(content) // 2]
        elif knobs.master_fault == "empty":
            content = b""
        modified = kst_datetime(self._built_ns()).replace(hour=_BUILT_HOUR, minute=35, second=6).astimezone(UTC)
        headers = {"last-modified": format_datetime(modified, usegmt=True)}
        return Response(content, media_type="application/zip", headers=headers)

    def _built_ns(self) -> int:
        """Return an instant of the day the files are of."""
        return self._venue.master_ns or self._venue.exchange.clock.now_ns()

    def _content(self, market: str, lines: int) -> bytes:
        day = kst_day_number(self._built_ns())
        wanted = (market, day, lines)
        if wanted not in self._built:
            listings = [listing for listing in self._venue.exchange.listings if listing.market == market]
            listings = listings[:lines] if lines else listings
            self._built[wanted] = master_zip(listings, market, kst_datetime(self._built_ns()))
        return self._built[wanted]
