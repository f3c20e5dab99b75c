"""`observer-sim` as a program: ready line, ready file, graceful end, complete ledger."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from observer_core.kis.fields import TR_TRADE
from observer_core.kis.simulator.cli import main
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.simulated_exchange import issue_approval, next_records, registration

COMMAND = [sys.executable, "-m", "observer_core.kis.simulator"]


async def receive(urls: dict[str, str], wanted: int) -> int:
    """Register three symbols and count records until `wanted` of them have arrived."""
    async with httpx.AsyncClient(base_url=urls["rest_url"]) as client:
        key = await issue_approval(client)
    received = 0
    async with connect(urls["ws_url"], ping_interval=None, compression=None, max_queue=None) as ws:
        for code in ("005930", "000660", "402340"):
            await ws.send(registration(key, TR_TRADE, code))
        while received < wanted:
            received += len(await next_records(ws, TR_TRADE))
    return received


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_announces_itself_serves_and_ends_gracefully(tmp_path: Path, number: int) -> None:
    ready_file, ledger = tmp_path / "ready.json", tmp_path / "ledger.jsonl"
    arguments = ["--open", "--symbols", "50", "--ledger", str(ledger), "--ready-file", str(ready_file)]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            urls: dict[str, str] = json.loads(line)
            assert ready_file.read_bytes() == line
            assert set(urls) == {"rest_url", "ws_url", "control_url"}
            received = asyncio.run(receive(urls, 50))
            process.send_signal(number)
            assert process.wait(timeout=PATIENCE_S) == 0
            assert process.stderr is not None
            assert process.stderr.read() == b""
        finally:
            process.kill()
    rows: list[dict[str, Any]] = [json.loads(text) for text in ledger.read_text().splitlines()]
    assert sum(row["kind"] == "trade" for row in rows) >= received
    told = [row["kind"] for row in rows if row["kind"] != "market"]
    assert told[-1] == "session_closed", "after it only what trades while no session is there"


def test_the_same_seed_and_clock_give_the_same_market() -> None:
    def quoted() -> tuple[int, bytes]:
        arguments = ["--symbols", "5", "--seed", "9", "--clock", "2026-11-20T20:00:00"]
        with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                urls = json.loads(process.stdout.readline())
                stats: dict[str, Any] = httpx.get(f"{urls['control_url']}/stats").json()
                master = httpx.get(f"{urls['rest_url']}/common/master/kospi_code.mst.zip").content
                assert stats["exchange_time"].startswith("2026112020")
                assert (stats["continuous"], stats["phase"]) == (False, "closed")
                return stats["listings"], master
            finally:
                process.terminate()

    assert quoted() == quoted()


def test_a_taken_port_is_reported_with_the_exit_code_of_a_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--symbols", "1", "--rest-port", str(taken.getsockname()[1])]) == 2
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--symbols", "0"], ["--speed", "0"], ["--appkey", "short"], ["--frame-width", "61"]]
)
def test_wrong_arguments_are_refused_before_anything_starts(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
