"""The board on which the knobs in force hang, and the actions that are done once.

Separate from the table of knobs: this is the only place that changes them, all of a request or none of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from observer_core.errors import ConfigError
from observer_core.kis.simulator.knobs import Knobs, Symbols
from observer_core.kis.simulator.rest_errors import REST_ERRORS
from observer_core.kis.simulator.stream_messages import VERDICTS

__all__ = ["Actions", "FaultBoard", "Knobs"]


class Actions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done once, at the moment it is asked for."""

    drop_sessions: bool | Literal["close", "abort"] = False
    """End every stream session: true or "close" by a close frame, "abort" without one."""
    freeze_sessions: bool = False
    """Leave every session half-open: neither read nor written any more, no FIN, no RST; the appkey stays taken."""
    drop_connections: bool = False
    """Close every REST connection, as the broker does with idle ones."""
    expire_tokens: bool = False
    """End the life of every token: EGW00123 from now on."""
    forget_tokens: bool = False
    """Forget every token: EGW00121 from now on."""
    expire_approvals: bool = False
    """Forget every approval key; running sessions go on."""
    vi: Symbols = ()
    """Freeze these symbols by a volatility interruption."""
    halt: Symbols = ()
    """Halt trading in these symbols."""
    block: Symbols = ()
    """Report a block deal in each of these symbols: volume and value grow, no stream carries it."""
    resume: Symbols = ()
    """End their halt."""
    surge: Symbols = ()
    """Trade these symbols thirty times as fast for a minute."""
    operation_code: str = ""
    """Push this MKOP_CLS_CODE to everybody registered for market operation."""
    encrypted_frame: bool = False
    """Send one encrypted order notice to every session."""
    speed: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Run the exchange clock at this pace from now on; 0 leaves it."""


class FaultBoard:
    """Hold the knobs in force; readers look at `knobs` each time."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = checked(knobs)

    def apply(self, request: dict[str, Any]) -> Actions:
        """Change the named knobs, all or none, and return the actions asked for.

        Raises:
            ConfigError: a name is unknown or a value is out of range; nothing has been changed.
        """
        action_names = {field.name for field in msgspec.structs.fields(Actions)}
        changed = {name: value for name, value in request.items() if name not in action_names}
        try:
            actions = msgspec.convert({name: request[name] for name in request.keys() & action_names}, Actions)
            self.knobs = checked(msgspec.convert(msgspec.structs.asdict(self.knobs) | changed, Knobs))
        except msgspec.ValidationError as error:
            raise ConfigError(f"{error}; knobs are {', '.join(Knobs.__struct_fields__)}") from error
        return actions


def checked(knobs: Knobs) -> Knobs:
    """Return the knobs if the codes they name are the broker's.

    Raises:
        ConfigError: a code is unknown.
    """
    for name, code, known in (
        ("rest_error_code", knobs.rest_error_code, REST_ERRORS),
        ("ack_error_code", knobs.ack_error_code, VERDICTS),
    ):
        if code and code not in known:
            raise ConfigError(f"{name}: {code} is not one of {', '.join(known)}")
    return knobs
