"""What goes wrong in the compressed day, when, and to whom: written down, for the judge, as it is done."""

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from observer_core.clock import NS_PER_S
from tests.chaos import processes
from tests.completeness_day.system import CompressedDay

CLOSE_COMPARED_S = 8.0
INJECTIONS_FILE = "injections.json"


class Injection(msgspec.Struct, frozen=True):
    """One fault: from when until when, on which symbols; no symbols = the whole stream."""

    what: str
    from_ns: int
    until_ns: int
    symbols: tuple[str, ...] = ()
    value: int = 0


CALM: dict[str, object] = {
    "drop_record_rate": 0.0, "duplicate_rate": 0.0, "reorder_rate": 0.0, "replay_records": 0, "batch_wait_s": 0.0,
}  # fmt: skip
DISTURBED: dict[str, object] = {
    "drop_record_rate": 0.05, "duplicate_rate": 0.15, "reorder_rate": 0.15, "disorder_s": 0.0, "replay_records": 5,
    "batch_wait_s": 0.1,
}  # fmt: skip


class Script:
    """Runs the day; seconds count from the beginning of a phase and are stretched by the scale."""

    def __init__(self, system: CompressedDay, scale: int) -> None:
        self._system = system
        self._scale = scale
        self.injections: list[Injection] = []
        self._open: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._width = 47

    def run(self) -> None:
        """Live through the day, from before the opening to after the close."""
        system = self._system
        # An auction's expected prices come in trade frames, which must not look like executions.
        system.knobs(expected_in_trades=True, vi_duration_s=8.0 * self._scale)
        self._until("opening_auction", 0)
        if not self._registered():
            raise TimeoutError("the stream was not registered before the opening: the machine is too slow for this")
        self._continuous()
        self._until("closed_price", 0)
        system.knobs(**DISTURBED)
        self._until("after_market", 4)
        system.knobs(**CALM)
        # The shard compares the close with REST a moment later; its proofs need their time to be settled and archived.
        self._until("closed", 3)
        system.sleep(CLOSE_COMPARED_S)
        system.write_figures()
        Path(system.directory / INJECTIONS_FILE).write_bytes(msgspec.json.encode(self.injections))

    def _continuous(self) -> None:
        system, at = self._system, self._at
        at(3, **DISTURBED)
        at(6)
        self._cut("abort")
        at(9)
        silent, frozen, interrupted, halted, dealt = self._chosen()
        self._begin("silent", silent, silent_symbols=silent)
        self._begin("frozen_row", frozen, frozen_rows=frozen)
        at(11)
        self._begin("vi", interrupted, vi=interrupted)
        self._begin("halt", halted, halt=halted)
        at(22)
        self._end("halt", resume=halted)
        self._width_becomes(48)
        at(25)
        self._end("silent", silent_symbols=[])
        self._end("vi")
        at(26, **CALM)
        at(28)
        self._begin("block", dealt, block=dealt)
        self._end("block")
        at(30, **DISTURBED)
        self._end("frozen_row", frozen_rows=[])
        at(31)
        self._cut("close")
        at(34)
        self._kill("scalp-0")
        at(38)
        self._width_becomes(53)
        at(40)
        self._kill("jsonl")
        at(42, **CALM)
        self._until("closing_auction", 0)
        system.knobs(**CALM)

    def _chosen(self) -> tuple[list[str], ...]:
        """Return who is silenced, frozen, interrupted, halted and dealt in blocks: the busiest symbols."""
        busy = [symbol for symbol, _ in self._traded().most_common(7)]
        return busy[:3], busy[:1], [busy[3]], [busy[4]], [busy[5]]

    def _traded(self) -> Counter[str]:
        return Counter(str(line["symbol"]) for line in self._ledger() if line["kind"] == "trade" and line["volume"])

    def _registered(self) -> bool:
        return any(line["kind"] == "session_opened" for line in self._ledger())

    def _ledger(self) -> list[dict[str, Any]]:
        raw = (self._system.directory / "ledger.jsonl").read_bytes()
        return [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]

    def _at(self, second: float, **knobs: object) -> None:
        self._until("continuous", second)
        if knobs:
            self._system.knobs(**knobs)

    def _until(self, phase: str, second: float) -> None:
        due_ns = self._system.timetable.begins_ns[phase] + int(second * self._scale * NS_PER_S)
        self._system.sleep(max(0.0, (due_ns - self._system.now_ns()) / NS_PER_S))

    def _begin(self, what: str, symbols: list[str], **knobs: object) -> None:
        self._open[what] = self._system.now_ns(), tuple(symbols)
        self._system.knobs(**knobs)

    def _end(self, what: str, **knobs: object) -> None:
        if knobs:
            self._system.knobs(**knobs)
        since_ns, symbols = self._open.pop(what)
        self.injections.append(Injection(what, since_ns, self._system.now_ns(), symbols))

    def _cut(self, how: str) -> None:
        since_ns = self._system.now_ns()
        self._system.knobs(drop_sessions=how)
        self.injections.append(Injection("cut", since_ns, self._system.now_ns()))

    def _kill(self, name: str) -> None:
        row, since_ns = self._system.row(name), self._system.now_ns()
        if row is None or row.pid is None:
            raise TimeoutError(f"{name} does not run")
        processes.send(row.pid, signal.SIGKILL)
        self.injections.append(Injection(f"kill {name}", since_ns, self._system.now_ns()))

    def _width_becomes(self, width: int) -> None:
        since_ns = self._system.now_ns()
        self._system.knobs(frame_width=width)
        self.injections.append(Injection("width", since_ns, since_ns, value=width))
