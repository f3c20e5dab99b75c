"""The installation as a whole, on a simulated exchange: start, sweep, memory, processor time at rest and at work."""

import json
import shutil
import time
import urllib.request
from pathlib import Path
from typing import Any

from observer_core.clock import SystemClock, kst_datetime
from observer_core.journal.files import list_segments
from tests.bench.figures import Figure
from tests.bench.processes import cpu_s, descendants, names, pss_mb
from tests.fixtures.loopback_tree import LoopbackTree, moment
from tests.fixtures.supervised import until
from tests.soak.measures import counts

SYMBOLS = 2_000
SHARDS = 4
SETTLE_S = 8.0
MEASURE_S = 20.0
SEGMENT_HEADER_LIMIT_BYTES = 300
QUOTA_PER_S = 18.0
"""Of the broker, for one appkey."""
SESSION_ACTIVITY = 7.0
"""Factor on the simulated trades: about 2,000 a second over 41 symbols."""
FULL_ACTIVITY = 60.0
"""About 17,000 a second, several times what 41 registrations bring at the opening."""
CALLS_PER_APPKEY_S = 4.0
"""Ten appkeys, their exchange and the bench fit two cores."""
WARM_UP_S = 60.0
LASTING_S = 600.0


def start(directory: Path, runs: int) -> list[Figure]:
    """Measure from the start of the supervisor to the first record in any journal, without embedded Postgres."""
    found = []
    for number in range(runs + 1):
        with _tree(directory / f"start-{number}") as tree:
            # The first supervisor prepared the directories, the universe and the token: stop it and start again.
            tree.collecting(SHARDS)
            tree.stop()
            before = _newest_epoch(tree)
            begun_s = moment()
            tree.start()
            until(lambda tree=tree, before=before: _recorded(tree, before), "nothing recorded", tree.log)  # type: ignore[misc]
            found.append(moment() - begun_s)
            tree.stop()
    return [Figure(name="start of everything → first record", unit="s", values=tuple(found[1:]), target=1.5)]


def sweep(directory: Path, runs: int) -> list[Figure]:
    """Measure sweeps of 2,000 symbols by four shards at the broker's quota, and what the broker refused."""
    with _tree(directory / "sweep", broker_limit=int(QUOTA_PER_S)) as tree:
        tree.collecting(SHARDS)
        time.sleep(SETTLE_S)
        before, sweeps = counts(tree), []
        for _ in range(max(runs, 5) * 4):
            time.sleep(1.0)
            view = tree.view()
            rows = [row for row in view.processes if row.kind == "swing" and row.sweep_s] if view else []
            sweeps += [row.sweep_s for row in rows if row.sweep_s is not None]
        after = counts(tree)
        share = (after.calls - before.calls) / (QUOTA_PER_S * (after.at_s - before.at_s)) * 100
        note = f"{after.refused - before.refused} refused; floor 3.72 s"
        tree.stop()
    return [
        Figure(name="sweep of 2,000 symbols at 18/s", unit="s", values=tuple(sweeps), target=3.95, note=note),
        Figure(name="use of the quota", unit="%", values=(share,), target=97.0, more_is_better=True),
    ]


def rest(directory: Path, runs: int) -> list[Figure]:
    """Measure memory and processor time while the market is closed."""
    tree = _tree(directory / "rest", environment={"OBSERVER_FORCE_OPEN": "false"})
    _close_today(tree)
    with tree:
        until(lambda: _resting(tree), "the shards do not rest", tree.log, deadline_s=60)
        time.sleep(SETTLE_S)
        whole, parts = _memory(tree)
        busy = [_busy_percent(tree, MEASURE_S / 2) for _ in range(runs)]
        tree.stop()
    return [
        Figure(name="memory of the whole, closed market", unit="MB PSS", values=(whole,), target=110.0, note=parts),
        Figure(name="processor, closed market", unit="% core", values=tuple(busy), target=3.0),
    ]


def session(directory: Path, runs: int) -> list[Figure]:
    """Measure an ordinary session, the sweep at its quota and 2,000 ticks a second, and one at full rate."""
    ordinary, _, _, rates = _session(directory / "session", runs, SESSION_ACTIVITY)
    full, memory_mb, parts, full_rates = _session(directory / "full", runs, FULL_ACTIVITY)
    return [
        Figure(name="processor, ordinary session", unit="% core", values=ordinary, target=35.0, note=rates),
        Figure(name="processor, full rate", unit="% core", values=full, note=full_rates),
        Figure(name="memory of the whole, full rate", unit="MB PSS", values=(memory_mb,), target=180.0, note=parts),
    ]


def _session(directory: Path, runs: int, activity: float) -> tuple[tuple[float, ...], float, str, str]:
    """Return processor time in percent of a core, memory, its parts, and the rates."""
    with _tree(directory, exchange=("--activity", str(activity))) as tree:
        tree.collecting(SHARDS)
        time.sleep(SETTLE_S)
        busy, rates = _at_work(tree, runs)
        memory_mb, parts = _memory(tree)
        tree.stop()
    return busy, memory_mb, parts, rates


def _at_work(tree: LoopbackTree, runs: int) -> tuple[tuple[float, ...], str]:
    """Return processor time in percent of a core, and the rates meanwhile."""
    before, begun_s = _records(tree), moment()
    busy = tuple(_busy_percent(tree, MEASURE_S / 2) for _ in range(runs))
    after, took_s = _records(tree), moment() - begun_s
    rates = ", ".join(f"{kind} {(after[kind] - before[kind]) / took_s:,.0f} rec/s" for kind in after)
    return busy, rates


def growth(directory: Path, runs: int) -> list[Figure]:
    """Measure what a quote costs all processes with 500 and with 20,000 symbols, the budget lifted."""
    figures = []
    for symbols in (500, 20_000):
        plan: dict[str, Any] = {"symbols": symbols, "rest_limit_per_s": 60.0}
        with _tree(directory / f"growth-{symbols}", **plan) as tree:
            tree.collecting(SHARDS)
            time.sleep(SETTLE_S)
            values = [_cost_us(tree) for _ in range(min(runs, 5))]
            tree.stop()
        name = f"all processes per quote, {symbols:,} symbols, 60 calls/s"
        figures.append(Figure(name=name, unit="µs/rec", values=tuple(values)))
    ratio = figures[1].value / figures[0].value
    figures.append(Figure(name="cost of 40 times the symbols, per quote", unit="times", values=(ratio,), target=1.05))
    return figures


def appkeys(directory: Path, runs: int) -> list[Figure]:
    """Measure what all processes cost with one and with ten appkeys, each with a budget and a stream of its own."""
    figures = []
    for count in (1, 10):
        environment = {f"KIS_APP_KEY_{number}": f"{number:k>36}" for number in range(2, count + 1)}
        environment |= {f"KIS_APP_SECRET_{number}": "s" * 180 for number in range(2, count + 1)}
        plan: dict[str, Any] = {"rest_limit_per_s": CALLS_PER_APPKEY_S, "environment": environment}
        with _tree(directory / f"appkeys-{count}", **plan) as tree:
            tree.collecting(SHARDS)
            until(lambda tree=tree, count=count: _streams(tree) == count, "not every stream is open", tree.log)  # type: ignore[misc]
            time.sleep(SETTLE_S)
            busy, rates = _at_work(tree, runs)
            memory_mb, _ = _memory(tree)
            tree.stop()
        name = f"processor, {count} appkeys of {CALLS_PER_APPKEY_S:.0f} calls/s"
        figures.append(Figure(name=name, unit="% core", values=busy, note=f"{rates}; {memory_mb:.0f} MB PSS"))
    ratio = figures[1].value / figures[0].value
    figures.append(Figure(name="cost of ten times the appkeys", unit="times", values=(ratio,), target=10.5))
    return figures


def lasting(directory: Path, runs: int) -> list[Figure]:
    """Measure how memory grows while more records than a day brings go through at full rate."""
    del runs
    with _tree(directory, exchange=("--activity", str(FULL_ACTIVITY))) as tree:
        tree.collecting(SHARDS)
        time.sleep(WARM_UP_S)
        before, records = _memory(tree)[0], sum(_records(tree).values())
        end_s = moment() + LASTING_S
        samples = []
        while moment() < end_s:
            time.sleep(MEASURE_S)
            samples.append(_memory(tree)[0])
        records = sum(_records(tree).values()) - records
        whole, parts = _memory(tree)
        tree.stop()
    note = f"{records:,} records in {LASTING_S:.0f} s; {parts}"
    return [
        Figure(
            name="memory of the whole, after minutes at full rate",
            unit="MB PSS",
            values=(whole,),
            target=180.0,
            note=note,
        ),
        Figure(name="growth of it since the first minute", unit="MB PSS", values=(max(samples[-3:]) - before,)),
    ]


def _streams(tree: LoopbackTree) -> int:
    return sum(tree.stats()["sessions_now"].values())


def _cost_us(tree: LoopbackTree) -> float:
    before, spent_s = sum(_records(tree).values()), _spent_s(tree)
    time.sleep(MEASURE_S / 2)
    return (_spent_s(tree) - spent_s) * 1e6 / (sum(_records(tree).values()) - before)


def _tree(directory: Path, **plan: Any) -> LoopbackTree:
    shutil.rmtree(directory, ignore_errors=True)
    return LoopbackTree(directory, **{"symbols": SYMBOLS, "swing_shards": SHARDS, **plan})


def _close_today(tree: LoopbackTree) -> None:
    today = kst_datetime(SystemClock().now_ns()).date()
    tree.paths.config.mkdir(parents=True)
    tree.paths.calendar_overrides.write_text(f'[[day]]\nday = {today}\naction = "close"\nreason = "bench"\n')
    until((tree.directory / "exchange.json").exists, "the exchange does not start", deadline_s=20)
    body = json.dumps({"announced_holidays": [str(today)]}).encode()
    with urllib.request.urlopen(f"{tree.control_url}/faults", data=body, timeout=5):  # noqa: S310 - loopback
        pass


def _resting(tree: LoopbackTree) -> bool:
    view = tree.view()
    rows = [row for row in view.processes if row.kind in {"swing", "scalp"}] if view else []
    return len(rows) == SHARDS + 1 and all(row.note.startswith("market closed") for row in rows)


def _newest_epoch(tree: LoopbackTree) -> dict[Path, int]:
    return {
        directory: max((name.epoch for name in list_segments(directory)), default=0)
        for directory in tree.paths.journals.iterdir()
    }


def _recorded(tree: LoopbackTree, before: dict[Path, int]) -> bool:
    return any(
        name.epoch > epoch and (directory / name.file_name).stat().st_size > SEGMENT_HEADER_LIMIT_BYTES
        for directory, epoch in before.items()
        if directory.name.startswith(("swing", "scalp"))
        for name in list_segments(directory)
    )


def _memory(tree: LoopbackTree) -> tuple[float, str]:
    """Return the PSS of all processes, and of each."""
    found = [(name, pss_mb(pid)) for pid, name in names(descendants(tree.process.pid)).items()]
    return sum(size for _, size in found), ", ".join(f"{name} {size:.1f}" for name, size in sorted(found))


def _spent_s(tree: LoopbackTree) -> float:
    return sum(map(cpu_s, descendants(tree.process.pid)))


def _busy_percent(tree: LoopbackTree, seconds: float) -> float:
    before_s, begun_s = _spent_s(tree), moment()
    time.sleep(seconds)
    return (_spent_s(tree) - before_s) / (moment() - begun_s) * 100


def _records(tree: LoopbackTree) -> dict[str, int]:
    view = tree.view()
    assert view is not None
    found = dict.fromkeys(("swing", "scalp"), 0)
    for row in view.processes:
        if row.kind in found:
            found[row.kind] += row.records_total
    return found
