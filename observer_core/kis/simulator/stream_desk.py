"""Who may have a session and what each session is registered for.

Separate from the server so that the broker's rules on sessions and registrations (KIS protocol notes §5.1) are
plain state without sockets. Times are monotonic nanoseconds unless named otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from observer_core.clock import NS_PER_S
from observer_core.kis import fields
from observer_core.kis.simulator import stream_messages as messages
from observer_core.kis.simulator.ledger import SessionRow
from observer_core.kis.simulator.stream_messages import StreamRequest, Verdict
from observer_core.kis.simulator.venue import Venue

if TYPE_CHECKING:
    from observer_core.kis.simulator.stream_session import StreamSession


class StreamDesk:
    """Admit sessions, keep registrations, tap the tapes that somebody listens to."""

    def __init__(self, venue: Venue) -> None:
        self.trade_listeners: defaultdict[str, set[StreamSession]] = defaultdict(set)
        self.book_listeners: defaultdict[str, set[StreamSession]] = defaultdict(set)
        self._venue = venue
        self._holders: dict[str, StreamSession] = {}
        self._lingering_until_ns: dict[str, int] = {}

    def decide(self, session: StreamSession, request: StreamRequest) -> Verdict:
        """Carry out a request and return the broker's verdict on it."""
        header, body = request.header, request.body
        if body is None:
            return messages.MALFORMED
        if header.tr_type not in (messages.REGISTER, messages.REMOVE):
            return messages.INVALID_TR_TYPE
        refusal = self._admit(session, header.approval_key)
        if refusal is not None:
            return refusal
        tr_id, tr_key = body.input.tr_id, body.input.tr_key
        known = messages.ON_VIRTUAL if self._venue.faults.knobs.virtual else messages.SUBSCRIBABLE
        if tr_id not in known:
            return messages.INVALID_TR_ID
        if not self._venue.exchange.lists(tr_key):
            return messages.INVALID_TR_KEY
        if header.tr_type == messages.REGISTER:
            return self._register(session, tr_id, tr_key)
        return self._remove(session, tr_id, tr_key)

    def dismiss(self, session: StreamSession, now_ns: int) -> None:
        """Forget a session that has ended; its appkey may linger."""
        for tr_id, tr_key in tuple(session.registrations):
            self._remove(session, tr_id, tr_key)
        if self._holders.get(session.appkey) is not session:
            return
        del self._holders[session.appkey]
        linger_s = self._venue.faults.knobs.session_linger_s
        self._lingering_until_ns[session.appkey] = now_ns + int(linger_s * NS_PER_S)
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
        lingers = self._venue.clock.monotonic_ns() < self._lingering_until_ns.get(appkey, 0)
        if lingers or appkey in self._holders:
            self._venue.refused(session.receiver, messages.IN_USE.code, ordinal)
            return messages.IN_USE
        session.appkey = appkey
        self._holders[appkey] = session
        self._venue.counters.session_opened(ordinal)
        self._note("session_opened", session, ordinal)
        return None

    def _register(self, session: StreamSession, tr_id: str, tr_key: str) -> Verdict:
        if (tr_id, tr_key) in session.registrations:
            return messages.ALREADY_SUBSCRIBED
        if len(session.registrations) >= fields.MAX_REGISTRATIONS:
            ordinal = self._venue.credentials.ordinal(session.appkey)
            self._venue.refused(session.receiver, messages.TOO_MANY.code, ordinal)
            return messages.TOO_MANY
        session.registrations.add((tr_id, tr_key))
        tape = self._venue.exchange.tape(tr_key)
        if tr_id == fields.TR_TRADE and tape is not None:
            tape.tap(self._venue.exchange.clock.now_ns())
            self.trade_listeners[tr_key].add(session)
        elif tr_id == fields.TR_BOOK:
            self.book_listeners[tr_key].add(session)
        return messages.SUBSCRIBED

    def _remove(self, session: StreamSession, tr_id: str, tr_key: str) -> Verdict:
        if (tr_id, tr_key) not in session.registrations:
            return messages.NOT_SUBSCRIBED
        session.registrations.discard((tr_id, tr_key))
        listeners = {fields.TR_TRADE: self.trade_listeners, fields.TR_BOOK: self.book_listeners}.get(tr_id)
        if listeners is not None:
            listeners[tr_key].discard(session)
            if not listeners[tr_key]:
                del listeners[tr_key]
                tape = self._venue.exchange.tape(tr_key)
                if tr_id == fields.TR_TRADE and tape is not None:
                    tape.untap()
        return messages.UNSUBSCRIBED

    def _note(self, kind: str, session: StreamSession, ordinal: int) -> None:
        now_ns = self._venue.clock.now_ns()
        opened = kind == "session_opened"
        self._venue.ledger.append(
            SessionRow("session_opened" if opened else "session_closed", session.receiver, now_ns, ordinal)
        )
