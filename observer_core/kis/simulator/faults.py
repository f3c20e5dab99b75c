"""The knobs that make the simulated exchange misbehave, and the one-off actions.

One struct, so that the control port, the command line and the tests speak of the same names; a new fault is a
field here and its effect where it happens.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from observer_core.errors import ConfigError
from observer_core.kis.simulator.frames import CURRENT_BOOK_WIDTH, CURRENT_TRADE_WIDTH
from observer_core.kis.simulator.limiter import WindowKind

Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]


class Knobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """State that lasts until it is changed again; the defaults are the broker's measured behaviour."""

    rest_limit: Annotated[int, msgspec.Meta(ge=0)] = 18
    rest_window: WindowKind = "sliding"
    random_refusal_rate: Probability = 0.0
    rest_down: bool = False
    rest_latency_ms: NotNegative = 0.0
    unknown_code_mode: Literal["blank", "omit", "error"] = "blank"
    halted_row_mode: Literal["base", "zero"] = "base"
    virtual: bool = False
    """Behave as the virtual host: no multi-price, no market operation."""
    token_issue_once_a_minute: bool = True
    token_life_s: NotNegative = 86_400.0
    approval_life_s: NotNegative = 86_400.0
    frame_width: Literal[46, 47] = 47
    """Fields of a trade record; 46 also gives books of 62 instead of 63 fields."""
    ack_output: bool = True
    silence_stream: bool = False
    session_linger_s: NotNegative = 0.0
    """How long an appkey stays taken after its session ended."""
    ping_interval_s: Annotated[float, msgspec.Meta(gt=0.0)] = 10.0
    silence_limit_s: Annotated[float, msgspec.Meta(gt=0.0)] = 100.0
    """A session that answers nothing for this long is closed."""

    @property
    def trade_width(self) -> int:
        """Return the number of fields of a trade record."""
        return CURRENT_TRADE_WIDTH - (47 - self.frame_width)

    @property
    def book_width(self) -> int:
        """Return the number of fields of a book record."""
        return CURRENT_BOOK_WIDTH - (47 - self.frame_width)


class Actions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done once, at the moment it is asked for."""

    drop_sessions: bool | Literal["close", "abort"] = False
    """End every stream session: true or "close" by a close frame, "abort" without one."""


class FaultBoard:
    """Hold the knobs in force; readers look at `knobs` each time."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs

    def apply(self, request: dict[str, Any]) -> Actions:
        """Change the named knobs, all or none, and return the actions asked for.

        Raises:
            ConfigError: a name is unknown or a value is out of range; nothing has been changed.
        """
        action_names = {field.name for field in msgspec.structs.fields(Actions)}
        changed = {name: value for name, value in request.items() if name not in action_names}
        try:
            actions = msgspec.convert({name: request[name] for name in request.keys() & action_names}, Actions)
            self.knobs = msgspec.convert(msgspec.structs.asdict(self.knobs) | changed, Knobs)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{error}; knobs are {', '.join(Knobs.__struct_fields__)}") from error
        return actions
