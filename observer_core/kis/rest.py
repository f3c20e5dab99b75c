"""The quotation endpoints: calls under the budget, with the token, retried where that can help.

Separate from transport (how bytes travel), classification (what failures mean) and parsing (what answers say): this
is the procedure that joins them. A failure that a second call cannot cure goes to the caller as it is; what a sweep
does with a batch that failed is the sweep's business.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import NamedTuple

from observer_core.clock import Clock, kst_datetime
from observer_core.errors import FeedError, RateRefusedError, ReauthenticateError
from observer_core.ids import AppKeyOrdinal
from observer_core.kis.auth import ApprovalKeys, TokenStore, cache_path, issue_token
from observer_core.kis.charts import MinuteChart, parse_minute_chart
from observer_core.kis.classify import rest_failure
from observer_core.kis.connection import DroppedConnectionError
from observer_core.kis.fields import (
    MULTI_PRICE_SLOTS,
    TR_CHK_HOLIDAY,
    TR_INQUIRE_PRICE,
    TR_MINUTE_CHART,
    TR_MULTI_PRICE,
)
from observer_core.kis.holidays import parse_holidays
from observer_core.kis.quotes import CallTimes, QuoteRows, parse_inquire_price, parse_multi_price
from observer_core.kis.transport import Answer, Transport
from observer_core.messages import Quote, Rejection
from observer_core.pacing.rate import Priority, RateBudget, budget_path, effective_limit
from observer_core.settings import AppKey, Secret, Settings

_QUOTATIONS = "/uapi/domestic-stock/v1/quotations"
_KRX = "J"
_REFUSED_RETRIES = 4
_REFUSED_PAUSE_S = (0.1, 1.0)


@dataclass(slots=True)
class RestCounters:
    """Totals since the start of this process."""

    calls_total: int = 0
    refused_total: int = 0
    retries_total: int = 0
    dropped_total: int = 0
    reauthenticated_total: int = 0


class PriceAnswer(NamedTuple):
    """What one call brought: wall-clock times, the records of its rows, and the symbols it has no row for."""

    requested_ns: int
    received_ns: int
    records: list[Quote | Rejection]
    missing: tuple[str, ...]
    lost_since_ns: int | None = None
    """When an earlier attempt was made whose answer may have been lost on the way; None = there was none."""


@dataclass(slots=True)
class _Tries:
    """What a call has already been forgiven."""

    refused: int = 0
    dropped_ns: int | None = None
    reauthenticated: bool = False


@dataclass(slots=True)
class RestClient:
    """The broker's REST side for one appkey in this process; build it with `open_rest`."""

    transport: Transport
    tokens: TokenStore
    approvals: ApprovalKeys
    budget: RateBudget
    app_key: AppKey
    clock: Clock
    keep_raw: bool
    rng: Random
    counters: RestCounters = field(default_factory=RestCounters)

    async def multi_price(self, symbols: Sequence[str], priority: Priority = Priority.SWEEP) -> PriceAnswer:
        """Ask for the prices of up to 30 symbols in one call. Real host only.

        Raises:
            SymbolRefusedError: the broker refused the call for what was asked; ask in smaller parts.
            FeedError: the call failed.
        """
        if not 0 < len(symbols) <= MULTI_PRICE_SLOTS:
            raise ValueError(f"a multi-price call takes 1 to {MULTI_PRICE_SLOTS} symbols")
        query = "&".join(
            f"FID_COND_MRKT_DIV_CODE_{number}={_KRX}&FID_INPUT_ISCD_{number}={symbol}"
            for number, symbol in enumerate(symbols, start=1)
        )
        answer = await self._call(TR_MULTI_PRICE, f"{_QUOTATIONS}/intstock-multprice?{query}", priority)
        times = CallTimes(answer.requested_ns, answer.received_ns)
        return _price_answer(parse_multi_price(answer.body, symbols, times, self.keep_raw), answer)

    async def inquire_price(self, symbol: str, priority: Priority = Priority.SWEEP) -> PriceAnswer:
        """Ask for the price of one symbol; the only way on the virtual host. No best ask and bid in it.

        Raises:
            SymbolRefusedError: the broker does not accept the symbol.
            FeedError: the call failed.
        """
        query = f"FID_COND_MRKT_DIV_CODE={_KRX}&FID_INPUT_ISCD={symbol}"
        answer = await self._call(TR_INQUIRE_PRICE, f"{_QUOTATIONS}/inquire-price?{query}", priority)
        times = CallTimes(answer.requested_ns, answer.received_ns)
        return _price_answer(parse_inquire_price(answer.body, symbol, times, self.keep_raw), answer)

    async def minute_chart(self, symbol: str, until_ns: int) -> MinuteChart:
        """Ask for the one-minute bars of today that end with the minute `until_ns` lies in; that one is not answered.

        Raises:
            MalformedMessage: the answer does not have its form.
            SymbolRefusedError: the broker does not accept the symbol.
            FeedError: the call failed.
        """
        query = (
            f"FID_COND_MRKT_DIV_CODE={_KRX}&FID_INPUT_ISCD={symbol}&FID_INPUT_HOUR_1={kst_datetime(until_ns):%H%M}00"
            "&FID_PW_DATA_INCU_YN=Y&FID_ETC_CLS_CODE="
        )
        path = f"{_QUOTATIONS}/inquire-time-itemchartprice?{query}"
        answer = await self._call(TR_MINUTE_CHART, path, Priority.BACKFILL)
        times = CallTimes(answer.requested_ns, answer.received_ns)
        return parse_minute_chart(answer.body, symbol, times, self.keep_raw)

    async def opening_days(self, first: date) -> dict[date, bool]:
        """Ask on which days from `first` on the market opens. Real host only, at most once a day.

        Raises:
            MalformedMessage: the answer does not have its form.
            FeedError: the call failed.
        """
        query = f"BASS_DT={first:%Y%m%d}&CTX_AREA_FK=&CTX_AREA_NK="
        answer = await self._call(TR_CHK_HOLIDAY, f"{_QUOTATIONS}/chk-holiday?{query}", Priority.BACKFILL)
        return parse_holidays(answer.body)

    async def aclose(self) -> None:
        """Close the connections and give the budget's descriptor back."""
        await self.transport.aclose()
        self.budget.close()

    async def _call(self, tr_id: str, path: str, priority: Priority) -> Answer:
        tries = _Tries()
        while True:
            token = await self.tokens.token()
            asked_ns = self.clock.now_ns()
            try:
                answer = await self._attempt(tr_id, path, token, priority)
            except FeedError as error:
                await self._forgive(error, tries, token, asked_ns)
                self.counters.retries_total += 1
            else:
                return answer._replace(lost_since_ns=tries.dropped_ns)

    async def _forgive(self, error: FeedError, tries: _Tries, token: Secret, asked_ns: int) -> None:
        """Do what makes another attempt sensible, or raise the error again."""
        match error:
            case RateRefusedError() if tries.refused < _REFUSED_RETRIES:
                tries.refused += 1
                await asyncio.sleep(self.rng.uniform(*_REFUSED_PAUSE_S))
            case ReauthenticateError() if not tries.reauthenticated:
                tries.reauthenticated = True
                self.counters.reauthenticated_total += 1
                await self.tokens.renew(token, asked_ns)
            case DroppedConnectionError() if tries.dropped_ns is None:
                tries.dropped_ns = asked_ns
                self.counters.dropped_total += 1
            case _:
                raise error

    async def _attempt(self, tr_id: str, path: str, token: Secret, priority: Priority) -> Answer:
        slot = await self.budget.acquire(self.clock, priority)

        async def check_slot() -> None:
            # Connecting, or a stop of this process, can take longer than a slot is kept for anybody.
            nonlocal slot
            while not self.budget.holds(slot):
                slot = await self.budget.acquire(self.clock, priority)

        self.counters.calls_total += 1
        answered = False
        try:
            answer = await self.transport.get(path, self._headers(tr_id, token), check_slot)
            answered = True
        finally:
            self.budget.complete(slot, self.clock.monotonic_ns(), answered=answered)
        failure = rest_failure(answer.status, answer.body)
        if isinstance(failure, RateRefusedError):
            self.counters.refused_total += 1
            self.budget.refused(self.clock.monotonic_ns())
        if failure is not None:
            raise failure
        return answer

    def _headers(self, tr_id: str, token: Secret) -> dict[str, str]:
        return {
            "content-type": "application/json; charset=utf-8",
            "authorization": f"Bearer {token.reveal()}",
            "appkey": self.app_key.key.reveal(),
            "appsecret": self.app_key.secret.reveal(),
            "tr_id": tr_id,
            "custtype": "P",
            "tr_cont": "",
        }


def _price_answer(rows: QuoteRows, answer: Answer) -> PriceAnswer:
    return PriceAnswer(answer.requested_ns, answer.received_ns, rows.records, rows.missing, answer.lost_since_ns)


def open_rest(settings: Settings, ordinal: AppKeyOrdinal, clock: Clock, rng: Random) -> RestClient:
    """Build the client of an appkey, in the process that will use it (after the fork)."""
    app_key = settings.app_keys[ordinal]
    transport = Transport(settings.rest_url, settings.user_agent, settings.rest_timeout_s, clock)
    return RestClient(
        transport=transport,
        tokens=TokenStore(
            cache_path(settings.token_cache_dir, app_key, settings.rest_url),
            lambda: issue_token(transport, app_key),
            clock,
            transport.awaits,
        ),
        approvals=ApprovalKeys(transport, app_key, clock),
        budget=RateBudget(
            budget_path(settings.paths.budgets, ordinal),
            effective_limit(settings.rest_limit_per_s, settings.virtual_host),
        ),
        app_key=app_key,
        clock=clock,
        keep_raw=settings.keep_raw,
        rng=rng,
    )
