"""The HTTP connections to the broker against small real servers that do what a server may do to one."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path

import pytest

from observer_core.clock import SystemClock
from observer_core.errors import TransientFeedError, UnreachableFeedError
from observer_core.kis.connection import DroppedConnectionError
from observer_core.kis.transport import Transport, tls_context
from observer_core.pacing.first_answer import START_PATIENCE_S
from tests.fixtures.journals import SteppingClock
from tests.fixtures.patience import PATIENCE_S

pytestmark = pytest.mark.integration

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
FIXED = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\nhello"
EARLY_HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of a coroutine function."""

    @wraps(test)
    def run(*arguments: object, **fixtures: object) -> None:
        async def whole() -> None:
            await test(*arguments, **fixtures)

        asyncio.run(whole())

    return run


@asynccontextmanager
async def server(
    serve: Streams, tls: ssl.SSLContext | None = None, timeout_s: float = PATIENCE_S
) -> AsyncIterator[Transport]:
    """Run a server; give a transport to it."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    address = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}/base"
    transport = Transport(address, "test", timeout_s, SystemClock())
    async with listening:
        yield transport
        await transport.aclose()


def answering(*pieces: bytes, pause_s: float = 0.0) -> Streams:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
            if pieces[-1] == UNTIL_CLOSED:
                return

    return serve


async def nothing() -> None:
    pass


async def ask(transport: Transport) -> bytes:
    answer = await transport.get("/path?query=1", {"tr_id": "X"}, nothing)
    assert answer.requested_ns <= answer.received_ns
    return answer.body


@pytest.mark.parametrize("form", [FIXED, CHUNKED, UNTIL_CLOSED, EARLY_HINT + FIXED])
@in_loop
async def test_every_form_of_an_answer(form: bytes) -> None:
    async with server(answering(form)) as transport:
        assert [await ask(transport) for _ in range(3)] == [b"hello"] * 3


@in_loop
async def test_an_answer_in_single_bytes() -> None:
    async with server(answering(*(CHUNKED[at : at + 1] for at in range(len(CHUNKED))))) as transport:
        assert await ask(transport) == b"hello"


@in_loop
async def test_one_connection_serves_many_calls_and_parallel_calls_get_their_own() -> None:
    opened: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(b"")
        while True:
            opened[-1] = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.01)
            writer.write(FIXED)

    async with server(serve) as transport:
        for _ in range(5):
            await ask(transport)
        assert len(opened) == 1
        assert opened[0].startswith(b"GET /base/path?query=1 HTTP/1.1\r\nhost: 127.0.0.1:")
        assert b"tr_id: X\r\n" in opened[0]
        assert await asyncio.gather(*(ask(transport) for _ in range(20))) == [b"hello"] * 20
        assert len(opened) == 16


@in_loop
async def test_a_document_arrives_whole() -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 9\r\n" in head
        received.append(await reader.readexactly(9))
        writer.write(FIXED)

    async with server(serve) as transport:
        assert (await transport.post("/token", {"a": "b"})).body == b"hello"
    assert received == [b'{"a":"b"}']


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", b"not http\r\n\r\n"])
@in_loop
async def test_a_connection_that_ends_without_a_whole_answer(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with server(serve) as transport:
        with pytest.raises(DroppedConnectionError) as caught:
            await ask(transport)
        assert caught.value.code == "dropped"


@in_loop
async def test_an_idle_connection_that_the_server_closed_is_replaced() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(FIXED)

    async with server(serve) as transport:
        for _ in range(3):
            assert await ask(transport) == b"hello"
            # The end of the connection arrives in one of the next turns of the loop.
            await asyncio.sleep(0.02)


@in_loop
async def test_no_answer_in_time_closes_the_connection_so_that_a_late_one_is_nobodys() -> None:
    asked, given_up = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await reader.readuntil(b"\r\n\r\n"):
            asked += 1
            late = asked == 1
            if late:
                await given_up.wait()
            writer.write(FIXED.replace(b"hello", b"late!") if late else FIXED)

    async with server(serve, timeout_s=2.0) as transport:
        with pytest.raises(TransientFeedError) as caught:
            await ask(transport)
        assert caught.value.code == "timeout"
        given_up.set()
        assert await ask(transport) == b"hello"


@in_loop
async def test_nobody_listens() -> None:
    transport = Transport("http://127.0.0.1:1", "test", 0.5, SystemClock())
    with pytest.raises(TransientFeedError) as caught:
        await ask(transport)
    assert caught.value.code == "transport"
    assert isinstance(caught.value, UnreachableFeedError)


@in_loop
async def test_a_host_that_is_not_up_is_awaited_for_a_while_and_never_after_it_answered() -> None:
    refused, clock = UnreachableFeedError("nobody"), SteppingClock()
    patient = Transport("http://127.0.0.1:1", "test", 0.5, clock)
    assert patient.awaits(refused)
    assert not patient.awaits(TransientFeedError("no answer in time"))
    clock.advance(START_PATIENCE_S)
    assert not patient.awaits(refused)
    async with server(answering(FIXED)) as transport:
        assert transport.awaits(refused)
        await ask(transport)
        assert not transport.awaits(refused)


@in_loop
async def test_tls_and_a_certificate_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    making = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    command = [openssl, *making.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with server(answering(FIXED), tls) as transport:
        with pytest.raises(TransientFeedError) as caught:
            await ask(transport)
        assert caught.value.code == "transport"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls_context.cache_clear()
    try:
        async with server(answering(FIXED), tls) as transport:
            assert [await ask(transport), await ask(transport)] == [b"hello", b"hello"]
    finally:
        tls_context.cache_clear()
