"""The tick slots on the whole system: a surge takes a slot, losers are in the ledger, and a kill changes neither."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.ids import ShardName
from observer_core.market.universe import hottest
from observer_core.services.assignment import read_assignment
from observer_core.services.slot_file import HeldSlots, read_slots
from observer_core.services.universe_files import newest_universe
from observer_core.sinks.embedded import embedded_dsn
from supervisor.demo import database_socket_directory
from supervisor.demo_run import DemoRun
from tests.chaos.kills import kill_and_await, row_of
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.universe_files import save_by_rename

pytestmark = pytest.mark.process

DWELL_S = 5
SCALP = ShardName("scalp-0")
CONFIG = f"""\
[slots]
dwell_s = {DWELL_S}
[triggers.volume_surge]
threshold = 5.0
window_s = 6
repeat_s = 2
minimum_value = 1_000_000
[triggers.trade_velocity]
threshold = 1000.0
[triggers.volatility_spike]
threshold = 50.0
[triggers.price_spike]
threshold = 50.0
[mitigation]
books_hz = [2.0, 1.0]
sustained_s = 4
stable_s = 3
memory_percent = 0.1
cpu_percent = 1000
disk_latency_ms = 1_000_000
queue_percent = 1000
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[DemoRun]:
    with DemoRun(tmp_path / "demo", symbols=600) as demo:
        demo.paths.config.mkdir(parents=True, exist_ok=True)
        demo.paths.scalp_config.write_text(CONFIG)
        demo.start()
        demo.wait_collecting()
        yield demo


def _lines(data: Path, track: str, kind: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted((data / track).rglob("*.jsonl")):
        lines = (json.loads(raw) for raw in path.read_bytes().split(b"\n")[:-1])
        found += [line for line in lines if line["kind"] == kind]
    return found


def _until(run: DemoRun, reached: Callable[[], bool], what: str, limit_s: float = PATIENCE_S) -> None:
    """Wait for an effect; reading the archive takes longer than most, so it is not asked for all the time."""
    clock = SystemClock()
    deadline_ns = clock.monotonic_ns() + int(limit_s * NS_PER_S)
    while not reached():
        assert clock.monotonic_ns() < deadline_ns, f"not within {limit_s} s: {what}"
        run.wait(0.3)


def _events(run: DemoRun, name: str) -> list[str]:
    return [line["text"] for line in _lines(run.paths.data, "system", "event") if line["name"] == name]


def _held(run: DemoRun) -> HeldSlots:
    return read_slots(run.paths.slots(SCALP))


def _symbols(held: HeldSlots) -> tuple[str, ...]:
    return tuple(holder.symbol for holder in held.holders)


def _fault(run: DemoRun, **request: object) -> None:
    arguments = (run.directory / "exchange.json").read_text()
    url = json.loads(arguments)["control_url"]
    httpx.post(f"{url}/faults", json=request, trust_env=False).raise_for_status()


def _ledger(run: DemoRun) -> list[tuple[int, str, str, str]]:
    dsn = embedded_dsn(database_socket_directory(run.run_directory)).reveal()
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT epoch, symbol, trigger, reason FROM overflow_ledger").fetchall()


def test_a_surge_takes_a_slot_and_losers_are_in_the_ledger(run: DemoRun) -> None:
    universe, assignment = newest_universe(run.paths), read_assignment(run.paths)
    assert universe is not None
    assert assignment is not None
    before = _symbols(_held(run))
    assert before == assignment.scalp[SCALP]
    outsiders = [symbol for symbol in hottest(universe) if symbol not in before][:12]
    run.wait(3 * DWELL_S)
    _fault(run, surge=outsiders[:6])

    # A surge on symbols without a slot: they get one, and their first tick is journalled and archived.
    def taken() -> set[str]:
        return set(outsiders[:6]).intersection(_symbols(_held(run)))

    _until(run, lambda: len(taken()) >= 3, "a surge takes no slot")
    winner = min(taken())

    def ticks() -> list[dict[str, Any]]:
        return [line for line in _lines(run.paths.data, "scalp", "trade") if line["symbol"] == winner]

    _until(run, lambda: bool(ticks()), f"no tick of {winner}")
    told = next(text for text in _events(run, "slot_changed") if f": {winner} (volume_surge" in text)
    assert "takes the place of" in told

    # The hub shows it with its trigger.
    def shown() -> bool:
        view = run.view()
        rows = [] if view is None or view.slots is None else view.slots.slots
        return any(row.symbol == winner and row.trigger == "volume_surge" and row.last_record_ns for row in rows)

    _until(run, shown, "the view does not show the slot")

    # Far more want a slot than there are weak holders: the losers stand in the ledger, in both stores alike.
    _fault(run, surge=[symbol for symbol in hottest(universe) if symbol not in before][:90])

    def overflow() -> list[dict[str, Any]]:
        return _lines(run.paths.data, "system", "overflow")

    _until(run, lambda: len(overflow()) >= 50, "no losers in the ledger")
    assert {line["reason"] for line in overflow()} <= {"dwell", "lower_score"}

    # The limit of the memory is far too low in this file: books are recorded half as often, and the ledger says so.
    _until(run, lambda: bool(_events(run, "mitigation")), "the pressure is not answered")
    (pressed,) = _events(run, "mitigation")
    assert pressed.startswith("level 0 -> 1 (memory ")

    def halved() -> bool:
        told = _events(run, "book_sampling")
        return bool(told) and told[-1].startswith("at most 1 books a second")

    _until(run, halved, "books are not recorded half as often")
    _until(run, lambda: 1 in {line["mitigation_level"] for line in overflow()}, "the ledger does not say the level")

    # Another file is followed without a restart, a broken one changes nothing.
    save_by_rename(run.paths.scalp_config, CONFIG.replace("dwell_s = 5", "dwell_s = -5"))
    _until(run, lambda: bool(_events(run, "scalp_config_invalid")), "a broken file is not reported")
    assert _events(run, "scalp_config_invalid")[0].startswith("scalp.toml:2: ")
    silent = CONFIG.replace("[triggers.volume_surge]", "[triggers.volume_surge]\nenabled = false")
    save_by_rename(run.paths.scalp_config, silent.replace("memory_percent = 0.1", "memory_percent = 99.9"))
    # The first one was about the file of the start.
    _until(run, lambda: len(_events(run, "scalp_config")) == 2, "the file is not followed")
    _until(run, lambda: len(_events(run, "mitigation")) == 2, "the pressure is gone and nothing is taken back")
    assert _events(run, "mitigation")[1].startswith("level 1 -> 0 (no pressure for ")

    # Killed: the next life holds the very same slots, with the same dwells.
    held = _held(run)
    kill_and_await(run, row_of(run, SCALP))
    _until(run, lambda: len(_events(run, "slots_held")) == 2, "the next life does not say its slots")
    assert _events(run, "slots_held")[1].rpartition(": ")[2].split() == list(_symbols(held))
    assert _held(run).holders == held.holders

    rows = {(line["epoch"], line["symbol"], line["trigger"], line["reason"]) for line in overflow()}
    _until(run, lambda: rows <= set(_ledger(run)), "the ledger in Postgres lacks losers")
    assert run.stop() == 0
    _check_dwell(run)
    books = run.balance()
    assert books.balanced, books.table()
    assert books.sampled > 0


def _check_dwell(run: DemoRun) -> None:
    """Nobody gave a slot to a candidate within its dwell, over both lives."""
    taken_ns: dict[str, int] = {}
    for line in sorted(_lines(run.paths.data, "system", "event"), key=lambda line: line["at_ns"]):
        if line["name"] == "slot_changed":
            slot = line["text"].partition(":")[0]
            if slot in taken_ns:
                assert line["at_ns"] - taken_ns[slot] >= DWELL_S * NS_PER_S, line["text"]
            taken_ns[slot] = line["at_ns"]
    assert taken_ns
