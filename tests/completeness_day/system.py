"""The whole system over a compressed day: real tree, database and exchange, with hours in a file instead of forced.

It differs from the chaos system only in that: the exchange starts when the hours are known.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx

from supervisor.demo import free_ports
from tests.chaos.system import ChaosSystem
from tests.completeness_day.timetable import Timetable, compressed_day, seconds_to_wait
from tests.fixtures.patience import PATIENCE_S

COMMAND_FILE, HTTP_FILE = "completeness-command.jsonl", "completeness-http.jsonl"
LEAD_S = 22.0
"""From the start of the exchange to the opening auction: the tree is up and registered by then."""

STALE_AFTER_S = 8.0
SYMBOL_SILENCE_S = 2.0


class CompressedDay(ChaosSystem):
    """One installation that lives through one compressed day; use as a context manager, then `open_day`."""

    def __init__(self, directory: Path, *, symbols: int, seed: int = 1, scale: int = 1, swing_shards: int = 1) -> None:
        """Start the database; the exchange waits until the hours are known."""
        self._scale = scale
        self.timetable: Timetable
        super().__init__(directory, symbols=symbols, seed=seed)
        assert self._environment is not None
        self._environment |= {
            "OBSERVER_FORCE_OPEN": "false",
            "OBSERVER_SWING_SHARDS": str(swing_shards),
            "OBSERVER_STALE_AFTER_S": str(STALE_AFTER_S * scale),
            "KIS_SYMBOL_SILENCE_S": str(SYMBOL_SILENCE_S * scale),
            "OBSERVER_RATE_WINDOW_S": "2",
            "OBSERVER_HTTP_PORT": str(free_ports(1)[0]),
        }

    def write_figures(self) -> None:
        """Keep what the product itself says of the completeness of every symbol: command, and HTTP for each."""
        assert self._environment is not None
        command = [sys.executable, "-m", "observer_core.cli.observerctl", "gaps", "--completeness", "--json"]
        done = subprocess.run(command, env=self._environment, capture_output=True, timeout=PATIENCE_S, check=True)
        (self.directory / COMMAND_FILE).write_bytes(done.stdout)
        base = f"http://127.0.0.1:{self._environment['OBSERVER_HTTP_PORT']}/status"
        symbols = {line["symbol"] for line in map(json.loads, done.stdout.splitlines()) if line["track"] == "scalp"}
        found = [
            httpx.get(f"{base}/{symbol}", timeout=PATIENCE_S).raise_for_status().json() for symbol in sorted(symbols)
        ]
        figures = [figure for answer in found for figure in answer["completeness"]]
        (self.directory / HTTP_FILE).write_text("".join(f"{json.dumps(figure)}\n" for figure in figures))

    def _run_program(self, kind: str) -> "subprocess.Popen[bytes]":
        if kind == "exchange":
            self._write_hours()
        return super()._run_program(kind)

    def _write_hours(self) -> None:
        """Fix the day's hours from now on, for the collector and for the exchange."""
        self.sleep(seconds_to_wait(self.now_ns(), LEAD_S, self._scale))
        self.timetable = compressed_day(self.now_ns(), LEAD_S, self._scale)
        day = self.timetable.day
        self.paths.config.mkdir(parents=True, exist_ok=True)
        self.paths.trading_hours.write_text(self.timetable.text)
        # Whatever today is in the calendar: a weekend must not keep anybody from testing.
        override = f'[[day]]\nday = {day}\naction = "open"\nreason = "compressed day"\n'
        self.paths.calendar_overrides.write_text(override)
        program = self._programs["exchange"]
        arguments = tuple(word for word in program.arguments if word != "--open")
        hours = ("--hours", str(self.paths.trading_hours), "--trading-day", day)
        self._programs["exchange"] = replace(program, arguments=(*arguments, *hours))
