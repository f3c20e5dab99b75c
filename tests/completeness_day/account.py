"""Both sides of the account, read by themselves: what the exchange's ledger says, and what the archive holds.

Nothing here comes from the code under test: the files are parsed as JSON, and a gap is its newest line.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

Line = dict[str, Any]


class Execution(NamedTuple):
    """One execution, as both sides know it."""

    symbol: str
    volume: int
    cumulative: int


class Exchange(NamedTuple):
    """What the exchange did."""

    executed: dict[Execution, int]
    """Every execution of a symbol that somebody was registered for, and when it was sent or kept back."""
    sent: Counter[Execution]
    kept: dict[Execution, str]
    """Why an execution was not sent."""
    blocks: dict[str, int]
    """Shares dealt outside of the book, by symbol."""
    sessions: list[tuple[int, int | None]]
    holes: list[str]
    """Where the ledger's own line of a symbol has a hole: then it is no oracle."""


class Archive(NamedTuple):
    """What was kept."""

    trades: list[tuple[Execution, tuple[str, ...]]]
    expected: int
    """Expected prices of auctions among the trade records."""
    rejected: int
    gaps: dict[str, Line]
    events: list[Line]


def read_exchange(ledger: Path) -> Exchange:
    """Return what the exchange says."""
    exchange = Exchange({}, Counter(), {}, {}, [], [])
    for line in map(json.loads, ledger.read_text().splitlines()):
        kind = line["kind"]
        if kind == "session_opened":
            exchange.sessions.append((line["sent_ns"], None))
        elif kind == "session_closed":
            exchange.sessions[-1] = exchange.sessions[-1][0], line["sent_ns"]
        elif kind == "trade" and not line.get("expected"):
            exchange.sent[_execution(line)] += 1
            exchange.executed.setdefault(_execution(line), line["sent_ns"])
        elif kind == "market" and line["of"] == "trade":
            exchange.kept[_execution(line)] = line["why"]
            exchange.executed.setdefault(_execution(line), line["withheld_ns"])
        elif kind == "market" and line["of"] == "block":
            exchange.blocks[line["symbol"]] = exchange.blocks.get(line["symbol"], 0) + line["volume"]
            exchange.kept[_execution(line)] = "block"
    _leave_out_unwanted(exchange)
    exchange.holes.extend(_holes(exchange))
    return exchange


def _leave_out_unwanted(exchange: Exchange) -> None:
    """Take out what was traded after a registration was taken back for good; a renewal leaves no hole behind it."""
    lines: dict[str, list[Execution]] = defaultdict(list)
    for execution in exchange.executed:
        lines[execution.symbol].append(execution)
    for line in lines.values():
        begins: int | None = None
        for execution in sorted(line, key=lambda item: -item.cumulative):
            unwanted = exchange.kept.get(execution) == "not_registered"
            if unwanted and execution.cumulative != begins:
                del exchange.executed[execution], exchange.kept[execution]
            else:
                begins = execution.cumulative - execution.volume


def _holes(exchange: Exchange) -> Iterator[str]:
    """Yield where the executions of a symbol do not follow one another without a hole, from the day's zero on."""
    lines: dict[str, list[Execution]] = defaultdict(list)
    for execution in {*exchange.executed, *(e for e, why in exchange.kept.items() if why == "block")}:
        lines[execution.symbol].append(execution)
    for symbol, line in lines.items():
        reached = 0
        for execution in sorted(line, key=lambda item: item.cumulative):
            if execution.cumulative - execution.volume != reached:
                yield f"{symbol}: from {reached:,} to {execution.cumulative - execution.volume:,}"
            reached = execution.cumulative


def read_archive(data: Path) -> Archive:
    """Return what the archive holds."""
    archive = Archive([], 0, 0, {}, [])
    expected = rejected = 0
    for line in lines_of(data / "scalp"):
        if line["kind"] == "trade" and line["session_code"] == "0":
            archive.trades.append((_execution(line), tuple(line.get("reasons", ()))))
        expected += line["kind"] == "trade" and line["session_code"] != "0"
    for line in lines_of(data / "system"):
        if line["kind"] == "event":
            archive.events.append(line)
        rejected += line["kind"] == "rejection"
        if line["kind"] == "gap":
            known = archive.gaps.get(line["gap_id"])
            if known is None or (line["epoch"], line["seq"]) > (known["epoch"], known["seq"]):
                archive.gaps[line["gap_id"]] = line
    return archive._replace(expected=expected, rejected=rejected)


def lines_of(directory: Path) -> Iterator[Line]:
    """Yield the lines of every file, sealed or live."""
    for path in sorted(directory.rglob("*.jsonl*")):
        if path.suffix == ".zst":
            with path.open("rb") as raw:
                data = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
        elif path.suffix == ".jsonl" and not path.with_name(f"{path.name}.zst").exists():
            data = path.read_bytes()
        else:
            continue
        yield from map(json.loads, data.splitlines())


def _execution(line: Line) -> Execution:
    return Execution(line["symbol"], line["volume"], line["cumulative_volume"])
