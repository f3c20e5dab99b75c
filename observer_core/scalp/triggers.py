"""What makes a symbol a candidate for a tick slot, judged from sweeps and from ticks alike. Pure.

A score is what was measured over the threshold, times the trigger's weight: 1.0 is a trigger that just fires, whatever
its unit. Separate from the slots, because sweeping shards judge and the streaming shard decides.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from observer_core.clock import NS_PER_S
from observer_core.messages import Quote, Record, Trade
from observer_core.slot_messages import Candidate


class Trigger(StrEnum):
    """What brought a symbol to a slot."""

    VOLUME_SURGE = "volume_surge"
    """Traded volume a second against what is usual for the symbol."""
    TRADE_VELOCITY = "trade_velocity"
    """Executions a second; ticks only, a sweep does not count them."""
    VOLATILITY_SPIKE = "volatility_spike"
    """The range of prices within the window, per cent of the lowest."""
    PRICE_SPIKE = "price_spike"
    """How far the price went from the beginning of the window, per cent."""
    PIN = "pin"
    """An operator's wish, never judged here."""
    RANK = "rank"
    """The universe's own order, where nothing hotter wants the slot."""


class TriggerRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When one trigger fires."""

    threshold: Annotated[float, Meta(gt=0)]
    window_s: Annotated[float, Meta(ge=1, le=600)] = 60.0
    repeat_s: Annotated[float, Meta(ge=0)] = 30.0
    """The same symbol is no candidate by the same trigger again before so long."""
    weight: Annotated[float, Meta(gt=0)] = 1.0
    enabled: bool = True


class SurgeRule(TriggerRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a volume surge fires."""

    usual_s: Annotated[float, Meta(ge=1)] = 900.0
    """How far back the usual rate reaches."""
    minimum_value: Annotated[int, Meta(ge=0)] = 50_000_000
    """KRW traded within the window; below it, ten times nothing is no surge."""


class TriggerRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[triggers]`."""

    volume_surge: SurgeRule = SurgeRule(threshold=4.0)
    """Times the usual volume a second."""
    trade_velocity: TriggerRule = TriggerRule(threshold=10.0, window_s=10.0)
    """Executions a second."""
    volatility_spike: TriggerRule = TriggerRule(threshold=1.5)
    """Per cent."""
    price_spike: TriggerRule = TriggerRule(threshold=1.0)
    """Per cent."""


class _Second:
    """What one second of a symbol held; slots of a plain class, because there are many."""

    __slots__ = ("at_ns", "first", "high", "last", "low", "trades", "usual", "volume")

    def __init__(self, at_ns: int, price: int, volume: int, trades: int) -> None:
        self.at_ns = at_ns
        """Of its last observation."""
        self.first = self.high = self.low = self.last = price
        self.volume = volume
        """Cumulative, at the end."""
        self.trades = trades
        self.usual = 0.0
        """The symbol's usual volume a second as it was then."""


class _History:
    """The last seconds of one symbol and its usual rate."""

    __slots__ = ("began_ns", "rated_ns", "rated_volume", "seconds", "usual")

    def __init__(self, at_ns: int, volume: int) -> None:
        self.began_ns = self.rated_ns = at_ns
        self.rated_volume = volume
        self.usual = 0.0
        self.seconds: deque[_Second] = deque()

    def add(self, at_ns: int, price: int, volume: int, trades: int) -> bool:
        """Take an observation; return whether a new second began."""
        last = self.seconds[-1] if self.seconds else None
        if last is not None and at_ns // NS_PER_S <= last.at_ns // NS_PER_S:
            last.high, last.low, last.last = max(last.high, price), min(last.low, price), price
            last.volume = max(last.volume, volume)
            last.trades += trades
            last.at_ns = max(last.at_ns, at_ns)
            return False
        self.seconds.append(_Second(at_ns, price, volume, trades))
        return True

    def rate(self, usual_s: float) -> None:
        """Carry the usual rate on."""
        now = self.seconds[-1]
        elapsed_s, age_s = (now.at_ns - self.rated_ns) / NS_PER_S, (now.at_ns - self.began_ns) / NS_PER_S
        if elapsed_s <= 0:
            return
        # At first it is the mean since the beginning.
        share = min(1.0, elapsed_s / min(usual_s, age_s))
        self.usual += share * ((now.volume - self.rated_volume) / elapsed_s - self.usual)
        self.rated_ns, self.rated_volume = now.at_ns, now.volume
        now.usual = self.usual

    def window(self, window_s: float) -> "_Window | None":
        """Return what happened within the window; None while less than a third of it is known."""
        now = self.seconds[-1]
        from_ns = now.at_ns - int(window_s * NS_PER_S)
        inside = [second for second in self.seconds if second.at_ns >= from_ns]
        elapsed_s = (now.at_ns - inside[0].at_ns) / NS_PER_S
        return _Window(inside, elapsed_s) if elapsed_s * 3 >= window_s else None


class _Window:
    __slots__ = ("from_ns", "high", "low", "moved", "per_s", "trades_per_s", "usual", "value")

    def __init__(self, inside: list[_Second], elapsed_s: float) -> None:
        first, last = inside[0], inside[-1]
        self.high = max(second.high for second in inside)
        self.low = min(second.low for second in inside)
        self.moved = abs(last.last / first.first - 1.0)
        self.from_ns, self.usual = first.at_ns, first.usual
        volume = last.volume - first.volume
        self.per_s = volume / elapsed_s
        self.value = volume * last.last
        self.trades_per_s = sum(second.trades for second in inside[1:]) / elapsed_s


class TriggerWatch:
    """The triggers of one process over the records it makes, in the order of their receipt."""

    def __init__(self, rules: TriggerRules | None = None) -> None:
        self.rules = rules or TriggerRules()
        self._histories: dict[str, _History] = {}
        self._quiet_until_ns: dict[tuple[str, Trigger], int] = {}

    def feed(self, records: Iterable[Record]) -> list[Candidate]:
        """Take records; return the candidates they make."""
        found: list[Candidate] = []
        for record in records:
            if isinstance(record, Trade):
                found += self._observe(record, 1)
            elif isinstance(record, Quote):
                found += self._observe(record, 0)
        return found

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop symbols that are not watched here any more."""
        for symbol in symbols:
            self._histories.pop(symbol, None)
            for trigger in Trigger:
                self._quiet_until_ns.pop((symbol, trigger), None)

    def _observe(self, record: Trade | Quote, trades: int) -> list[Candidate]:
        at_ns, price, volume = record.received_ns, record.price, record.cumulative_volume
        if price <= 0:
            return []
        history = self._histories.get(record.symbol)
        if history is None or volume < history.rated_volume:
            # The first observation, or the first of a new day.
            history = self._histories[record.symbol] = _History(at_ns, volume)
        if not history.add(at_ns, price, volume, trades):
            return []
        history.rate(self.rules.volume_surge.usual_s)
        self._prune(history, at_ns)
        return list(self._judge(record.symbol, history, at_ns))

    def _prune(self, history: _History, at_ns: int) -> None:
        rules = self.rules
        longest_s = max(
            rules.volume_surge.window_s,
            rules.trade_velocity.window_s,
            rules.volatility_spike.window_s,
            rules.price_spike.window_s,
        )
        before_ns = at_ns - int(longest_s * NS_PER_S)
        while history.seconds[0].at_ns < before_ns:
            history.seconds.popleft()

    def _judge(self, symbol: str, history: _History, at_ns: int) -> Iterator[Candidate]:
        rules = self.rules
        windows: dict[float, _Window | None] = {}
        for trigger, rule in (
            (Trigger.VOLUME_SURGE, rules.volume_surge),
            (Trigger.TRADE_VELOCITY, rules.trade_velocity),
            (Trigger.VOLATILITY_SPIKE, rules.volatility_spike),
            (Trigger.PRICE_SPIKE, rules.price_spike),
        ):
            if not rule.enabled:
                continue
            if rule.window_s not in windows:
                windows[rule.window_s] = history.window(rule.window_s)
            window = windows[rule.window_s]
            if window is None:
                continue
            measured = self._measure(trigger, history, window)
            quiet_until_ns = self._quiet_until_ns.get((symbol, trigger), at_ns)
            if measured < rule.threshold or at_ns < quiet_until_ns:
                continue
            self._quiet_until_ns[symbol, trigger] = at_ns + int(rule.repeat_s * NS_PER_S)
            yield Candidate(symbol, trigger.value, rule.weight * measured / rule.threshold, at_ns)

    def _measure(self, trigger: Trigger, history: _History, window: _Window) -> float:
        if trigger is Trigger.TRADE_VELOCITY:
            return window.trades_per_s
        if trigger is Trigger.VOLATILITY_SPIKE:
            return 100.0 * (window.high / window.low - 1.0)
        if trigger is Trigger.PRICE_SPIKE:
            return 100.0 * window.moved
        rule = self.rules.volume_surge
        # The usual as it was before the window: a surge must not be its own measure.
        known_s = (window.from_ns - history.began_ns) / NS_PER_S
        if known_s < rule.window_s or window.value < rule.minimum_value or not window.usual:
            return 0.0
        return window.per_s / window.usual
