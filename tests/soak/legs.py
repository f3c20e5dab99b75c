"""The legs of the soak: each drives one tree for a while and returns a line of figures, or fails with them."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx

from observer_core.clock import SystemClock, kst_datetime
from observer_core.market.sessions import Phase
from observer_core.pacing.connect import CONNECTS, WINDOW_S
from supervisor.demo import free_ports
from tests.fixtures.loopback_tree import LoopbackTree, moment
from tests.fixtures.supervised import until
from tests.soak.measures import counts, fault, limit_in_force, sweeps

SHARDS = 4
SYMBOLS = 1_800
LIMIT_PER_S = 18
LOWERED_PER_S = 12
ADAPTED_WITHIN_S = 10.0
SETTLE_S = 5.0


def rate_budget(directory: Path, duration_s: float) -> str:
    """Sweep at the broker's limit while two processes a minute are killed: nothing is refused, nothing left unused."""
    with _tree(directory) as tree:
        tree.collecting(SHARDS)
        time.sleep(SETTLE_S)
        before, kills, rng = counts(tree), 0, random.Random(1)
        while (passed_s := moment() - before.at_s) < duration_s:
            if passed_s >= (kills + 0.5) * min(30.0, duration_s / 2):
                victim = rng.choice([name for name in tree.pids() if name.startswith("swing")])
                os.kill(tree.pids()[victim], signal.SIGKILL)
                kills += 1
            time.sleep(0.2)
        after = counts(tree)
        share = (after.calls - before.calls) / (LIMIT_PER_S * (after.at_s - before.at_s))
        line = f"{after.calls} calls, {after.refused} refused, {share:.2%} of the budget used, {kills} kills"
        assert after.refused == 0, line
        assert share >= 0.97, line
        return line


def random_refusals(directory: Path, duration_s: float) -> str:
    """Have 5 % of the calls refused by chance: sweeps complete and take at most 10 % longer."""
    with _tree(directory) as tree:
        tree.collecting(SHARDS)
        time.sleep(SETTLE_S)
        quiet_s = sweeps(tree, duration_s / 3)
        fault(tree, random_refusal_rate=0.05)
        time.sleep(SETTLE_S)
        before = counts(tree)
        refused_s = sweeps(tree, duration_s * 2 / 3)
        after = counts(tree)
        share = (after.refused - before.refused) / (after.calls - before.calls)
        line = f"sweep {quiet_s:.2f} s, with {share:.1%} refused {refused_s:.2f} s ({refused_s / quiet_s - 1:+.1%})"
        assert after.refused > before.refused, line
        assert refused_s <= quiet_s * 1.1, line
        return line


def lowered_limit(directory: Path, duration_s: float) -> str:
    """Lower the broker's limit at run time: within ten seconds the calls fit it; raise it: they come back."""
    with _tree(directory) as tree:
        tree.collecting(SHARDS)
        time.sleep(SETTLE_S)
        fault(tree, rest_limit=LOWERED_PER_S)
        begun_s = moment()
        until(lambda: limit_in_force(tree) < LOWERED_PER_S + 1, "not adapted", tree.log, deadline_s=ADAPTED_WITHIN_S)
        adapted_s = moment() - begun_s
        settled = counts(tree)
        time.sleep(min(20.0, duration_s / 4))
        after = counts(tree)
        calls, refused = after.calls - settled.calls, after.refused - settled.refused
        fault(tree, rest_limit=LIMIT_PER_S)
        line = f"adapted after {adapted_s:.1f} s to {limit_in_force(tree):.1f}/s, then {refused} of {calls} refused"
        assert refused <= calls * 0.05, line
        if duration_s >= 300:
            until(lambda: limit_in_force(tree) == LIMIT_PER_S, f"{line}; it does not come back", deadline_s=300)
            line += f"; back at {LIMIT_PER_S}/s {moment() - after.at_s:.0f} s after the limit was raised"
        return line


def crash_after_connect(directory: Path, duration_s: float) -> str:
    """Kill the streaming process right after each connect: the connect budget holds, the others are unharmed."""

    def kill(tree: LoopbackTree, connected: Callable[[], bool]) -> None:
        if connected():
            with contextlib.suppress(KeyError, ProcessLookupError):
                os.kill(tree.pids()["scalp-0"], signal.SIGKILL)

    return _connect_loop(directory, duration_s, kill)


def cut_after_connect(directory: Path, duration_s: float) -> str:
    """Have the broker cut the session right after each connect: the same, without a process dying."""

    def cut(tree: LoopbackTree, connected: Callable[[], bool]) -> None:
        if connected():
            fault(tree, drop_sessions="abort")

    return _connect_loop(directory, duration_s, cut)


def _connect_loop(
    directory: Path, duration_s: float, strike: Callable[[LoopbackTree, Callable[[], bool]], None]
) -> str:
    with _tree(directory) as tree:
        tree.collecting(SHARDS)
        time.sleep(SETTLE_S)
        others = {name: pid for name, pid in tree.pids().items() if name != "scalp-0"}
        first, worst = counts(tree), 0
        connects: list[tuple[float, int]] = []

        def connected() -> bool:
            return any(tree.stats()["sessions_now"].values())

        while moment() - first.at_s < duration_s:
            strike(tree, connected)
            now = counts(tree)
            connects.append((now.at_s, now.connects))
            window = [number for at_s, number in connects if at_s > now.at_s - WINDOW_S]
            worst = max(worst, window[-1] - window[0])
            time.sleep(0.05)
        after = counts(tree)
        share = (after.calls - first.calls) / (LIMIT_PER_S * (after.at_s - first.at_s))
        view = tree.view()
        assert view is not None
        incidents = dict(Counter(event.name for event in view.events if event.severity in {"error", "critical"}))
        line = (
            f"{after.connects - first.connects} connects in {duration_s:.0f} s, at most {worst} in any {WINDOW_S:.0f} s"
            f" (budget {CONNECTS}), sweeps used {share:.2%}, incidents {incidents}"
        )
        assert worst <= CONNECTS, line
        assert after.refused == 0, line
        assert share >= 0.97, line
        assert {name: pid for name, pid in tree.pids().items() if name != "scalp-0"} == others, line
        assert sum(incidents.values()) <= 1, line
        return line


def _tree(directory: Path) -> LoopbackTree:
    return LoopbackTree(
        directory, symbols=SYMBOLS, swing_shards=SHARDS, rest_limit_per_s=LIMIT_PER_S, broker_limit=LIMIT_PER_S
    )


def closed_hour(directory: Path, duration_s: float) -> str:
    """Leave a system alone while its market is closed: it is ready once, and from then on at every look."""
    (port,) = free_ports(1)
    today = kst_datetime(SystemClock().now_ns()).date()
    days = [today, today + timedelta(days=1)]
    (directory / "config").mkdir(parents=True)
    (directory / "config" / "calendar_overrides.toml").write_text(
        "".join(f'[[day]]\nday = {day}\naction = "close"\nreason = "closed for the soak"\n' for day in days)
    )
    holidays = tuple(word for day in days for word in ("--holiday", str(day)))
    environment = {"OBSERVER_FORCE_OPEN": "false", "OBSERVER_HTTP_PORT": str(port)}
    tree = LoopbackTree(
        directory,
        symbols=SYMBOLS,
        swing_shards=SHARDS,
        always_open=False,
        exchange=holidays,
        environment=environment,
    )
    with tree, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5, trust_env=False) as client:
        until(lambda: _readiness(client)[0] == httpx.codes.OK, "not ready within 60 s", tree.log, deadline_s=60)
        end_s, looks, never = moment() + duration_s, 0, ""
        while moment() < end_s:
            status, never = _readiness(client)
            looks += 1
            assert status == httpx.codes.OK, f"look {looks}: {status} {never}"
            time.sleep(1.0)
        view = tree.view()
        assert view is not None
        assert view.market.phase == Phase.CLOSED, view.market.phase
        restarts = sum(row.restarts for row in view.processes)
        line = f"{looks} looks in {duration_s:.0f} s, /ready never false, {restarts} restarts, {view.gaps.today} gaps"
        assert restarts == view.gaps.today == 0, line
        return line


def _readiness(client: httpx.Client) -> tuple[int, str]:
    try:
        answer = client.get("/ready")
    except httpx.TransportError as error:
        return 0, str(error)
    return answer.status_code, answer.text


LEGS: dict[str, Callable[[Path, float], str]] = {
    leg.__name__.replace("_", "-"): leg
    for leg in (rate_budget, random_refusals, lowered_limit, crash_after_connect, cut_after_connect, closed_hour)
}
