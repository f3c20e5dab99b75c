"""What a session asked the broker to send, and what the broker said to that. Pure.

Separate from the socket because an acknowledgement that never came is the dangerous case: whatever is not confirmed
counts as not subscribed, and the caller must be able to ask for how long that has been so.
"""

from collections.abc import Iterable
from typing import NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.errors import FeedError
from observer_core.kis.classify import ALREADY_SUBSCRIBED, NOT_SUBSCRIBED, SUBSCRIBED, UNSUBSCRIBED, stream_failure
from observer_core.kis.fields import MAX_REGISTRATIONS
from observer_core.kis.wire import ControlMessage, Registration


class _Asked(NamedTuple):
    at_ns: int
    sent: bool


class Registrations:
    """The registrations of one session by state: asked for, active, refused, being removed."""

    def __init__(self) -> None:
        self.active: set[Registration] = set()
        """Confirmed by the broker; not yet a proof that data comes."""
        self.refused: dict[Registration, FeedError] = {}
        """Refused by the broker, until asked for again or withdrawn."""
        self._asked: dict[Registration, _Asked] = {}
        self._leaving: dict[Registration, int] = {}
        """Since when: a broker that never confirms must not keep a symbol away for ever."""

    @property
    def held(self) -> set[Registration]:
        """Return what counts against the broker's limit: active, asked for or not yet confirmed as removed."""
        return self.active | set(self._leaving) | set(self._asked)

    @property
    def room(self) -> int:
        """Return how many more the broker would take."""
        return MAX_REGISTRATIONS - len(self.held)

    def leaving(self, now_ns: int, not_longer_than_s: float) -> set[Registration]:
        """Return what was taken back lately and may still be sent: the broker has not confirmed it."""
        since_ns = now_ns - int(not_longer_than_s * NS_PER_S)
        return {item for item, left_ns in self._leaving.items() if left_ns > since_ns}

    @property
    def settled(self) -> bool:
        """Return whether the broker answered everything that was asked."""
        return not self._asked and not self._leaving

    def ask(self, registrations: Iterable[Registration], now_ns: int) -> list[Registration]:
        """Note what is to be subscribed; return what actually has to be sent."""
        news = [item for item in dict.fromkeys(registrations) if item not in self.active and item not in self._asked]
        for item in news:
            self.refused.pop(item, None)
            self._asked[item] = _Asked(now_ns, sent=False)
        return news

    def sent(self, registration: Registration, now_ns: int) -> None:
        """Note that a request went out now: the broker's time to answer begins."""
        if registration in self._asked:
            self._asked[registration] = _Asked(now_ns, sent=True)

    def withdraw(self, registrations: Iterable[Registration], now_ns: int) -> list[Registration]:
        """Note what is to be removed; return what actually has to be sent."""
        leaving = [item for item in dict.fromkeys(registrations) if item in self.active or item in self._asked]
        for item in leaving:
            self.active.discard(item)
            self._asked.pop(item, None)
            self._leaving[item] = now_ns
        return leaving

    def answered(self, message: ControlMessage) -> FeedError | None:
        """Apply a control message; return the error if it is one."""
        failure = stream_failure(message)
        item = message.registration
        match message.code:
            case code if code in {SUBSCRIBED, ALREADY_SUBSCRIBED}:
                # An acknowledgement that crossed the withdrawal is followed by that one's own.
                if item not in self._leaving:
                    self.active.add(item)
                self._asked.pop(item, None)
            case code if code in {UNSUBSCRIBED, NOT_SUBSCRIBED}:
                self._leaving.pop(item, None)
                self.active.discard(item)
            case _ if failure is not None and item in self._asked:
                del self._asked[item]
                self.refused[item] = failure
            case _ if item in self._leaving and failure is not None:
                self._leaving.pop(item, None)
        return failure

    def unconfirmed(self, now_ns: int, longer_than_s: float) -> set[Registration]:
        """Return what was sent longer ago than that and is still unanswered."""
        before_ns = now_ns - int(longer_than_s * NS_PER_S)
        return {item for item, asked in self._asked.items() if asked.sent and asked.at_ns <= before_ns}
