"""Access tokens and approval keys of the simulated broker, with its rules of issue; time is an argument.

Separate from the web application because the rules (one issue a minute, the same token within six hours) are
what the collector's token cache is tested against. Instants are wall-clock nanoseconds.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from observer_core.clock import NS_PER_S
from observer_core.errors import ObserverError
from observer_core.kis.simulator.faults import FaultBoard

APPKEY_CHARACTERS: Final = 36
APPSECRET_CHARACTERS: Final = 180
SAME_TOKEN_NS: Final = 6 * 3_600 * NS_PER_S
ISSUE_INTERVAL_NS: Final = 60 * NS_PER_S
_TOKEN_RANDOM_BYTES: Final = 230


class CredentialRefused(ObserverError):
    """The broker's refusal of a key; `code` is its error_code, `text` its error_description."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(code)


@dataclass(slots=True)
class Token:
    """One access token; never shown in a repr."""

    value: str = field(repr=False)
    appkey: str = field(repr=False)
    issued_ns: int
    expires_ns: int


class Credentials:
    """Issue and check tokens and approval keys; number the appkeys in the order they were first seen."""

    def __init__(self, faults: FaultBoard, accepted_appkeys: Sequence[str] = ()) -> None:
        self._faults = faults
        self._accepted = frozenset(accepted_appkeys)
        self._ordinals: dict[str, int] = {appkey: number for number, appkey in enumerate(accepted_appkeys)}
        self._current: dict[str, Token] = {}
        self._tokens: dict[str, Token] = {}
        self._last_request_ns: dict[str, int] = {}
        self._approvals: dict[str, tuple[str, int]] = {}

    def check_pair(self, appkey: str, secret: str) -> None:
        """Raise `CredentialRefused` unless the pair has the broker's form and the appkey is accepted."""
        if len(appkey) != APPKEY_CHARACTERS or (self._accepted and appkey not in self._accepted):
            raise CredentialRefused("EGW00103", "유효하지 않은 AppKey입니다.")
        if len(secret) != APPSECRET_CHARACTERS:
            raise CredentialRefused("EGW00105", "유효하지 않은 AppSecret입니다.")
        self.ordinal(appkey)

    def ordinal(self, appkey: str) -> int:
        """Return the number of an appkey, 0 for the first one seen; it stands in for the key in all output."""
        return self._ordinals.setdefault(appkey, len(self._ordinals))

    def known_ordinal(self, appkey: str) -> int:
        """Return the number of an appkey seen before, -1 otherwise."""
        return self._ordinals.get(appkey, -1)

    def issue_token(self, appkey: str, now_ns: int) -> Token:
        """Return the token of an appkey: the same one for six hours, refused twice within a minute."""
        previous_ns = self._last_request_ns.get(appkey)
        limited = self._faults.knobs.token_issue_once_a_minute
        if limited and previous_ns is not None and now_ns - previous_ns < ISSUE_INTERVAL_NS:
            raise CredentialRefused("EGW00133", "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)")
        self._last_request_ns[appkey] = now_ns
        token = self._current.get(appkey)
        if token is None or now_ns - token.issued_ns >= SAME_TOKEN_NS or now_ns >= token.expires_ns:
            life_ns = int(self._faults.knobs.token_life_s * NS_PER_S)
            if self._faults.knobs.old_token_dies:
                self._tokens = {value: old for value, old in self._tokens.items() if old.appkey != appkey}
            token = Token(_token_text(), appkey, now_ns, now_ns + life_ns)
            self._current[appkey] = self._tokens[token.value] = token
        return token

    def check_token(self, value: str, appkey: str, now_ns: int) -> None:
        """Raise `CredentialRefused` unless the token is the appkey's and still lives."""
        token = self._tokens.get(value)
        if token is None or token.appkey != appkey:
            raise CredentialRefused("EGW00121", "유효하지 않은 token 입니다.")
        if now_ns >= token.expires_ns:
            raise CredentialRefused("EGW00123", "기간이 만료된 token 입니다.")

    def revoke_token(self, value: str) -> None:
        """Forget a token; an unknown one is no error."""
        token = self._tokens.pop(value, None)
        if token is not None and self._current.get(token.appkey) is token:
            del self._current[token.appkey]

    def expire_tokens(self, now_ns: int) -> None:
        """End the life of every token now."""
        for token in self._tokens.values():
            token.expires_ns = min(token.expires_ns, now_ns)

    def forget_tokens(self) -> None:
        """Forget every token, as if none had ever been issued; the minute between requests stays."""
        self._tokens.clear()
        self._current.clear()

    def expire_approvals(self) -> None:
        """Forget every approval key."""
        self._approvals.clear()

    def issue_approval(self, appkey: str, now_ns: int) -> str:
        """Return a new approval key; earlier ones stay valid for their own life unless switched otherwise."""
        if self._faults.knobs.old_approval_dies:
            self._approvals = {key: held for key, held in self._approvals.items() if held[0] != appkey}
        key = str(uuid.uuid4())
        self._approvals[key] = (appkey, now_ns + int(self._faults.knobs.approval_life_s * NS_PER_S))
        return key

    def appkey_of_approval(self, key: str, now_ns: int) -> str | None:
        """Return the appkey behind an approval key, None when it is unknown or expired."""
        appkey, expires_ns = self._approvals.get(key, ("", 0))
        return appkey if now_ns < expires_ns else None


def _token_text() -> str:
    """Return text of a JWT's form and length, 346 characters."""
    body = secrets.token_urlsafe(_TOKEN_RANDOM_BYTES + 30)
    return f"eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.{body[:222]}.{body[222:308]}"
