"""The ledger writes whole lines, in order, and is complete after closing."""

import json
from pathlib import Path

import pytest

from observer_core.errors import ConfigError
from observer_core.kis.simulator.ledger import Ledger, RefusedRow, SentRow, SessionRow


def sent(cumulative: int) -> SentRow:
    return SentRow("trade", "005930", "20261120110000", 259_000, 3, cumulative, 17, "ws-1")


def test_rows_reach_the_file_with_the_flush_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.append(SessionRow("session_opened", "ws-1", 16, 0))
    ledger.append(sent(3))
    assert path.read_bytes() == b""
    ledger.flush()
    ledger.append(RefusedRow("refused", "rest", 18, 0, "EGW00201"))
    ledger.close()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["session_opened", "trade", "refused"]
    assert rows[1] == {
        "kind": "trade",
        "symbol": "005930",
        "exchange_time": "20261120110000",
        "price": 259_000,
        "volume": 3,
        "cumulative_volume": 3,
        "sent_ns": 17,
        "receiver": "ws-1",
    }
    assert ledger.rows == 3


def test_an_existing_ledger_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for cumulative in (1, 2):
        ledger = Ledger(path)
        ledger.append(sent(cumulative))
        ledger.close()
    assert [json.loads(line)["cumulative_volume"] for line in path.read_text().splitlines()] == [1, 2]


def test_without_a_file_rows_are_counted_only() -> None:
    ledger = Ledger(None)
    ledger.append(sent(1))
    ledger.close()
    assert ledger.rows == 1


def test_an_unwritable_ledger_is_a_configuration_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write the ledger"):
        Ledger(tmp_path / "missing" / "ledger.jsonl")
