"""What a trade looks like against the trades before it: jumps, time running backwards, the day's change. Pure.

Separate from `validation` because these need a memory per symbol. In auctions, after a halt and after missed trades a
jump is no jump; and a price that was refused once is believed when the next trade confirms it, so that no guard can
refuse a symbol's whole day.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.messages import Quality, Trade
from observer_core.quality.validation import (
    ACCEPTED,
    DAY_CHANGE_ABSURD,
    DAY_CHANGE_ODD,
    DEGRADES,
    IN_SESSION,
    REJECTS,
    Judgement,
    Verdict,
    day_change_percent,
)

JUMP_ODD: Final = 5
"""Per cent between two trades of continuous trading."""
JUMP_ABSURD: Final = 10
FUTURE_NS: Final = 5 * NS_PER_S
"""The exchange's clock may be ahead of ours by so much."""
PAST_NS: Final = 600 * NS_PER_S
"""A trade may be received so late."""
DAY_OFF_NS: Final = 86_400 * NS_PER_S
_AUCTION_SIDE: Final = "3"


class Limits(NamedTuple):
    """The broker's own daily price limits of a symbol, KRW."""

    lower: int
    upper: int


class Situation(NamedTuple):
    """A trade and what is known around it."""

    trade: Trade
    last_price: int
    """Of the trade before; 0 = none, or between them there was an auction, a halt or a missed trade."""
    last_source_ns: int
    limits: Limits | None
    open: bool
    """Whether the calendar says that anything may trade now."""
    suspect_price: int
    """The price that the trade before was refused for; 0 = it was not."""
    clock_comparable: bool


class Guard(NamedTuple):
    """One line of the table."""

    id: str
    applies: Callable[[Situation], bool]
    verdict: Verdict
    meaning: str


def _change(now: Situation) -> float:
    trade = now.trade
    return 0.0 if trade.change is None else day_change_percent(trade.price, trade.price - trade.change)


def _allowed(now: Situation) -> bool:
    limits = now.limits
    return limits is not None and limits.lower <= now.trade.price <= limits.upper


def _jump(now: Situation) -> float:
    return day_change_percent(now.trade.price, now.last_price)


def _confirmed(now: Situation) -> bool:
    return bool(now.suspect_price) and day_change_percent(now.trade.price, now.suspect_price) <= JUMP_ODD


def _behind_ns(now: Situation) -> int:
    return now.trade.received_ns - now.trade.source_time_ns if now.clock_comparable else 0


TRADE_GUARDS: Final[tuple[Guard, ...]] = (
    Guard(
        "day_change_over_50",
        lambda s: _change(s) > DAY_CHANGE_ABSURD and not _allowed(s),
        REJECTS,
        "no share moves so far, unless the broker's own limits allow it (first listing day, liquidation)",
    ),
    Guard(
        "tick_jump_over_10",
        lambda s: _jump(s) > JUMP_ABSURD and not _confirmed(s),
        REJECTS,
        "continuous trading is interrupted before it moves so far between two trades",
    ),
    Guard("time_off_by_days", lambda s: abs(_behind_ns(s)) > DAY_OFF_NS, REJECTS, "not of this day"),
    Guard(
        "day_change_over_30",
        lambda s: _change(s) > DAY_CHANGE_ODD and not _allowed(s),
        DEGRADES,
        "beyond the usual daily limit, and the broker's own are unknown or exceeded",
    ),
    Guard("tick_jump_over_5", lambda s: _jump(s) > JUMP_ODD, DEGRADES, "far from the trade before"),
    Guard(
        "time_backwards",
        lambda s: s.trade.source_time_ns < s.last_source_ns,
        DEGRADES,
        "executed before a trade that was received earlier: overtaken, or sent again",
    ),
    Guard("time_in_future", lambda s: _behind_ns(s) < -FUTURE_NS, DEGRADES, "the exchange's clock or ours is wrong"),
    Guard("time_too_old", lambda s: PAST_NS < _behind_ns(s) <= DAY_OFF_NS, DEGRADES, "received long after it happened"),
    Guard("outside_session", lambda s: not s.open, DEGRADES, "the calendar knows no trading at this time"),
)
"""Rejections first; the order is that of the reasons."""


class _Memory:
    __slots__ = ("price", "source_ns", "suspect")

    def __init__(self) -> None:
        self.price = 0
        self.source_ns = 0
        self.suspect = 0


class TradeGuards:
    """The memory of one shard's symbols. `judge` every trade in the order of arrival."""

    def __init__(self, *, clock_comparable: bool = True) -> None:
        """Take whether the exchange's clock is comparable with ours; a sped-up simulated one is not."""
        self._clock_comparable = clock_comparable
        self._memories: dict[str, _Memory] = {}
        self.limits: dict[str, Limits] = {}
        """The broker's own limits, as far as they were needed."""
        self.limits_wanted: set[str] = set()
        """Symbols of which a trade was refused because the limits are not known."""
        self.open = True
        """Whether the calendar says that anything may trade now."""

    def judge(self, trade: Trade) -> Judgement:
        """Judge one trade against what is remembered, and remember it."""
        price, source_ns = trade.price, trade.source_time_ns
        memory = self._memories.get(trade.symbol)
        if memory is None:
            memory = self._memories[trade.symbol] = _Memory()
        behind_ns = trade.received_ns - source_ns
        last = memory.price
        change = trade.change or 0
        if (
            -20 * (price - change) <= 100 * change <= 20 * (price - change)
            and (not last or -last <= 20 * (price - last) <= last)
            and source_ns >= memory.source_ns
            and self.open
            and (-FUTURE_NS <= behind_ns <= PAST_NS or not self._clock_comparable)
        ):
            judgement = ACCEPTED
            memory.suspect = 0
        else:
            judgement = self._judge_by_table(trade, memory)
            if judgement.rejected:
                memory.suspect = price
                return judgement
            memory.suspect = 0
        if source_ns > memory.source_ns:
            memory.source_ns = source_ns
        memory.price = price if trade.session_code == IN_SESSION and not trade.halted else 0
        return judgement

    def interrupted(self, symbol: str) -> None:
        """Note that trades between the last one and the next are missing: the next one cannot jump."""
        memory = self._memories.get(symbol)
        if memory is not None:
            memory.price = 0

    def forget(self, symbol: str) -> None:
        """Drop a symbol that is not collected any more."""
        self._memories.pop(symbol, None)

    def _judge_by_table(self, trade: Trade, memory: _Memory) -> Judgement:
        auction = trade.session_code != IN_SESSION or trade.side == _AUCTION_SIDE
        now = Situation(
            trade,
            0 if auction else memory.price,
            memory.source_ns,
            self.limits.get(trade.symbol),
            self.open,
            memory.suspect,
            self._clock_comparable,
        )
        hits = [guard for guard in TRADE_GUARDS if guard.applies(now)]
        if not hits:
            return ACCEPTED
        rejecting = tuple(guard.id for guard in hits if guard.verdict.rejects)
        if "day_change_over_50" in rejecting and now.limits is None:
            self.limits_wanted.add(trade.symbol)
        if rejecting:
            return Judgement(True, Quality.DEGRADED, rejecting)
        return Judgement(False, Quality.DEGRADED, tuple(guard.id for guard in hits))
