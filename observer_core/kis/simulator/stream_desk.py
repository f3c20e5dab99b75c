"""Who may have a session and what each session is registered for.

Separate from the server so that the broker's rules on sessions and registrations (KIS protocol notes §5.1) are
plain state without sockets. Times are monotonic nanoseconds unless named otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from observer_core.clock import NS_PER_S
from observer_core.kis import fields
from observer_core.kis.simulator import stream_messages as messages
from observer_core.kis.simulator.ledger import SessionRow
from observer_core.kis.simulator.limiter import ConnectGuard
from observer_core.kis.simulator.stream_messages import StreamRequest, Verdict
from observer_core.kis.simulator.venue import Venue

if TYPE_CHECKING:
    from observer_core.kis.simulator.stream_session import StreamSession

BLOCKED: Final = Verdict("BLOCKED", "9", "")
"""Not an answer of the broker: the connection of a client that connects too often is cut without one."""

TRADE_STREAMS: Final = frozenset((fields.TR_TRADE, fields.TR_TRADE_UNIFIED))


_FOLLOWED_NS: Final = 5 * NS_PER_S
"""A registration that was taken back may be renewed: for so long the ledger goes on."""
_FOR_EVER_NS: Final = 2**63 - 1


class Orphan(NamedTuple):
    """Why nobody is registered for a symbol, and until when it is followed, monotonic."""

    why: str
    until_ns: int


class StreamDesk:
    """Admit sessions, keep registrations, tap the tapes that somebody listens to."""

    def __init__(self, venue: Venue) -> None:
        self.trade_listeners: defaultdict[str, set[tuple[str, StreamSession]]] = defaultdict(set)
        """By symbol: (TR, session) of everybody who gets its executions."""
        self.listeners: defaultdict[str, dict[str, set[StreamSession]]] = defaultdict(dict)
        """By TR and symbol: everybody registered, of the streams that are not executions."""
        self.orphans: dict[str, Orphan] = {}
        """Symbols that nobody is registered for any more, while the ledger still follows them."""
        self._venue = venue
        self._guard = ConnectGuard()
        self._random = Random(f"{venue.seed}:desk")
        self._holders: dict[str, StreamSession] = {}
        self._lingering_until_ns: dict[str, int] = {}

    def admits_connect(self, address: str) -> bool:
        """Tell whether an address may connect; counts it when addresses are guarded."""
        knobs = self._venue.faults.knobs
        if knobs.connect_limit_by != "address":
            return True
        return self._admitted(address, -1)

    def decide(self, session: StreamSession, request: StreamRequest) -> Verdict:
        """Carry out a request and return the broker's verdict on it."""
        refusal = self._admit(session, request.approval_key) or self._misfortune()
        if refusal is not None:
            return refusal
        tr_id, tr_key = request.tr_id, request.tr_key
        knobs = self._venue.faults.knobs
        if tr_id not in (messages.ON_VIRTUAL if knobs.virtual else messages.SUBSCRIBABLE):
            return messages.INVALID_TR_ID
        listed = tr_id in messages.ORDER_NOTICES or self._venue.exchange.lists(tr_key)
        if not listed and knobs.unlisted_key_mode == "refuse":
            return messages.INVALID_TR_KEY
        if request.tr_type == messages.REGISTER:
            return self._register(session, tr_id, tr_key)
        return self._remove(session, tr_id, tr_key)

    def dismiss(self, session: StreamSession, now_ns: int) -> None:
        """Forget a session that has ended; its appkey may linger."""
        for tr_id, tr_key in tuple(session.registrations):
            if tr_id in TRADE_STREAMS:
                self._orphan(session, tr_id, tr_key)
            else:
                self._remove(session, tr_id, tr_key)
        if self._holders.get(session.appkey) is not session:
            return
        del self._holders[session.appkey]
        knobs = self._venue.faults.knobs
        if session.ended_dirty or knobs.session_linger_after == "any":
            self._lingering_until_ns[session.appkey] = now_ns + int(knobs.session_linger_s * NS_PER_S)
        ordinal = self._venue.credentials.ordinal(session.appkey)
        self._venue.counters.session_closed(ordinal)
        self._note("session_closed", session, ordinal)

    def _admit(self, session: StreamSession, approval_key: str) -> Verdict | None:
        """Bind a session to its appkey at its first valid request; one session per appkey."""
        appkey = self._venue.credentials.appkey_of_approval(approval_key, self._venue.clock.now_ns())
        if appkey is None:
            return messages.invalid_approval(approval_key)
        if session.appkey:
            return None
        ordinal = self._venue.credentials.ordinal(appkey)
        if self._venue.faults.knobs.connect_limit_by == "appkey" and not self._admitted(appkey, ordinal):
            return BLOCKED
        lingers = self._venue.clock.monotonic_ns() < self._lingering_until_ns.get(appkey, 0)
        if lingers or appkey in self._holders:
            self._venue.refused(session.receiver, messages.IN_USE.code, ordinal)
            return messages.IN_USE
        session.appkey = appkey
        self._holders[appkey] = session
        self._venue.counters.session_opened(ordinal)
        self._note("session_opened", session, ordinal)
        return None

    def _admitted(self, client: str, ordinal: int) -> bool:
        if self._guard.admit(client, self._venue.clock.monotonic_ns(), self._venue.faults.knobs):
            return True
        self._venue.counters.connects_refused += 1
        self._venue.refused("connect", BLOCKED.code, ordinal)
        return False

    def _misfortune(self) -> Verdict | None:
        """Return the refusal that is switched on, for its share of the requests."""
        knobs = self._venue.faults.knobs
        if knobs.ack_error_code and self._random.random() < knobs.ack_error_rate:
            return messages.VERDICTS[knobs.ack_error_code]
        return None

    def _register(self, session: StreamSession, tr_id: str, tr_key: str) -> Verdict:
        if (tr_id, tr_key) in session.registrations:
            return messages.ALREADY_SUBSCRIBED
        if len(session.registrations) >= fields.MAX_REGISTRATIONS:
            ordinal = self._venue.credentials.ordinal(session.appkey)
            self._venue.refused(session.receiver, messages.TOO_MANY.code, ordinal)
            return messages.TOO_MANY
        session.registrations.add((tr_id, tr_key))
        session.registered_ns = self._venue.clock.monotonic_ns()
        tape = self._venue.exchange.tape(tr_key)
        if tape is None:
            return messages.SUBSCRIBED
        if tr_id not in TRADE_STREAMS:
            self.listeners[tr_id].setdefault(tr_key, set()).add(session)
        elif tr_id == fields.TR_TRADE or tape.listing.on_nxt:
            tape.tap(self._venue.exchange.clock.now_ns())
            self.trade_listeners[tr_key].add((tr_id, session))
            self.orphans.pop(tr_key, None)
        return messages.SUBSCRIBED

    def follow(self, now_ns: int) -> dict[str, str]:
        """Return the symbols to follow for the ledger and why nobody gets what they trade; drop those that had time."""
        for code in [code for code, orphan in self.orphans.items() if orphan.until_ns < now_ns]:
            del self.orphans[code]
            tape = self._venue.exchange.tape(code)
            if tape is not None:
                tape.untap()
        return {code: orphan.why for code, orphan in self.orphans.items()}

    def _orphan(self, session: StreamSession, tr_id: str, tr_key: str) -> None:
        """End a registration with its session; the symbol stays tapped, so that the ledger knows what it traded."""
        session.registrations.discard((tr_id, tr_key))
        if (tr_id, session) in self.trade_listeners.get(tr_key, ()):
            self.trade_listeners[tr_key].discard((tr_id, session))
            if not self.trade_listeners[tr_key]:
                del self.trade_listeners[tr_key]
                self.orphans[tr_key] = Orphan("no_session", _FOR_EVER_NS)

    def _remove(self, session: StreamSession, tr_id: str, tr_key: str) -> Verdict:
        if (tr_id, tr_key) not in session.registrations:
            return messages.NOT_SUBSCRIBED
        session.registrations.discard((tr_id, tr_key))
        if tr_id not in TRADE_STREAMS:
            of_stream = self.listeners[tr_id]
            if tr_key in of_stream:
                of_stream[tr_key].discard(session)
                if not of_stream[tr_key]:
                    del of_stream[tr_key]
        elif tr_key in self.trade_listeners:
            self.trade_listeners[tr_key].discard((tr_id, session))
            if not self.trade_listeners[tr_key]:
                del self.trade_listeners[tr_key]
                until_ns = self._venue.clock.monotonic_ns() + _FOLLOWED_NS
                self.orphans[tr_key] = Orphan("not_registered", until_ns)
        return messages.UNSUBSCRIBED

    def _note(self, kind: Literal["session_opened", "session_closed"], session: StreamSession, ordinal: int) -> None:
        self._venue.ledger.append(SessionRow(kind, session.receiver, self._venue.clock.now_ns(), ordinal))
