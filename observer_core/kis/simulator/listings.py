"""The instruments of the simulated exchange: a seeded list with the oddities of the real listing files.

Owns who is listed, at which base price and how busy; the market behaviour is `tape.py`. Besides the ordinary
shares a collector keeps, it lists everything its universe rule has to drop: cheap, halted, administrative,
SPAC and preferred shares, ETF, ETN, REIT, foreign shares and funds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Final

import msgspec

from observer_core.kis.simulator.names import KNOWN_SHARES, LONGEST_NAME, invented_name
from observer_core.market.prices import round_to_tick

KOSPI: Final = "KOSPI"
KOSDAQ: Final = "KOSDAQ"
MINIMUM_COLLECTED_PRICE: Final = 4_000
"""The collector's default price floor in KRW; ordinary shares of the simulation lie at or above it."""

_TOP_TURNOVER_KRW: Final = 8.5e12
_TOP_MARKET_VALUE_KRW: Final = 1.3e15
_BUSIEST_TRADES_PER_S: Final = 14.0
_RANK_SCALE: Final = 30.0
_NXT_RANKS: Final = 150.0
_TRADING_SECONDS_PER_DAY: Final = 22_800.0


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One listed instrument: prices in KRW, volumes and shares in pieces, activity as a rank from 0."""

    code: str
    name: str
    market: str
    group: str = "ST"
    base_price: int
    previous_volume: int
    listed_shares: int
    activity_rank: float
    halted: bool = False
    administrative: bool = False
    spac: bool = False
    preferred: int = 0
    etp_class: str = " "
    activity: float = 1.0
    """Factor on the rate of executions; the day's volume stays."""

    @property
    def etp(self) -> bool:
        """Tell whether the instrument has the tick table of exchange-traded products."""
        return self.group in ("EF", "EN")

    @property
    def on_nxt(self) -> bool:
        """Tell whether Nextrade trades the share too: the busier ordinary ones."""
        ordinary = self.group == "ST" and not (self.preferred or self.spac or self.halted or self.administrative)
        return ordinary and self.activity_rank < _NXT_RANKS

    @property
    def trades_per_s(self) -> float:
        """Return the average rate of executions in continuous trading; heavy-tailed over the rank."""
        if self.halted or self.group == "BC":
            return 0.0
        return self.activity * _BUSIEST_TRADES_PER_S * math.pow(1 + self.activity_rank / _RANK_SCALE, -1.5)

    @property
    def trade_volume(self) -> float:
        """Return the average pieces per execution, so that a whole day adds up to about the previous one."""
        trades = self.trades_per_s * _TRADING_SECONDS_PER_DAY
        return max(1.0, self.previous_volume / trades) if trades else 1.0

    @property
    def market_value_100m(self) -> int:
        """Return the market capitalisation in units of 100 million KRW."""
        return self.base_price * self.listed_shares // 100_000_000


def generate_listings(seed: int, ordinary: int) -> tuple[Listing, ...]:
    """Return the listings of a seed, exactly `ordinary` (>= 1) of which pass the default universe rule."""
    rng = Random(f"{seed}:listings")
    codes = _free_codes(rng)
    known = [
        Listing(
            code=share.code,
            name=share.name,
            market=share.market,
            base_price=share.base_price,
            previous_volume=share.previous_volume,
            listed_shares=share.listed_shares,
            activity_rank=float(rank),
        )
        for rank, share in enumerate(KNOWN_SHARES[:-1])
    ]
    oddly_coded = KNOWN_SHARES[-1]
    known.insert(
        2,
        Listing(
            code=oddly_coded.code,
            name=oddly_coded.name,
            market=oddly_coded.market,
            base_price=oddly_coded.base_price,
            previous_volume=oddly_coded.previous_volume,
            listed_shares=oddly_coded.listed_shares,
            activity_rank=190.0,
        ),
    )
    collected = known[:ordinary]
    names = iter(range(10**6))
    for rank in range(len(collected), ordinary):
        collected.append(_share(rng, next(codes), next(names), rank))
    return (*collected, *_dropped_by_rule(rng, codes, names, ordinary))


def _free_codes(rng: Random) -> Iterator[str]:
    """Yield unused share codes; one in eight is alphanumeric, as codes given out since 2024 are."""
    taken = {share.code for share in KNOWN_SHARES} | {"00088K"}
    while True:
        if rng.random() < 0.125:
            code = f"{rng.randrange(1, 200):04d}{rng.choice('BCDFGHJKLMNPRSTVWXYZ')}0"
        else:
            code = f"{rng.randrange(10, 48_000) * 10:06d}"
        if code not in taken:
            taken.add(code)
            yield code


def _turnover_krw(rng: Random, rank: float) -> float:
    return _TOP_TURNOVER_KRW * math.pow(1 + rank / 1.2, -1.35) * rng.lognormvariate(0.0, 0.2)


def _share(rng: Random, code: str, name: int, rank: float) -> Listing:
    """Make an ordinary share; its turnover falls with its rank, its price does not depend on it."""
    price = round_to_tick(min(max(math.exp(rng.gauss(9.6, 0.9)), MINIMUM_COLLECTED_PRICE), 1_500_000))
    value = _TOP_MARKET_VALUE_KRW * math.pow(1 + rank / 0.8, -1.2) * rng.lognormvariate(0.0, 0.5)
    return Listing(
        code=code,
        name=invented_name(name),
        market=KOSPI if rng.random() < 0.35 else KOSDAQ,
        base_price=price,
        previous_volume=max(10, int(_turnover_krw(rng, rank) / price)),
        listed_shares=max(1_000_000, int(value / price) // 1_000 * 1_000),
        activity_rank=float(rank),
    )


def _dropped_by_rule(rng: Random, codes: Iterator[str], names: Iterator[int], ordinary: int) -> Iterator[Listing]:
    """Yield what the universe rule must drop, a few of each kind and more in a larger market."""

    def quiet_share() -> Listing:
        return _share(rng, next(codes), next(names), rng.uniform(0.3, 1.0) * max(ordinary, 200))

    share_of = max(2, ordinary * 3 // 100)
    replace = msgspec.structs.replace
    for _ in range(share_of):
        yield replace(quiet_share(), base_price=round_to_tick(rng.uniform(300, 3_900)))
        yield replace(quiet_share(), halted=True, previous_volume=0)
        yield replace(quiet_share(), administrative=True)
        preferred = quiet_share()
        yield replace(preferred, code=preferred.code[:-1] + "5", name=preferred.name + "우", preferred=1)
        spac = quiet_share()
        price = round_to_tick(rng.choice([2_000, 2_050, 10_000]) * rng.uniform(0.99, 1.1))
        yield replace(spac, name=spac.name + "스팩", market=KOSDAQ, base_price=price, spac=True)
    yield replace(quiet_share(), code="00088K", name="한화3우B", market=KOSPI, base_price=30_500, preferred=2)
    yield from _products(rng, codes, max(2, ordinary * 2 // 100))


def _products(rng: Random, codes: Iterator[str], count: int) -> Iterator[Listing]:
    """Yield funds, notes, REIT and foreign shares: other groups, other tick table, longer codes."""

    def product(code: str, name: str, group: str, etp_class: str = " ", market: str = KOSPI) -> Listing:
        etp = group in ("EF", "EN")
        price = round_to_tick(rng.uniform(4_500, 60_000), etp)
        rank = rng.uniform(60, 900)
        return Listing(
            code=code,
            name=name,
            market=market,
            group=group,
            base_price=price,
            previous_volume=0 if group == "BC" else max(10, int(_turnover_krw(rng, rank) / price)),
            listed_shares=rng.randrange(1_000, 60_000) * 1_000,
            activity_rank=rank,
            etp_class=etp_class,
        )

    for number in range(count):
        name = LONGEST_NAME if number == 0 else f"한빛 테마지수 {number + 1}호"
        yield product(next(codes), name, "EF", "2")
        yield product(f"Q{500_061 + number * 7}", f"신한 인버스 선물 {number + 1}호 ETN", "EN", "3")
    yield product(next(codes), "도담밸류리츠", "RT")
    yield product("900140", "엘브이엠씨홀딩스", "FS")
    yield product("900110", "딥커머스", "FS", market=KOSDAQ)
    yield product("950210", "프레스티지바이오파마", "DR")
    yield product("F70100030", "한투한미핵심성장포커스1(A)", "BC")
