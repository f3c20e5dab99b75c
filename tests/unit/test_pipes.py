"""Frames over pipes: any cutting of the bytes, full pipes, dead readers."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.errors import MalformedMessage
from observer_core.pipes import (
    FRAME_LIMIT_BYTES,
    FrameBuffer,
    Outbox,
    await_frame,
    frame,
    open_pipe,
    read_available,
    write_frame,
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give a pipe and close what is left of it."""
    ends = open_pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue


def _read_frames(fd: int, buffer: FrameBuffer) -> list[bytes]:
    frames: list[bytes] = []
    while data := read_available(fd):
        frames += buffer.feed(data)
    return frames


@given(st.lists(st.binary(max_size=300)), st.lists(st.integers(1, 50)))
def test_any_cutting_gives_the_same_payloads(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(frame, payloads))
    buffer = FrameBuffer()
    found: list[bytes] = []
    for cut in cuts:
        found += buffer.feed(stream[:cut])
        stream = stream[cut:]
    found += buffer.feed(stream)
    assert found == payloads


def test_impossible_length_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="announced"):
        FrameBuffer().feed((FRAME_LIMIT_BYTES + 1).to_bytes(4, "big"))


def test_nothing_to_read_and_nobody_to_write(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    assert read_available(read_end) == b""
    os.close(write_end)
    with pytest.raises(EOFError):
        read_available(read_end)


def test_small_frame_is_written_whole_or_not_at_all(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    payload = b"x" * 4000
    written = 0
    while write_frame(write_end, payload):
        written += 1
    assert _read_frames(read_end, FrameBuffer()) == [payload] * written
    with pytest.raises(ValueError, match="one piece"):
        write_frame(write_end, b"x" * 4093)


def test_outbox_keeps_order_and_continues_partial_frames(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    outbox = Outbox(write_end)
    payloads = [bytes([number]) * 50_000 for number in range(5)]
    for payload in payloads:
        outbox.offer(payload)
    buffer = FrameBuffer()
    found: list[bytes] = []
    assert not outbox.flush()
    while outbox.waiting:
        found += _read_frames(read_end, buffer)
        outbox.flush()
    assert found + _read_frames(read_end, buffer) == payloads


def test_full_outbox_drops_the_oldest_whole_frame(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    outbox = Outbox(limit=3)
    for number in range(5):
        outbox.offer(bytes([number]))
    assert outbox.dropped_total == 2
    outbox.attach(write_end)
    assert outbox.flush()
    assert _read_frames(read_end, FrameBuffer()) == [b"\x02", b"\x03", b"\x04"]


def test_new_reader_never_sees_the_rest_of_an_old_frame(pipe: tuple[int, int]) -> None:
    _, write_end = pipe
    outbox = Outbox(write_end)
    outbox.offer(b"a" * 200_000)
    assert not outbox.flush()
    outbox.offer(b"next")
    fresh_read, fresh_write = open_pipe()
    try:
        outbox.attach(fresh_write)
        assert outbox.flush()
        assert _read_frames(fresh_read, FrameBuffer()) == [b"next"]
    finally:
        os.close(fresh_read)
        os.close(fresh_write)


def test_dead_reader_is_an_error(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    os.close(read_end)
    outbox = Outbox(write_end)
    outbox.offer(b"x")
    with pytest.raises(BrokenPipeError):
        outbox.flush()


def test_one_frame_is_taken_and_what_follows_it_stays(pipe: tuple[int, int]) -> None:
    read_fd, write_fd = pipe
    assert write_frame(write_fd, b"first")
    assert write_frame(write_fd, b"second")
    assert await_frame(read_fd) == b"first"
    assert FrameBuffer().feed(read_available(read_fd)) == [b"second"]
    os.close(write_fd)
    with pytest.raises(EOFError):
        await_frame(read_fd)
