"""Tokens are asked for as seldom as the broker demands, whoever asks and whatever happened before."""

import asyncio
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S
from observer_core.errors import FatalFeedError, FeedError, TransientFeedError
from observer_core.ids import MonotonicNs, TimeNs
from observer_core.kis.auth import ISSUE_SPACING_S, IssuedToken, TokenStore, cache_path
from observer_core.settings import AppKey, Secret

START_NS = 1_795_137_600 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S


class _Broker:
    """Issues numbered tokens, and writes down when it was asked; its clock runs fast while somebody waits."""

    def __init__(self) -> None:
        self.at_ns = START_NS
        self.asked_ns: list[int] = []
        self.failures: list[FeedError] = []
        self.same: str | None = None

    def now_ns(self) -> TimeNs:
        return TimeNs(self.at_ns)

    def monotonic_ns(self) -> MonotonicNs:
        return MonotonicNs(self.at_ns)

    async def issue(self) -> IssuedToken:
        self.asked_ns.append(self.at_ns)
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        return IssuedToken(Secret(self.same or f"token-{len(self.asked_ns)}"), self.at_ns + DAY_NS)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> _Broker:
    broker = _Broker()
    sleep = asyncio.sleep

    async def hurry(seconds: float) -> None:
        broker.at_ns += int(seconds * NS_PER_S)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", hurry)
    return broker


def _store(directory: Path, broker: _Broker) -> TokenStore:
    return TokenStore(directory / "cache" / "token-1.json", broker.issue, broker)


def _run(procedure: Callable[[], Awaitable[None]]) -> None:
    async def body() -> None:
        await procedure()

    asyncio.run(body())


def _apart(broker: _Broker) -> bool:
    return all(
        later - earlier >= 60 * NS_PER_S for earlier, later in zip(broker.asked_ns, broker.asked_ns[1:], strict=False)
    )


def test_one_request_for_everybody_at_once_and_after_a_restart(tmp_path: Path, broker: _Broker) -> None:
    async def procedure() -> None:
        stores = [_store(tmp_path, broker) for _ in range(8)]
        tokens = await asyncio.gather(*(store.token() for store in stores for _ in range(3)))
        assert {token.reveal() for token in tokens} == {"token-1"}
        assert (await _store(tmp_path, broker).token()).reveal() == "token-1"
        assert len(broker.asked_ns) == 1

    _run(procedure)


def test_it_is_replaced_an_hour_before_it_expires(tmp_path: Path, broker: _Broker) -> None:
    async def procedure() -> None:
        store = _store(tmp_path, broker)
        await store.token()
        broker.at_ns += 23 * 3600 * NS_PER_S - 2 * NS_PER_S
        assert (await store.token()).reveal() == "token-1"
        broker.at_ns += 2 * NS_PER_S
        assert (await store.token()).reveal() == "token-2"

    _run(procedure)


def test_a_failed_refresh_leaves_the_old_token_in_use(tmp_path: Path, broker: _Broker) -> None:
    async def procedure() -> None:
        store = _store(tmp_path, broker)
        await store.token()
        broker.at_ns += 23 * 3600 * NS_PER_S
        broker.failures = [TransientFeedError("down"), TransientFeedError("too soon", code="EGW00133")]
        assert (await store.token()).reveal() == "token-1"
        assert (await store.token()).reveal() == "token-1"
        assert len(broker.asked_ns) == 2
        broker.at_ns += 3600 * NS_PER_S
        assert (await store.token()).reveal() == "token-4"
        assert _apart(broker)

    _run(procedure)


def test_a_refused_token_is_replaced_once_for_all(tmp_path: Path, broker: _Broker) -> None:
    async def procedure() -> None:
        stores = [_store(tmp_path, broker) for _ in range(4)]
        failed = [await store.token() for store in stores]
        renewed = await asyncio.gather(
            *(store.renew(token, broker.at_ns) for store, token in zip(stores, failed, strict=True))
        )
        assert {token.reveal() for token in renewed} == {"token-2"}
        assert len(broker.asked_ns) == 2
        assert _apart(broker)

    _run(procedure)


def test_the_same_token_given_anew_is_tried_by_everybody_after_one_request(tmp_path: Path, broker: _Broker) -> None:
    async def procedure() -> None:
        broker.same = "same"
        stores = [_store(tmp_path, broker) for _ in range(4)]
        failed = [await store.token() for store in stores]
        asked_ns = broker.at_ns
        renewed = await asyncio.gather(
            *(store.renew(token, asked_ns) for store, token in zip(stores, failed, strict=True))
        )
        assert {token.reveal() for token in renewed} == {"same"}
        assert len(broker.asked_ns) == 2
        # Refused again: once more a minute's patience and one request, however many ask.
        await asyncio.gather(*(store.renew(token, broker.at_ns) for store, token in zip(stores, renewed, strict=True)))
        assert len(broker.asked_ns) == 3
        assert _apart(broker)

    _run(procedure)


def test_the_brokers_minute_is_waited_for(tmp_path: Path, broker: _Broker) -> None:
    async def procedure() -> None:
        broker.failures = [TransientFeedError("1분당 1회", code="EGW00133")]
        store = _store(tmp_path, broker)
        assert (await store.token()).reveal() == "token-2"
        assert broker.asked_ns[1] - broker.asked_ns[0] >= ISSUE_SPACING_S * NS_PER_S
        assert not store.waiting

    _run(procedure)


@pytest.mark.parametrize(
    "failure", [TransientFeedError("down", code="timeout"), FatalFeedError("key", code="EGW00103")]
)
def test_a_failure_reaches_the_caller_and_the_minute_survives_a_restart(
    tmp_path: Path, broker: _Broker, failure: FeedError
) -> None:
    async def procedure() -> None:
        broker.failures = [failure]
        with pytest.raises(type(failure)):
            await _store(tmp_path, broker).token()
        assert (await _store(tmp_path, broker).token()).reveal() == "token-2"
        assert _apart(broker)

    _run(procedure)


def test_a_clock_set_back_delays_by_a_minute_at_most(tmp_path: Path, broker: _Broker) -> None:
    async def procedure() -> None:
        broker.failures = [TransientFeedError("down")]
        with pytest.raises(TransientFeedError):
            await _store(tmp_path, broker).token()
        broker.at_ns -= 10 * 3600 * NS_PER_S
        before_ns = broker.at_ns
        await _store(tmp_path, broker).token()
        assert broker.at_ns - before_ns <= 2 * ISSUE_SPACING_S * NS_PER_S

    _run(procedure)


def test_a_damaged_cache_is_made_anew_but_not_within_the_minute(tmp_path: Path, broker: _Broker) -> None:
    async def procedure() -> None:
        store = _store(tmp_path, broker)
        await store.token()
        file = tmp_path / "cache" / "token-1.json"
        file.write_text("{")
        written_ns = file.stat().st_mtime_ns
        broker.at_ns = written_ns + NS_PER_S
        await _store(tmp_path, broker).token()
        assert broker.asked_ns[1] >= written_ns + int(ISSUE_SPACING_S * NS_PER_S)

    _run(procedure)


def test_files_are_private_and_named_after_nothing(tmp_path: Path, broker: _Broker) -> None:
    directory = tmp_path / "cache"
    directory.mkdir(mode=0o755)
    asyncio.run(_store(tmp_path, broker).token())
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    key = AppKey(Secret("k" * 36), Secret("s" * 180))
    first, second = (cache_path(directory, key, url) for url in ("https://a", "https://b"))
    assert first != second
    assert "kkkk" not in str(first)


@pytest.mark.parametrize("room_bytes", [0, 40])
def test_a_full_disk_costs_the_sharing_of_a_token_and_neither_the_token_nor_the_spacing(
    tmp_path: Path, broker: _Broker, room_bytes: int
) -> None:
    store = _store(tmp_path, broker)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def body() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, hard))
        try:
            first = await store.token()
            assert await store.token() == first
            assert await store.renew(first, broker.at_ns) != first
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
        # With room again, the next one is for everybody.
        third = await store.renew(await store.token(), broker.at_ns)
        assert await _store(tmp_path, broker).token() == third

    _run(body)
    assert len(broker.asked_ns) == 3
    assert _apart(broker)
