"""Access tokens and approval keys: obtained sparingly, kept safely, shared by all processes of an appkey.

Separate from the endpoints because of one hard rule: the broker allows one token request a minute and sends the
account's owner a message for each. So the token and the time of the last request live in a file that every process
reads, a lock makes sure that one asks and the others wait, and no failure of any kind leads to a second request
within the minute.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from observer_core.clock import KST, NS_PER_S, Clock
from observer_core.errors import FeedError, TransientFeedError
from observer_core.kis.classify import TOKEN_TOO_SOON, rest_failure
from observer_core.kis.transport import Transport
from observer_core.settings import AppKey, Secret

logger = logging.getLogger(__name__)

ISSUE_SPACING_S = 63.0
"""Between two token requests: the broker's minute, and the time a request may have been on its way."""
REFRESH_BEFORE_S = 3600.0
"""A token is replaced this long before it expires: at 23 of its 24 hours."""

_POLL_S = 0.05
_WAIT_STEP_S = 1.0
_APPROVAL_SPACING_S = 1.05


class IssuedToken(NamedTuple):
    """A token as the broker gave it; `expires_ns` is wall clock."""

    token: Secret
    expires_ns: int


class _Cache(msgspec.Struct):
    access_token: str = ""
    expires_ns: int = 0
    attempted_ns: int = 0
    issued_ns: int = 0


class _Refused(NamedTuple):
    """A token that the broker refused, and when it was used (wall clock)."""

    token: Secret | None
    asked_ns: int


_NOTHING_REFUSED = _Refused(None, 0)


class _TokenBody(msgspec.Struct):
    access_token: str
    expires_in: float = 86_400
    access_token_token_expired: str = ""


class _ApprovalBody(msgspec.Struct):
    approval_key: str


async def issue_token(transport: Transport, app_key: AppKey) -> IssuedToken:
    """Ask the broker for an access token.

    Raises:
        FeedError: the broker refused (fatal: wrong credentials) or could not be reached.
    """
    document = {
        "grant_type": "client_credentials",
        "appkey": app_key.key.reveal(),
        "appsecret": app_key.secret.reveal(),
    }
    answer = await transport.post("/oauth2/tokenP", document)
    failure = rest_failure(answer.status, answer.body)
    if failure is not None:
        raise failure
    try:
        body = msgspec.json.decode(answer.body, type=_TokenBody)
    except msgspec.DecodeError:
        # Neither the body nor the decoder's message goes further: they may hold the token.
        raise TransientFeedError("the token answer has no token in it", code="form") from None
    return IssuedToken(Secret(body.access_token), _expires_ns(body, answer.received_ns))


def _expires_ns(body: _TokenBody, received_ns: int) -> int:
    try:
        at = datetime.strptime(body.access_token_token_expired, "%Y-%m-%d %H:%M:%S").replace(tzinfo=KST)
    except ValueError:
        return received_ns + int(body.expires_in * NS_PER_S)
    return int(at.timestamp()) * NS_PER_S


class ApprovalKeys:
    """Approval keys for the WebSocket: a new one per connect, never written down, at most one a second."""

    def __init__(self, transport: Transport, app_key: AppKey, clock: Clock) -> None:
        self._transport = transport
        self._app_key = app_key
        self._clock = clock
        self._asked_ns: int | None = None

    async def issue(self) -> Secret:
        """Return a new approval key.

        Raises:
            FeedError: the broker refused (fatal: wrong credentials) or could not be reached.
        """
        if self._asked_ns is not None:
            since_s = (self._clock.monotonic_ns() - self._asked_ns) / NS_PER_S
            await asyncio.sleep(max(0.0, _APPROVAL_SPACING_S - since_s))
        self._asked_ns = self._clock.monotonic_ns()
        document = {
            "grant_type": "client_credentials",
            "appkey": self._app_key.key.reveal(),
            "secretkey": self._app_key.secret.reveal(),
        }
        answer = await self._transport.post("/oauth2/Approval", document)
        failure = rest_failure(answer.status, answer.body)
        if failure is not None:
            raise failure
        try:
            return Secret(msgspec.json.decode(answer.body, type=_ApprovalBody).approval_key)
        except msgspec.DecodeError:
            raise TransientFeedError("the approval answer has no key in it", code="form") from None


def cache_path(directory: Path, app_key: AppKey, rest_url: str) -> Path:
    """Return the token file of an appkey at a host; its name tells neither."""
    digest = hashlib.sha256(f"{rest_url}\n{app_key.key.reveal()}".encode()).hexdigest()
    return directory / f"token-{digest[:20]}.json"


class TokenStore:
    """The access token of one appkey, whichever process obtained it."""

    def __init__(
        self,
        path: Path,
        issue: Callable[[], Awaitable[IssuedToken]],
        clock: Clock,
        awaits: Callable[[FeedError], bool] = lambda error: False,
    ) -> None:
        """Read nothing yet.

        Args:
            path: the file that all processes of the appkey share.
            issue: asks the broker for a token.
            clock: for expiry and spacing.
            awaits: whether a failure means only that the broker may still be starting.
        """
        self._awaits = awaits
        self._path = path
        self._issue = issue
        self._clock = clock
        self._held: IssuedToken | None = None
        self._unwritten: _Cache | None = None
        """What the disk did not take."""
        self.waiting = False
        """Whether a caller waits for the broker's minute to pass: for the status line."""

    async def token(self) -> Secret:
        """Return a token that is good for a while, obtaining one if there is none.

        Waits for as long as the broker's spacing of token requests demands.

        Raises:
            FeedError: there is no usable token and the broker gave none.
        """
        held = self._held
        if held is not None and self._clock.now_ns() < held.expires_ns - int(REFRESH_BEFORE_S * NS_PER_S):
            return held.token
        return await self._obtain(_NOTHING_REFUSED)

    async def renew(self, failed: Secret, asked_ns: int) -> Secret:
        """Return a token that the broker has given since `asked_ns`, when one was used that it refused.

        Whichever process asked for it. For six hours the broker gives the same token again: given anew, it is worth
        another try.

        Raises:
            FeedError: the broker gave none.
        """
        return await self._obtain(_Refused(failed, asked_ns))

    async def _obtain(self, refused: _Refused) -> Secret:
        try:
            while True:
                async with self._locked():
                    cache = self._read()
                    found = self._usable(cache, refused, int(REFRESH_BEFORE_S * NS_PER_S))
                    wait_s = self._wait_s(cache)
                    if found is None and wait_s <= 0:
                        found = await self._request(cache, refused)
                # Between the refreshing and the expiry the old token is as good as ever.
                found = found or self._usable(cache, refused, 0)
                if found is not None:
                    self._held = found
                    return found.token
                self.waiting = True
                await asyncio.sleep(min(max(wait_s, _POLL_S), _WAIT_STEP_S))
        finally:
            self.waiting = False

    def _usable(self, cache: _Cache, refused: _Refused, reserve_ns: int) -> IssuedToken | None:
        token = Secret(cache.access_token)
        if not cache.access_token or self._clock.now_ns() >= cache.expires_ns - reserve_ns:
            return None
        if token == refused.token and cache.issued_ns <= refused.asked_ns:
            return None
        return IssuedToken(token, cache.expires_ns)

    def _wait_s(self, cache: _Cache) -> float:
        if not cache.attempted_ns:
            return 0.0
        now_ns = self._clock.now_ns()
        if cache.attempted_ns > now_ns:
            # A clock that was set back must not turn the minute into hours: it begins anew, once.
            cache.attempted_ns = now_ns
            self._write(cache)
        return ISSUE_SPACING_S - (now_ns - cache.attempted_ns) / NS_PER_S

    async def _request(self, cache: _Cache, refused: _Refused) -> IssuedToken | None:
        """Make the one request of this minute; None when the broker says it was one too many."""
        attempted_before_ns = cache.attempted_ns
        cache.attempted_ns = self._clock.now_ns()
        self._write(cache)
        try:
            issued = await self._issue()
        except FeedError as error:
            # A request that found no connection was never made: it does not cost the broker's minute.
            cache.attempted_ns = attempted_before_ns if error.code == "transport" else self._clock.now_ns()
            self._write(cache)
            level = logging.INFO if self._awaits(error) else logging.WARNING
            logger.log(level, "token request failed", extra={"code": error.code, "reason": str(error)})
            if error.code == TOKEN_TOO_SOON:
                return None
            old = self._usable(cache, refused, 0)
            if old is None:
                raise
            return old
        now_ns = self._clock.now_ns()
        cache.access_token, cache.expires_ns = issued.token.reveal(), issued.expires_ns
        cache.attempted_ns = cache.issued_ns = now_ns
        self._write(cache)
        logger.info("token issued", extra={"expires_ns": issued.expires_ns})
        return issued

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        # A descriptor of its own per use: the lock then also keeps coroutines of one process apart, and a fork
        # inherits none that matters.
        self._prepare_directory()
        fd = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_POLL_S)
            yield
        finally:
            os.close(fd)

    def _prepare_directory(self) -> None:
        directory = self._path.parent
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & 0o077:
            # A mounted directory may belong to somebody else; the files in it are private by themselves.
            with contextlib.suppress(PermissionError):
                directory.chmod(0o700)

    def _read(self) -> _Cache:
        cache = self._read_file()
        unwritten = self._unwritten
        return unwritten if unwritten is not None and unwritten.attempted_ns > cache.attempted_ns else cache

    def _read_file(self) -> _Cache:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Cache)
        except FileNotFoundError:
            return _Cache()
        except msgspec.DecodeError:
            # The time of the last request went with the content; the file was written at about that time.
            logger.warning("token cache is damaged and made anew", extra={"file": self._path.name})
            return _Cache(attempted_ns=self._path.stat().st_mtime_ns)

    def _write(self, cache: _Cache) -> None:
        """Write the cache for all processes; on a full disk this one goes on with what it has in memory."""
        try:
            self._write_file(cache)
        except OSError as error:
            self._unwritten = cache
            logger.error("token cache not written", extra={"file": self._path.name, "error": str(error)})
        else:
            self._unwritten = None

    def _write_file(self, cache: _Cache) -> None:
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        content = msgspec.json.encode(cache)
        try:
            if os.write(fd, content) != len(content):
                raise OSError(errno.ENOSPC, "no space left for the whole token cache")
            os.fsync(fd)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        temporary.replace(self._path)
