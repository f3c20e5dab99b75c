"""What the simulated exchange counts about itself, cumulative since its start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Counters:
    """Totals by endpoint, by code and by appkey ordinal; connects also when no key was ever shown."""

    requests: Counter[str] = field(default_factory=Counter)
    rest_refusals: Counter[str] = field(default_factory=Counter)
    rest_limit_refusals: int = 0
    tokens_issued: int = 0
    tokens_refused: int = 0
    approvals_issued: int = 0
    quotes_sent: int = 0
    rest_dropped: int = 0
    connects: int = 0
    connects_refused: int = 0
    connects_by_appkey: Counter[int] = field(default_factory=Counter)
    sessions_now: Counter[int] = field(default_factory=Counter)
    sessions_maximum: Counter[int] = field(default_factory=Counter)
    acks: Counter[str] = field(default_factory=Counter)
    frames_sent: int = 0
    records_sent: Counter[str] = field(default_factory=Counter)
    records_withheld: Counter[str] = field(default_factory=Counter)

    def session_opened(self, ordinal: int) -> None:
        """Count a stream session of an appkey."""
        self.connects_by_appkey[ordinal] += 1
        self.sessions_now[ordinal] += 1
        self.sessions_maximum[ordinal] = max(self.sessions_maximum[ordinal], self.sessions_now[ordinal])

    def session_closed(self, ordinal: int) -> None:
        """Count the end of a stream session of an appkey."""
        self.sessions_now[ordinal] -= 1

    def as_json(self) -> dict[str, Any]:
        """Return the totals with text keys."""
        result: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            result[name] = {str(key): n for key, n in value.items()} if isinstance(value, Counter) else value
        return result
