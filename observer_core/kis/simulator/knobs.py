"""Every switch of the simulated exchange, with its range, default and meaning: the one table.

Separate from what applies them, because the command line, the control port and the manual are all made from this
table: a new fault is a field here and its effect where it happens. The defaults are the broker's measured behaviour.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from observer_core.kis.fields import BOOK_FIELDS, TRADE_FIELDS

WindowKind: TypeAlias = Literal["sliding", "fixed"]

_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_HOURS: Final = r"^([0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9])?$"

Symbols: TypeAlias = tuple[str, ...]
Dates: TypeAlias = tuple[Annotated[str, Meta(pattern=_DATE)], ...]


class Knobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """State that lasts until it is changed again; rates are probabilities, 0 to 1."""

    # Limits, refusals and outages of REST
    rest_limit: Annotated[int, Meta(ge=0, description="calls a second per appkey")] = 18
    virtual_rest_limit: Annotated[int, Meta(ge=0, description="the same while the host is virtual")] = 1
    rest_window: Annotated[WindowKind, Meta(description="any second, or the second of the clock")] = "sliding"
    refusals_count: Annotated[bool, Meta(description="a refused call takes its share of the limit too")] = False
    random_refusal_rate: Annotated[float, Meta(ge=0, le=1, description="calls refused below the limit")] = 0.0
    rate_refusal_status: Annotated[int, Meta(ge=200, le=599, description="HTTP status of EGW00201")] = 500
    oauth_limit: Annotated[int, Meta(ge=0, description="tokenP and Approval calls a second per appkey, 0 = any")] = 0
    rest_error_code: Annotated[str, Meta(description="broker's code to fail calls with; empty = none")] = ""
    rest_error_rate: Annotated[float, Meta(ge=0, le=1, description="calls failed with rest_error_code")] = 1.0
    rest_error_endpoint: Annotated[str, Meta(description="only this endpoint fails; empty = every quotation")] = ""
    rest_error_status: Annotated[int, Meta(ge=0, le=599, description="HTTP status instead of the code's own")] = 0
    rest_down: Annotated[bool, Meta(description="every call answers 500 without JSON")] = False
    maintenance: Annotated[str, Meta(pattern=_HOURS, description="exchange hours of such an outage, HH:MM-HH:MM")] = ""
    rest_latency_ms: Annotated[float, Meta(ge=0, description="wait before each answer")] = 0.0
    rest_drop_rate: Annotated[float, Meta(ge=0, le=1, description="calls whose connection ends unanswered")] = 0.0
    rest_keep_alive_s: Annotated[float, Meta(gt=0, description="idle life of new REST connections")] = 75.0

    # Answers of REST
    unknown_code_mode: Annotated[Literal["blank", "omit", "error"], Meta(description="unlisted code in a quote")] = (
        "blank"
    )
    halted_row_mode: Annotated[
        Literal["base", "zero", "omit"], Meta(description="halted share in a multi-price answer")
    ] = "base"
    row_order: Annotated[Literal["request", "shuffled"], Meta(description="rows of a multi-price answer")] = "request"
    frozen_rows: Annotated[Symbols, Meta(description="multi-price rows that stand still")] = ()
    price_keys: Annotated[Literal[82, 79], Meta(description="keys of inquire-price")] = 82
    virtual: Annotated[bool, Meta(description="behave as the virtual host")] = False
    announced_holidays: Annotated[Dates, Meta(description="days only chk-holiday calls closed")] = ()
    announced_trading_days: Annotated[Dates, Meta(description="days only chk-holiday calls open")] = ()
    master_lines: Annotated[int, Meta(ge=0, description="lines per listing file, 0 = all")] = 0
    master_fault: Annotated[
        Literal["none", "missing", "cut", "empty", "html"], Meta(description="what is wrong with the listing files")
    ] = "none"

    # Keys
    token_issue_once_a_minute: Annotated[bool, Meta(description="refuse a second token request in 60 s")] = True
    token_life_s: Annotated[float, Meta(ge=0, description="life of tokens issued from now on")] = 86_400.0
    old_token_dies: Annotated[bool, Meta(description="a new token ends the older ones of its appkey")] = False
    approval_life_s: Annotated[float, Meta(ge=0, description="life of approval keys issued from now on")] = 86_400.0
    old_approval_dies: Annotated[bool, Meta(description="a new approval key ends the older ones")] = False

    # Sessions of the stream
    session_linger_s: Annotated[float, Meta(ge=0, description="how long an appkey stays taken after its session")] = 0.0
    session_linger_after: Annotated[Literal["dirty", "any"], Meta(description="ends that make it linger")] = "dirty"
    ping_interval_s: Annotated[float, Meta(gt=0, description="seconds between PINGPONG messages")] = 10.0
    silence_limit_s: Annotated[float, Meta(gt=0, description="a client silent for so long is closed")] = 100.0
    connect_limit: Annotated[int, Meta(ge=0, description="connects per connect_window_s, 0 = any")] = 0
    connect_limit_by: Annotated[
        Literal["address", "appkey"], Meta(description="whose connects: HTTP 403 to the address, or a cut session")
    ] = "appkey"
    connect_window_s: Annotated[float, Meta(gt=0, description="window of connect_limit")] = 60.0
    connect_block_s: Annotated[float, Meta(ge=0, description="how long a client above it is refused")] = 300.0
    ack_output: Annotated[bool, Meta(description="acknowledgements carry iv and key")] = True
    ack_error_code: Annotated[str, Meta(description="OPSP code to refuse registrations with; empty = none")] = ""
    ack_error_rate: Annotated[float, Meta(ge=0, le=1, description="registrations refused with it")] = 1.0
    unlisted_key_mode: Annotated[Literal["refuse", "silent"], Meta(description="registration of an unlisted code")] = (
        "refuse"
    )

    # Frames of the stream
    frame_width: Annotated[int, Meta(ge=46, le=60, description="fields of a trade record")] = 47
    book_width: Annotated[Literal[0, 59, 62, 63, 64], Meta(description="of a book; 0 = as of frame_width")] = 0
    operation_width: Annotated[Literal[10, 11], Meta(description="of a market operation record")] = 11
    records_per_frame: Annotated[int, Meta(ge=1, le=100, description="most trades in a frame; above 8 KiB from 29")] = (
        20
    )
    batch_wait_s: Annotated[float, Meta(ge=0, description="collect trades for so long before they are framed")] = 0.0
    truncate_rate: Annotated[float, Meta(ge=0, le=1, description="trade frames cut in a record")] = 0.0
    drop_record_rate: Annotated[float, Meta(ge=0, le=1, description="trades left out of their frame")] = 0.0
    duplicate_rate: Annotated[float, Meta(ge=0, le=1, description="trade frames sent twice")] = 0.0
    reorder_rate: Annotated[float, Meta(ge=0, le=1, description="trade frames sent after their successor")] = 0.0
    disorder_s: Annotated[
        float, Meta(ge=0, description="the last two only so long after a registration; 0 = always")
    ] = 5.0
    replay_records: Annotated[int, Meta(ge=0, le=30, description="latest trades sent again at a registration")] = 0
    silence_stream: Annotated[bool, Meta(description="every session: open, nothing sent, no PINGPONG")] = False
    silent_sessions: Annotated[Symbols, Meta(description="the same for these sessions, as the ledger names them")] = ()
    silent_symbols: Annotated[Symbols, Meta(description="acknowledged, never any data")] = ()
    expected_in_trades: Annotated[bool, Meta(description="H0STCNT0 carries expected prices in auctions too")] = False

    # Market
    off_tick_rate: Annotated[float, Meta(ge=0, le=1, description="executions at the mid price")] = 0.004
    automatic_vi: Annotated[bool, Meta(description="10 % from the last single price freezes a symbol")] = True
    vi_duration_s: Annotated[float, Meta(gt=0, description="call auction of a VI, before its random end")] = 120.0

    @property
    def call_limit(self) -> int:
        """Return the calls a second in force."""
        return self.virtual_rest_limit if self.virtual else self.rest_limit

    @property
    def trade_width(self) -> int:
        """Return the number of fields of a trade record."""
        return len(TRADE_FIELDS) - (47 - self.frame_width)

    @property
    def book_fields(self) -> int:
        """Return the number of fields of a book record."""
        return self.book_width or len(BOOK_FIELDS) - (47 - self.frame_width)


def knob_descriptions() -> dict[str, str]:
    """Return what each knob means, by its name."""
    described = {}
    for field in msgspec.inspect.type_info(Knobs).fields:  # type: ignore[attr-defined]
        described[field.name] = _description(field.type)
    return described


def _description(kind: msgspec.inspect.Type) -> str:
    extra = kind.extra_json_schema if isinstance(kind, msgspec.inspect.Metadata) else None
    return str((extra or {}).get("description", ""))
