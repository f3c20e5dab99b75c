"""Logs are structured, and no secret gets into them."""

import json
import logging
from pathlib import Path

import pytest

from observer_core.logs import Redactor, configure
from observer_core.settings import load_settings


@pytest.mark.parametrize(
    "text",
    [
        "authorization: Bearer abc.def.ghi",
        "token eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJ0b2tlbiJ9.c2lnbmF0dXJl",
        "invalid approval : NOT FOUND 01234567-89ab-cdef-0123-456789abcdef",
        "dsn postgresql://observer:hunter2@db/observer",
        "host=db password=hunter2",
        "appkey PSabcdefghijklmnopqrstuvwxyz0123456789",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    masked = Redactor(["PSabcdefghijklmnopqrstuvwxyz0123456789"])(text)
    assert "***" in masked
    for secret in ("abc.def", "eyJ", "01234567-89ab", "hunter2", "PSabc"):
        assert secret not in masked


def test_a_line_is_json_with_its_extras(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "KIS_APP_KEY": "k" * 36,
            "KIS_APP_SECRET": "s" * 180,
            "OBSERVER_LOG_DIR": str(tmp_path),
            "OBSERVER_CONFIG_DIR": str(tmp_path),
        }
    )
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure("swing-0", settings)
        logging.getLogger("test").error("sweep done", extra={"symbols": 30, "token": "k" * 36})
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
    (line,) = (tmp_path / "swing-0.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["symbols"], entry["process"]) == ("sweep done", 30, "swing-0")
    assert entry["token"] == "***"
    assert entry["time"].endswith("+09:00")
