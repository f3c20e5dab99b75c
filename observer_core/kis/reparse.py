"""A rejection's raw payload through today's parsers and rules: the records that it would be now. Pure.

Separate from the parsers because a rejection keeps the text and not always the form it came in. What was refused for
what came before it (a jump against the last price, a symbol nobody asked for) cannot be judged again without that, and
stays refused.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from observer_core.kis.books import BOOK_MINIMUM_WIDTH, parse_book
from observer_core.kis.quotes import CallTimes, parse_inquire_price, parse_multi_price
from observer_core.kis.records import StreamParser
from observer_core.kis.trades import TRADE_MINIMUM_WIDTH, needs_a_look, parse_trade
from observer_core.kis.wire import DataFrame, parse_frame
from observer_core.messages import Book, Quote, Record, Rejection, Track, Trade
from observer_core.quality.guards import TradeGuards

OF_THEIR_MOMENT: Final = frozenset({"tick_jump_over_10", "unrequested_or_repeated_symbol", "frame_cut_short"})
"""Reasons that today's code cannot judge from the payload alone."""

_SESSIONS: Final = frozenset("0ABCD")
_SESSION_OF_A_BOOK: Final = 2
_SINGLE_KEY: Final = b'"stck_shrn_iscd"'
_CODES: Final = re.compile(r'"(?:inter|stck)_shrn_iscd"\s*:\s*"([0-9A-Z]{6,12})"')
_object_decoder = msgspec.json.Decoder(dict[str, object])


def reparse(rejection: Rejection) -> tuple[Trade | Quote | Book, ...]:
    """Return the records in a refused payload; empty when any part of it is still refused.

    The payload is kept with them. The time of receipt stays the payload's own; when the call was sent is no longer
    known and taken to be the same.
    """
    if OF_THEIR_MOMENT.intersection(rejection.reasons):
        return ()
    records = _swept(rejection) if rejection.track is Track.SWING else _streamed(rejection)
    kept: list[Trade | Quote | Book] = []
    guards = TradeGuards()
    for record in records:
        if not isinstance(record, Trade | Quote | Book):
            return ()
        if isinstance(record, Trade):
            judgement = guards.judge(record)
            if judgement.rejected:
                return ()
            if judgement.reasons:
                reasons = (*record.reasons, *judgement.reasons)
                record = msgspec.structs.replace(record, quality=judgement.quality, reasons=reasons)
        kept.append(record)
    return tuple(kept)


def _streamed(rejection: Rejection) -> list[Record]:
    raw, received_ns = rejection.raw, rejection.received_ns
    if raw.startswith("{"):
        return _kept_trade(raw)
    if rejection.stage == "frame":
        frame = parse_frame(raw)
        return [*StreamParser(keep_raw=True).parse(frame, received_ns)] if isinstance(frame, DataFrame) else []
    fields = raw.split("^")
    if needs_a_look(raw) or len(fields) < TRADE_MINIMUM_WIDTH:
        return []
    # A record alone does not say of which stream it is: the third field of a book is a code, of a trade the price.
    is_book = len(fields) >= BOOK_MINIMUM_WIDTH and fields[_SESSION_OF_A_BOOK] in _SESSIONS
    parse: Callable[[list[str], int, str, bool], Record] = parse_book if is_book else parse_trade
    return [parse(fields, received_ns, raw, True)]


def _kept_trade(raw: str) -> list[Record]:
    """Return a trade that a guard refused while raw payloads were not kept: its own fields are the payload."""
    try:
        named = _object_decoder.decode(raw)
        values = [named[name] for name in Trade.__struct_fields__]
        return [msgspec.convert([Trade.__struct_config__.tag, *values], Trade)]
    except (msgspec.DecodeError, KeyError):
        return []


def _swept(rejection: Rejection) -> list[Record]:
    times = CallTimes(rejection.received_ns, rejection.received_ns)
    body = rejection.raw.encode()
    codes = list(dict.fromkeys(_CODES.findall(rejection.raw)))
    if not codes:
        return []
    if rejection.stage != "frame":
        body = b'{"output":%s}' % body if _SINGLE_KEY in body else b'{"output":[%s]}' % body
    if _SINGLE_KEY in body:
        return [*parse_inquire_price(body, codes[0], times, keep_raw=True).records]
    return [*parse_multi_price(body, codes, times, keep_raw=True).records]
