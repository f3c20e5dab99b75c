"""The registry of quotations: path, tr_id, whether the virtual host has it, and what answers it.

Separate so that the endpoints themselves know nothing of one another (KIS protocol notes §2, §3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from observer_core.kis import fields
from observer_core.kis.simulator import rest_boards, rest_charts, rest_quotations
from observer_core.kis.simulator.rest_quotations import Body, Query
from observer_core.kis.simulator.venue import Venue


class Endpoint(NamedTuple):
    """One quotation: its tr_id, whether the virtual host has it, and what answers it."""

    tr_id: str
    on_virtual: bool
    answer: Callable[[Venue, Query], Body]


ENDPOINTS: Final = {
    "inquire-price": Endpoint(fields.TR_INQUIRE_PRICE, True, rest_quotations.price),
    "intstock-multprice": Endpoint(fields.TR_MULTI_PRICE, False, rest_quotations.multi_price),
    "inquire-asking-price-exp-ccn": Endpoint("FHKST01010200", True, rest_quotations.asking_price),
    "inquire-ccnl": Endpoint(fields.TR_INQUIRE_CCNL, True, rest_quotations.executions),
    "inquire-time-itemconclusion": Endpoint("FHPST01060000", True, rest_quotations.executions_by_time),
    "inquire-daily-price": Endpoint("FHKST01010400", True, rest_charts.daily_price),
    "inquire-time-itemchartprice": Endpoint("FHKST03010200", True, rest_charts.minute_chart),
    "inquire-time-dailychartprice": Endpoint("FHKST03010230", False, rest_charts.past_minute_chart),
    "inquire-daily-itemchartprice": Endpoint("FHKST03010100", True, rest_charts.daily_item_chart),
    "volume-rank": Endpoint("FHPST01710000", False, rest_boards.volume_rank),
    "inquire-vi-status": Endpoint("FHPST01390000", False, rest_boards.interruptions),
    "chk-holiday": Endpoint(fields.TR_CHK_HOLIDAY, False, rest_boards.holidays),
    "search-stock-info": Endpoint("CTPF1002R", True, rest_boards.stock_info),
}
"""The quotations that are simulated, by the last part of their path."""
