"""Postgres away for minutes at the full rate: `python -m tests.chaos.outage --minutes 10 --kind refuse`.

Shows that an outage is no event: the archive's rate stays, memory stays, the writer says what it waits for and for how
long it will catch up, is live again within a minute, and afterwards both sides are equal by count and by the hash of
every symbol.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from observer_core.audit.symbols import archive_sums, postgres_sums
from observer_core.sinks.embedded import deadline_in, wait_ready
from observer_core.view import SystemView, WriterRow
from tests.chaos import processes
from tests.chaos.system import ChaosSystem

RATE_TOLERANCE = 0.02
CATCH_UP_LIMIT_S = 60.0
MEMORY_GROWTH_LIMIT_BYTES = 16 * 1024 * 1024
BASELINE_SHARE = 0.5
"""Length of the measurement before the outage, as a part of the outage's; at least `BASELINE_S`."""
BASELINE_S = 20.0
LOOK_S = 0.5


class Kind(NamedTuple):
    """A way of being away: how it begins and how it ends."""

    begin: Callable[[ChaosSystem], object]
    end: Callable[[ChaosSystem], object]


KINDS = {
    "refuse": Kind(lambda s: s.database_proxy.refuse(), lambda s: s.database_proxy.restore()),
    "swallow": Kind(lambda s: s.database_proxy.stall(), lambda s: s.database_proxy.restore()),
    "kill": Kind(lambda s: s.database.send_signal(signal.SIGKILL), lambda s: s.revive_database()),
    "freeze": Kind(lambda s: processes.stop_tree(s.database.pid), lambda s: processes.resume_tree(s.database.pid)),
}


class Measured(NamedTuple):
    """One stretch of time."""

    seconds: float
    records: int
    sent: int
    """By the exchange: the market's own rate changes all the while."""
    memory_bytes: dict[str, int]
    """At its end, by process."""
    states: tuple[str, ...]
    """What the Postgres writer said about itself, each wording once, in order."""

    @property
    def rate(self) -> float:
        """Return archived records a second."""
        return self.records / self.seconds


class Outcome(NamedTuple):
    """What an outage did."""

    before: Measured
    during: Measured
    catch_up_s: float | None
    """From the database's return until the writer was live without lag; None = not in time."""
    backlog_bytes: int
    longest_eta_s: float | None
    archived: int
    rows: int
    equal: bool
    exit_code: int

    @property
    def rate_change(self) -> float:
        """Return the change of the archive's rate measured against what the exchange sent."""
        return (self.during.records / self.during.sent) / (self.before.records / self.before.sent) - 1

    def problems(self, rate_tolerance: float) -> list[str]:
        """Return what is not as promised."""
        found = []
        if abs(self.rate_change) > rate_tolerance:
            found.append(f"the archive's rate changed by {100 * self.rate_change:+.1f} %")
        for name, before in self.before.memory_bytes.items():
            grown = self.during.memory_bytes.get(name, before) - before
            if grown > MEMORY_GROWTH_LIMIT_BYTES:
                found.append(f"{name} grew by {grown / 2**20:.1f} MB")
        if self.catch_up_s is None or self.catch_up_s > CATCH_UP_LIMIT_S:
            found.append(f"not live again within {CATCH_UP_LIMIT_S:.0f} s")
        if not self.equal or self.archived != self.rows:
            found.append(f"{self.archived:,} archived, {self.rows:,} rows; hashes equal: {self.equal}")
        if self.exit_code:
            found.append(f"exit code {self.exit_code}")
        if "waiting" not in " ".join(self.during.states):
            found.append(f"the writer never said that it waits: {self.during.states}")
        return found

    def text(self) -> str:
        """Return the measurements for people."""
        memory = ", ".join(
            f"{name} {before / 2**20:.1f} -> {self.during.memory_bytes.get(name, 0) / 2**20:.1f} MB"
            for name, before in sorted(self.before.memory_bytes.items())
        )
        caught = "not in time" if self.catch_up_s is None else f"{self.catch_up_s:.1f} s"
        eta = "none was shown" if self.longest_eta_s is None else f"{self.longest_eta_s:.1f} s at first"
        return "\n".join(
            [
                f"archive before  {self.before.rate:8.1f} records/s over {self.before.seconds:.0f} s",
                f"archive during  {self.during.rate:8.1f} records/s over {self.during.seconds:.0f} s"
                f" ({100 * self.rate_change:+.2f} % against what was sent)",
                f"memory          {memory}",
                f"the writer said {' | '.join(self.during.states)}",
                f"backlog         {self.backlog_bytes / 2**20:.1f} MB, caught up in {caught}, estimate {eta}",
                f"afterwards      {self.archived:,} archived, {self.rows:,} rows, hashes by symbol "
                f"{'equal' if self.equal else 'DIFFERENT'}, exit code {self.exit_code}",
            ]
        )


def measure_outage(system: ChaosSystem, kind: str, outage_s: float, baseline_s: float) -> Outcome:
    """Take Postgres away for some seconds from a system that collects; the system is stopped afterwards."""
    before = _measure(system, baseline_s)
    KINDS[kind].begin(system)
    during = _measure(system, outage_s)
    KINDS[kind].end(system)
    backlog_bytes, eta_s, catch_up_s = _await_live(system)
    exit_code = system.stop()
    system.end_exchange()
    wait_ready(system.dsn, deadline_in(30))
    archived, rows = archive_sums(system.paths.data), postgres_sums(system.dsn.reveal())
    return Outcome(
        before,
        during,
        catch_up_s,
        backlog_bytes,
        eta_s,
        sum(each.observations for each in archived.values()),
        sum(each.observations for each in rows.values()),
        archived == rows and bool(rows),
        exit_code,
    )


def _measure(system: ChaosSystem, seconds: float) -> Measured:
    begun_ns = system.monotonic_ns()
    first, first_sent = _await_view(system), _sent(system)
    states: list[str] = []
    while system.seconds_since(begun_ns) < seconds:
        writer = _writer(system.view(), "postgres")
        if writer is not None:
            words = writer.state if not writer.note else f"{writer.state}: {writer.note.split(' for ')[0][:60]}"
            if words not in states:
                states.append(words)
        system.sleep(LOOK_S)
    last, last_sent = _await_view(system), _sent(system)
    memory = {
        row.name: usage.memory_bytes
        for row in last.processes
        if row.pid and (usage := processes.usage_of(row.pid)) is not None
    }
    took_s = (last.as_of_ns - first.as_of_ns) / 1e9
    return Measured(took_s, _archived(last) - _archived(first), last_sent - first_sent, memory, tuple(states))


def _sent(system: ChaosSystem) -> int:
    stats = system.exchange_stats()
    return int(stats["quotes_sent"]) + sum(map(int, stats["records_sent"].values()))


def _archived(view: SystemView) -> int:
    writer = _writer(view, "jsonl")
    return writer.records_total if writer else 0


def _await_live(system: ChaosSystem) -> tuple[int, float | None, float | None]:
    """Return the backlog at the beginning, the first estimate, and how long catching up took."""
    begun_ns, begun_wall_ns = system.monotonic_ns(), system.now_ns()
    backlog_bytes, estimate_s = 0, None
    while (waited_s := system.seconds_since(begun_ns)) < CATCH_UP_LIMIT_S:
        writer = _writer(system.view(), "postgres")
        if writer is not None:
            backlog_bytes = max(backlog_bytes, writer.lag_bytes)
            estimate_s = max(filter(None, (estimate_s, writer.catch_up_s)), default=None)
            committed = (writer.last_commit_ns or 0) > begun_wall_ns
            if writer.state == "live" and writer.lag_s < 2.0 and committed:
                return backlog_bytes, estimate_s, waited_s
        system.sleep(0.1)
    return backlog_bytes, estimate_s, None


def _await_view(system: ChaosSystem) -> SystemView:
    deadline_ns = deadline_in(30)
    while deadline_in(0) < deadline_ns:
        view = system.view()
        if view is not None and _writer(view, "jsonl") is not None:
            return view
        system.sleep(0.1)
    raise TimeoutError("the hub does not answer")


def _writer(view: SystemView | None, name: str) -> WriterRow | None:
    return next((row for row in view.writers if row.name == name), None) if view else None


def main() -> int:
    """Measure one outage; exit 0 only when it was none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kind", choices=sorted(KINDS), default="refuse")
    parser.add_argument("--symbols", type=int, default=2000)
    parser.add_argument("--directory", type=Path, help="kept afterwards; default: a temporary one")
    parser.add_argument("--rate-tolerance", type=float, default=RATE_TOLERANCE)
    options = parser.parse_args()
    outage_s = options.minutes * 60
    with (
        tempfile.TemporaryDirectory(prefix="observer-outage-") as temporary,
        ChaosSystem(options.directory or Path(temporary) / "demo", symbols=options.symbols) as system,
    ):
        system.start()
        system.wait_collecting()
        outcome = measure_outage(system, options.kind, outage_s, max(BASELINE_S, BASELINE_SHARE * outage_s))
    problems = outcome.problems(options.rate_tolerance)
    verdict = "NOT AS PROMISED" if problems else "an outage is no event"
    lines = [f"Postgres away ({options.kind}) for {options.minutes:g} min", outcome.text(), *problems, verdict]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
