"""The verdict on a day: from the archive as it grows to the file that retention reads, the manifest and the command."""

import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from observer_core.archive.manifest import read_manifest
from observer_core.archive.verdicts import read_verdict
from observer_core.cli.observerctl import app
from observer_core.clock import NS_PER_S
from observer_core.ids import DayNumber, SinkName
from observer_core.market.universe import Member, Rules, Universe
from observer_core.messages import Event, Gap, Record, Track
from observer_core.services.day_watch import DayWatch
from observer_core.services.universe_files import write_universe
from observer_core.sinks.dead_letters import DeadLetterFile, letter_for
from observer_core.sinks.port import StoredBatch
from tests.fixtures.archive_store import DAY, Store
from tests.fixtures.journals import batch, trade

pytestmark = pytest.mark.integration


async def nobody(*_said: str) -> None:
    """Hear nothing: the tests read what `look` returns."""


class Day(Store):
    """A day's archive and the watch over it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._seq = 0
        self.watch = DayWatch(self.settings, self.clock, nobody)
        self.watch.look()

    def say(self, *records: Record) -> None:
        """Archive records now."""
        made = replace(batch(self._seq + 1, list(records)), received_ns=self.clock.wall_ns)
        self._seq += len(records)
        self.sink.write([StoredBatch(made, 1)])
        self.sink.commit()

    def gap(self, number: int, seconds: float, reason: str = "call_failed") -> Gap:
        from_ns = self.clock.wall_ns - int(seconds * NS_PER_S)
        return Gap(f"swing-0-1-{number}", Track.SWING, reason, ("005930",), from_ns, self.clock.wall_ns, from_ns)

    def rules(self, day: int = DAY) -> dict[str, str]:
        return read_verdict(self.paths.anomaly(DayNumber(day)), DayNumber(day)).rules


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path)


def test_a_rule_that_holds_is_told_once_and_stays(day: Day) -> None:
    day.clock.advance(600)
    day.say(day.gap(1, 90))
    assert day.watch.look() == []
    assert not day.paths.anomaly(DAY).exists(), "an ordinary day has no verdict"
    day.say(day.gap(2, 120))
    found = [(DAY, "2 gaps of at least a minute, the longest 120 s")]
    assert day.watch.look() == found
    assert day.watch.look() == []
    assert DayWatch(day.settings, day.clock, nobody).look() == [], "nor by the next maintenance process"
    assert day.rules() == {"long_gaps": found[0][1]}


def test_the_watch_reads_rates_letters_and_the_disk(day: Day) -> None:
    day.say(Event(day.clock.wall_ns, "rate_below_expectation", "critical", "scalp-0", "1/500"))
    day.clock.advance(301)
    day.watch.look()
    letter = letter_for(
        batch(1, [trade(1)]), sink=SinkName("postgres"), at_ns=day.clock.wall_ns, code="22021", reason=""
    )
    DeadLetterFile(day.paths.dead_letters, SinkName("postgres")).append([letter], day.clock.wall_ns)
    day.watch.look()
    full = shutil.disk_usage(day.root)
    assert day.rules().keys() - {"disk"} == {"low_rate", "failed_load"}
    assert ("disk" in day.rules()) == (full.used / (full.used + full.free) > 0.8)


def test_the_last_minutes_of_a_day_are_judged_after_midnight(day: Day) -> None:
    day.clock.advance(6 * 3_600)
    day.say(day.gap(1, 90), day.gap(2, 90))
    day.clock.advance(9.5 * 3_600)
    assert [found for found, _ in day.watch.look()] == [DAY]
    assert day.rules(20260725) == {}


def test_a_day_that_nobody_watched_is_judged_at_the_next_start(day: Day) -> None:
    day.clock.advance(3_600)
    day.say(day.gap(1, 90), day.gap(2, 90))
    day.rest()
    day.keeper().run_pass()
    assert list(day.root.rglob("*.jsonl")) == [], "sealed meanwhile"
    day.clock.advance(15 * 3_600)
    assert [found for found, _ in DayWatch(day.settings, day.clock, nobody).judge_yesterday()] == [DAY]


def test_a_stop_over_night_is_no_anomaly(day: Day) -> None:
    day.clock.advance(22 * 3_600)
    day.say(day.gap(1, 10 * 3_600), day.gap(2, 9.5 * 3_600))
    day.watch.look()
    assert "long_gaps" not in {**day.rules(), **day.rules(20260725)}


def test_manifest_and_command_say_why(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    day.clock.advance(600)
    day.say(day.gap(1, 90), day.gap(2, 120))
    day.watch.look()
    day.rest()
    day.clock.advance(86_400)
    day.keeper().run_pass()
    manifest = read_manifest(day.paths.manifest(DAY), DAY)
    assert manifest.complete
    assert manifest.anomalies == day.rules() != {}
    member = Member(code="005930", name="삼성전자", board="kospi", previous_close=1, turnover=1)
    other = Member(code="000660", name="SK하이닉스", board="kospi", previous_close=1, turnover=1)
    universe = Universe(day=DAY, rules=Rules(), listings=2, dropped={}, members=(other, member))
    write_universe(day.paths, universe)
    for name in ("DATA", "LOG", "CONFIG", "RUN"):
        monkeypatch.setenv(f"OBSERVER_{name}_DIR", str(day.root))
    runner = CliRunner()
    shown = json.loads(runner.invoke(app, ["days", "show", "--day", "2026-07-24", "--json"]).output)
    assert (shown["complete"], shown["anomalies"]) == (True, day.rules())
    # The two gaps overlap and lie in the sessions: 120 s of one of two symbols.
    assert shown["least_swept"].keys() == {"005930"}
    assert shown["swept_percent"] == pytest.approx((100 + shown["least_swept"]["005930"]) / 2, abs=1e-4)
    assert 99.0 < shown["swept_percent"] < 100.0
    listed = runner.invoke(app, ["days", "show"])
    assert "long_gaps: 2 gaps of at least a minute" in listed.output
    for _ in range(2):
        declared = runner.invoke(app, ["days", "declare", "--day", "2026-07-23", "--reason", "exchange was late"])
        assert declared.exit_code == 0, declared.output
    assert day.rules(20260723)["declared"].startswith("exchange was late (")
    assert runner.invoke(app, ["days", "declare", "--day", "2026-07-23", "--reason", " "]).exit_code == 2
    assert runner.invoke(app, ["days", "show", "--day", "x"]).exit_code == 2


def test_a_damaged_verdict_keeps_the_day(day: Day) -> None:
    day.paths.anomaly(DAY).parent.mkdir(parents=True, exist_ok=True)
    day.paths.anomaly(DAY).write_text("{")
    assert "damaged" in day.rules()["declared"]


def test_a_long_day_that_nobody_watched_is_judged_to_its_end(day: Day) -> None:
    day.clock.advance(3_600)
    day.say(*[Event(day.clock.wall_ns, "slot_changed", "info", "scalp-0", "x" * 50_000) for _ in range(100)])
    day.say(day.gap(1, 90), day.gap(2, 90))
    day.clock.advance(15 * 3_600)
    assert [found for found, _ in DayWatch(day.settings, day.clock, nobody).judge_yesterday()] == [DAY]
