"""Chapter 8: the checklist of a faithful simulator. Every switch by command line and at run time; a whole day."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect

from observer_core.errors import ConfigError
from observer_core.kis.simulator.cli import main
from observer_core.kis.simulator.faults import Actions, FaultBoard
from observer_core.kis.simulator.knobs import Knobs, knob_descriptions
from observer_core.kis.simulator.rest_endpoints import ENDPOINTS
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.simulated_exchange import issue_approval, next_control, next_records, registration

COMMAND = [sys.executable, "-m", "observer_core.kis.simulator", "--symbols", "40"]

OTHER_VALUES: dict[str, Any] = {
    "rest_limit": 12, "virtual_rest_limit": 2, "rest_window": "fixed", "refusals_count": True,
    "random_refusal_rate": 0.05, "rate_refusal_status": 429, "oauth_limit": 1, "rest_error_code": "EGW00316",
    "rest_error_rate": 0.5, "rest_error_endpoint": "inquire-price", "rest_error_status": 200, "rest_down": True,
    "maintenance": "21:50-23:00", "rest_latency_ms": 20.0, "rest_drop_rate": 0.1, "rest_keep_alive_s": 5.0,
    "unknown_code_mode": "omit", "halted_row_mode": "zero", "row_order": "shuffled", "price_keys": 79,
    "virtual": True, "announced_holidays": ["2026-12-24"], "announced_trading_days": ["2026-12-25"],
    "master_lines": 7, "master_fault": "cut", "token_issue_once_a_minute": False, "token_life_s": 60.0,
    "old_token_dies": True, "approval_life_s": 60.0, "old_approval_dies": True, "session_linger_s": 90.0,
    "session_linger_after": "any", "ping_interval_s": 110.0, "silence_limit_s": 50.0, "connect_limit": 5,
    "connect_limit_by": "address", "connect_window_s": 30.0, "connect_block_s": 60.0, "ack_output": False,
    "ack_error_code": "OPSP0007", "ack_error_rate": 0.5, "unlisted_key_mode": "silent", "frame_width": 48,
    "book_width": 59, "operation_width": 10, "records_per_frame": 1, "batch_wait_s": 0.2, "truncate_rate": 0.1,
    "drop_record_rate": 0.1, "duplicate_rate": 0.1, "reorder_rate": 0.1, "disorder_s": 0.0, "replay_records": 5,
    "silence_stream": True, "silent_sessions": ["ws-1"], "silent_symbols": ["005930", "000660"],
    "expected_in_trades": True, "off_tick_rate": 0.5, "automatic_vi": False, "vi_duration_s": 30.0,
    "frozen_rows": ["005930"],
}  # fmt: skip


@contextmanager
def simulator(*arguments: str) -> Iterator[dict[str, str]]:
    """Run the program; yield its addresses."""
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            assert process.wait(timeout=PATIENCE_S) == 0


def option(name: str, value: Any) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    return [flag, ",".join(value) if isinstance(value, list) else str(value)]


def test_the_table_above_names_every_knob_with_another_value_than_its_default() -> None:
    defaults = json.loads(msgspec.json.encode(Knobs()))
    assert set(OTHER_VALUES) == set(defaults)
    assert [name for name, value in OTHER_VALUES.items() if defaults[name] == value] == []


def test_every_knob_is_an_option_of_the_command_line() -> None:
    arguments = [word for name, value in OTHER_VALUES.items() for word in option(name, value)]
    with simulator(*arguments) as urls:
        assert httpx.get(f"{urls['control_url']}/faults", trust_env=False).json() == OTHER_VALUES


def test_every_knob_is_switched_at_run_time_and_back() -> None:
    with simulator() as urls, httpx.Client(base_url=urls["control_url"], trust_env=False) as control:
        before = control.get("/faults").json()
        for name, value in OTHER_VALUES.items():
            answer = control.post("/faults", json={name: value})
            assert (answer.status_code, answer.json()) == (200, before | {name: value}), name
            assert control.post("/faults", json={name: before[name]}).json() == before


def test_the_manual_has_every_knob_action_and_reason() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
    for name, meaning in knob_descriptions().items():
        (row,) = (line for line in manual.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.endswith(f"| {meaning} |")
    for name in (*Actions.__struct_fields__, *ENDPOINTS):
        assert f"`{name}`" in manual, name


@pytest.mark.parametrize(
    "bad",
    [
        {"rest_limit": -1}, {"random_refusal_rate": 1.1}, {"frame_width": 45}, {"book_width": 60},
        {"records_per_frame": 0}, {"rest_window": "hopping"}, {"maintenance": "9-10"}, {"rest_error_code": "EGW99999"},
        {"ack_error_code": "OPSP1234"}, {"ping_interval_s": 0}, {"announced_holidays": ["20261225"]},
        {"drop_sessions": "softly"}, {"vi": "005930"}, {"unknown": 1},
    ],
    ids=lambda bad: next(iter(bad)),
)  # fmt: skip
def test_a_value_out_of_range_changes_nothing(bad: dict[str, Any]) -> None:
    board = FaultBoard(Knobs())
    with pytest.raises(ConfigError):
        board.apply({"rest_limit": 3} | bad)
    assert board.knobs == Knobs()


@pytest.mark.parametrize("arguments", [["--rest-error-code", "X"], ["--frame-width", "45"], ["--holiday", "tomorrow"]])
def test_a_wrong_option_is_refused_before_anything_starts(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2


def test_every_action_is_accepted() -> None:
    wanted: dict[str, Any] = {
        "drop_sessions": "abort", "freeze_sessions": True, "drop_connections": True, "expire_tokens": True,
        "forget_tokens": True, "expire_approvals": True, "vi": ["005930"], "halt": ["000660"], "resume": ["000660"],
        "block": ["000660"], "operation_code": "174", "encrypted_frame": True, "speed": 2.0,
        "surge": ["005930"],
    }  # fmt: skip
    assert set(wanted) == set(Actions.__struct_fields__)
    with simulator("--open") as urls, httpx.Client(base_url=urls["control_url"], trust_env=False) as control:
        for name, value in wanted.items():
            try:
                assert control.post("/faults", json={name: value}).status_code == 200, name
            except httpx.RemoteProtocolError:
                pytest.fail(f"{name} ended the control port")
        assert control.get("/stats").json()["speed"] == 2.0


def test_a_compressed_day_goes_through_its_phases(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    received: list[list[str]] = []
    phases: list[str] = []

    async def follow(urls: dict[str, str]) -> None:
        async with (
            httpx.AsyncClient(base_url=urls["rest_url"], trust_env=False) as client,
            httpx.AsyncClient(base_url=urls["control_url"], trust_env=False) as control,
            connect(urls["ws_url"], ping_interval=None, max_queue=None, proxy=None) as ws,
        ):
            key = await issue_approval(client)
            for code in ("005930", "000660"):
                await ws.send(registration(key, "H0STCNT0", code))
                await next_control(ws)
            phases.append((await control.get("/stats")).json()["phase"])
            # Only now: a day that passes in seconds does not wait for who is slow to register.
            (await control.post("/faults", json={"speed": 8000.0})).raise_for_status()

            async def read() -> None:
                while True:
                    received.extend(await next_records(ws, "H0STCNT0"))

            reading = asyncio.create_task(read())
            async with asyncio.timeout(PATIENCE_S):
                while "after_market" not in phases or phases[-1] != "closed":
                    phase = (await control.get("/stats")).json()["phase"]
                    if not phases or phases[-1] != phase:
                        phases.append(phase)
                    await asyncio.sleep(0.01)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    arguments = ("--clock", "2026-11-20T08:31:00", "--speed", "0.5", "--activity", "0.01", "--ledger", str(ledger))
    with simulator(*arguments, "--silence-limit-s", "1000000") as urls:
        asyncio.run(follow(urls))
    # The short phases between may fall between two looks; chapter 7 has them.
    long_ones = ["opening_auction", "continuous", "after_market", "closed"]
    assert [phase for phase in dict.fromkeys(reversed(phases)) if phase in long_ones] == long_ones[::-1]
    sides = {fields[46] for fields in received}
    assert sides == {"2", "3", "5"}
    assert {fields[33] for fields in received} == {"20261120"}
    sums: dict[str, int] = {}
    for fields in received:
        assert int(fields[13]) == sums.get(fields[0], 0) + int(fields[12])
        sums[fields[0]] = int(fields[13])
