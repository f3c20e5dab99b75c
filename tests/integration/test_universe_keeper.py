"""The keeper of the universe on real files: what is saved how, what comes into force, and what is refused and told."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from observer_core.errors import ConfigError, ObserverError
from observer_core.ids import DayNumber
from observer_core.kis.simulator.listings import KOSDAQ, KOSPI, generate_listings
from observer_core.kis.simulator.master_files import master_zip
from observer_core.pacing.first_answer import START_PATIENCE_S
from observer_core.services.assignment import read_assignment
from observer_core.services.config_watch import DirectoryWatch, is_mounted_file
from observer_core.services.universe import FAILING_LIMIT_S, UniverseKeeper
from observer_core.services.universe_files import (
    Request,
    cached_listings,
    keep_listings,
    leave_request,
    newest_universe,
    read_outcome,
    read_pins,
    write_universe,
)
from observer_core.services.universe_preview import preview
from observer_core.services.universe_renewal import renew_universe
from observer_core.services.universe_rules import read_source
from observer_core.settings import Settings
from tests.fixtures.journals import SteppingClock
from tests.fixtures.kis_adapter import SimulatedBroker, broker_settings
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.universe_files import Broken, broken_files, config_text, save_by_rename

pytestmark = pytest.mark.integration

TODAY, TOMORROW = DayNumber(20260724), DayNumber(20260725)
NOWHERE = SimulatedBroker("http://127.0.0.1:1", "ws://127.0.0.1:1", "http://127.0.0.1:1")
LISTINGS = generate_listings(1, 1562)
SHARES = 1562
ORDINARY = [item for item in LISTINGS if item.group == "ST" and item.base_price >= 4000 and not item.preferred]


class Told(NamedTuple):
    """One event."""

    name: str
    severity: str
    text: str


class Bench:
    """A keeper over a directory of its own; `turn` is one second of maintenance."""

    def __init__(self, directory: Path) -> None:
        self.settings: Settings = broker_settings(directory, NOWHERE)
        self.paths = self.settings.paths
        self.file = self.paths.universe_config
        self.paths.config.mkdir(parents=True)
        self.clock = SteppingClock()
        self.told: list[Told] = []
        self.keeper = self.new_keeper()
        self.list_day(TODAY)

    def new_keeper(self) -> UniverseKeeper:
        """Return a keeper as a new process would have it."""

        async def tell(name: str, severity: str, subject: str, text: str) -> None:
            assert subject == "universe"
            self.told.append(Told(name, severity, text))

        return UniverseKeeper(self.settings, self.clock, tell)

    def list_day(self, day: DayNumber, count: int | None = None) -> None:
        """Put a day's listing files into the cache, `count` shares of either board at most."""
        built_at = datetime(2026, 7, 24, tzinfo=UTC)
        chosen = LISTINGS if count is None else [
            listing
            for board in (KOSPI, KOSDAQ)
            for listing in [item for item in ORDINARY if item.market == board][:count]
        ]  # fmt: skip
        kospi, kosdaq = (master_zip(chosen, board, built_at) for board in (KOSPI, KOSDAQ))
        keep_listings(self.paths, day, {"kospi": kospi, "kosdaq": kosdaq})

    def turn(self, day: DayNumber = TODAY) -> bool:
        """Let the keeper look once."""
        return asyncio.run(self.keeper.keep(day))

    def ask(self, verb: str, *symbols: str, accept_size: bool = False) -> str:
        """Leave a request and let the keeper look; return the state of its outcome."""
        request = Request(
            request_id=f"{verb}-{len(self.told)}",
            verb=verb,
            who="lee",
            reason="test",
            at_ns=1,
            symbols=symbols,
            accept_size=accept_size,
        )
        leave_request(self.paths, request)
        self.turn()
        outcome = read_outcome(self.paths)
        assert outcome is not None
        assert outcome.request_ids == (request.request_id,)
        return outcome.state

    @property
    def size(self) -> int:
        """Return how many symbols are in force."""
        assert self.keeper.in_force is not None
        return len(self.keeper.in_force.members)

    def files(self) -> dict[str, bytes]:
        """Return everything that must not change when nothing comes into force."""
        snapshots = {path.name: path.read_bytes() for path in self.paths.universe.iterdir()}
        return {**snapshots, "assignment": (self.paths.state / "assignment.json").read_bytes()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_day_begins_with_the_environments_rules_where_there_is_no_file(bench: Bench) -> None:
    assert bench.turn()
    assert bench.size == SHARES
    assert [told.name for told in bench.told] == ["universe"]
    universe, assignment = newest_universe(bench.paths), read_assignment(bench.paths)
    assert universe is not None
    assert assignment is not None
    assert universe.name == "20260724"
    assert universe.listings == len(LISTINGS)
    assert sum(universe.dropped.values()) == len(LISTINGS) - SHARES
    assert {symbol for symbols in assignment.swing.values() for symbol in symbols} == universe.codes


BROKEN = broken_files(config_text(top=1000))


@pytest.mark.parametrize("broken", BROKEN, ids=[broken.kind for broken in BROKEN])
def test_a_broken_file_changes_nothing_and_is_reported_and_the_next_good_save_applies(
    bench: Bench, broken: Broken
) -> None:
    save_by_rename(bench.file, config_text(top=1000))
    bench.turn()
    before, told = bench.files(), len(bench.told)
    broken.save(bench.file)
    for _ in range(3):
        assert bench.turn()
    assert bench.files() == before
    (alarm,) = bench.told[told:]
    assert alarm.severity == "error"
    assert alarm.text.startswith(f"universe.toml:{broken.line}: ")
    assert alarm.text.endswith("(universe in force: 20260724)")
    assert bench.keeper.note.startswith(f"universe.toml:{broken.line}: ")

    save_by_rename(bench.file, config_text(top=1010))
    assert bench.turn()
    assert bench.size == 1010
    assert bench.keeper.note == ""
    assert bench.told[-1].text.startswith("universe reload 1,000 -> 1,010 symbols (+10 -0), 0 moved, ")
    assert "0 restarts" in bench.told[-1].text


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (1562, 7, "universe.toml:5: top: 1,562 -> 7 symbols: less than 50% of what is in force; not adopted"),
        (150, 1500, "universe.toml:5: top: 150 -> 1,500 symbols: more than 2 times what is in force; not adopted"),
    ],
)
def test_a_size_that_cannot_be_meant_is_refused_until_an_operator_accepts_it(
    bench: Bench, before: int, after: int, problem: str
) -> None:
    save_by_rename(bench.file, config_text(top=before))
    bench.turn()
    assert bench.size == before
    save_by_rename(bench.file, config_text(top=after))
    bench.turn()
    assert bench.size == before
    assert bench.keeper.note == problem
    assert [told.severity for told in bench.told if told.name == "universe_refused"] == ["error"]
    assert bench.ask("apply") == "refused"
    assert bench.ask("apply", accept_size=True) == "applied"
    assert bench.size == after
    assert bench.told[-1].text.endswith("apply by lee: test")


def test_a_symlink_swap_is_a_save(bench: Bench) -> None:
    """As an orchestrator updates a mounted directory: the file is a link through a link that is swapped."""
    for version, top in (("v1", 1000), ("v2", 1005)):
        (bench.paths.config / version).mkdir()
        (bench.paths.config / version / "universe.toml").write_text(config_text(top=top))
    current = bench.paths.config / "..data"
    current.symlink_to("v1")
    bench.file.symlink_to("..data/universe.toml")
    bench.turn()
    assert bench.size == 1000
    swapped = bench.paths.config / "..data_tmp"
    swapped.symlink_to("v2")
    swapped.rename(current)
    bench.turn()
    assert bench.size == 1005
    (bench.paths.config / "v2" / "universe.toml").unlink()
    bench.turn()
    assert bench.size == 1005
    assert bench.keeper.note == "universe.toml:1: is a symbolic link to a file that is missing"


def test_snapshots_are_dated_numbered_and_never_change(bench: Bench) -> None:
    bench.turn()
    first = bench.files()
    for top in (1500, 1400):
        save_by_rename(bench.file, config_text(top=top))
        bench.turn()
    assert sorted(path.name for path in bench.paths.universe.iterdir()) == [
        "20260724-1.json", "20260724-2.json", "20260724.json",
    ]  # fmt: skip
    assert (bench.paths.universe / "20260724.json").read_bytes() == first["20260724.json"]
    assert bench.keeper.in_force is not None
    with pytest.raises(FileExistsError):
        write_universe(bench.paths, bench.keeper.in_force)
    bench.keeper = bench.new_keeper()
    before = bench.files()
    bench.turn()
    assert (bench.size, bench.files()) == (1400, before)


def test_pins_come_first_and_stay_until_they_are_taken_back(bench: Bench) -> None:
    save_by_rename(bench.file, config_text(top=1000))
    bench.turn()
    assignment = read_assignment(bench.paths)
    assert assignment is not None
    assert bench.keeper.in_force is not None
    collected = bench.keeper.in_force.codes
    outsider = next(item.code for item in LISTINGS if item.group == "ST" and item.code not in collected)
    assert bench.ask("pin", outsider) == "applied"
    pinned = read_assignment(bench.paths)
    assert pinned is not None
    assert pinned.scalp["scalp-0"][0] == outsider  # type: ignore[index]
    assert len(pinned.scalp["scalp-0"]) == 41  # type: ignore[index]
    assert [(pin.symbol, pin.who, pin.reason) for pin in read_pins(bench.paths)] == [(outsider, "lee", "test")]
    assert bench.told[-1].text.endswith(f"pin {outsider} by lee: test")
    assert bench.ask("pin", outsider) == "unchanged"
    assert bench.ask("unpin", outsider) == "applied"
    back = read_assignment(bench.paths)
    assert back is not None
    assert back.scalp == assignment.scalp


def test_what_is_wanted_and_not_listed_is_said(bench: Bench) -> None:
    save_by_rename(bench.file, config_text(include=["ZZZZZ9"]))
    bench.turn()
    assert bench.size == SHARES
    assert bench.told[-1].text.endswith("not listed, so not collected: ZZZZZ9")


def test_a_morning_with_a_broken_file_keeps_the_rules_before_and_says_so(bench: Bench) -> None:
    save_by_rename(bench.file, config_text(top=1000))
    bench.turn()
    bench.keeper = bench.new_keeper()
    bench.list_day(TOMORROW)
    bench.file.write_text("")
    bench.turn(TOMORROW)
    bench.turn(TOMORROW)
    assert bench.size == 1000
    assert bench.keeper.in_force is not None
    assert bench.keeper.in_force.name == "20260725"
    alarms = [told for told in bench.told if told.severity == "error"]
    assert [alarm.name for alarm in alarms] == ["universe_config_invalid"]
    assert bench.keeper.note.startswith("universe.toml:1: is empty")


def test_listing_files_that_collapsed_overnight_leave_the_day_before_in_force(bench: Bench) -> None:
    bench.turn()
    before = bench.files()
    bench.list_day(TOMORROW, count=3)
    assert not bench.turn(TOMORROW)
    assert not bench.turn(TOMORROW)
    assert bench.files() == before
    assert (bench.paths.listings / "20260725-kospi_code.mst.zip.refused").exists()
    (alarm,) = [told for told in bench.told if told.severity == "error"]
    assert "1,562 -> 6 symbols" in alarm.text


def test_a_download_that_fails_is_an_alarm_only_when_it_goes_on_failing(bench: Bench) -> None:
    bench.turn()
    before = bench.files()
    assert not bench.turn(TOMORROW)
    bench.clock.advance(FAILING_LIMIT_S - 1)
    assert not bench.turn(TOMORROW)
    assert [told.severity for told in bench.told] == ["info"]
    for _ in range(5):
        bench.clock.advance(300)
        assert not bench.turn(TOMORROW)
    assert [told.name for told in bench.told] == ["universe", "universe_failed"]
    assert bench.files() == before


def test_a_broker_that_comes_up_beside_us_is_no_fault_until_it_is_late(bench: Bench) -> None:
    keeper = bench.keeper
    assert not bench.turn(TOMORROW)
    assert "cannot be downloaded" in keeper.note
    assert keeper.failures_total == 0
    bench.clock.advance(START_PATIENCE_S)
    assert not bench.turn(TOMORROW)
    assert keeper.failures_total == 1


def test_a_broker_that_goes_away_after_the_universe_was_built_is_a_fault_at_once(bench: Bench) -> None:
    assert bench.turn()
    assert not bench.turn(TOMORROW)
    assert bench.keeper.failures_total == 1


def test_a_preview_says_what_the_keeper_would_do(bench: Bench) -> None:
    bench.turn()
    save_by_rename(bench.file, config_text(top=1500, exclude=["005930"]))
    shown = preview(bench.paths, read_source(bench.file), "universe.toml")
    before = bench.files()
    assert shown.refusal == ""
    bench.turn()
    outcome = read_outcome(bench.paths)
    assert outcome is not None
    assert outcome.plan == shown.plan
    assert before != bench.files()
    bench.file.write_text("[rules]\n")
    with pytest.raises(ConfigError, match=r"\[guard\] is missing"):
        preview(bench.paths, read_source(bench.file), "universe.toml")


@pytest.mark.parametrize("way", ["rename", "symlink swap", "in place"])
def test_the_directory_watch_wakes_up_for_every_way_of_saving(tmp_path: Path, way: str) -> None:
    target = tmp_path / "universe.toml"
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    target.symlink_to("one")

    async def save() -> None:
        watch, stopping = DirectoryWatch(tmp_path), asyncio.Event()
        running = asyncio.create_task(watch.run(stopping))
        async with asyncio.timeout(PATIENCE_S):
            # The watch has no sign of being ready: something else is changed until it notices.
            while not watch.changed.is_set():
                (tmp_path / "noise").touch()
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.5)
            watch.changed.clear()
            if way == "in place":
                target.write_text("other")
            else:
                other = tmp_path / ".other"
                other.symlink_to("two") if way == "symlink swap" else other.write_text("x")
                other.rename(target)
            await watch.changed.wait()
            stopping.set()
            await running

    asyncio.run(save())


def test_a_file_that_is_a_mount_of_its_own_is_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "36 35 98:0 / / rw - ext4 /dev/root rw\n"
        "37 36 98:0 /srv/universe.toml /app/config/universe.toml rw - ext4 /dev/root rw\n"
        "38 36 98:0 /srv/other /app/my\\040config rw - ext4 /dev/root rw\n"
    )
    assert is_mounted_file(Path("/app/config/universe.toml"), mounts)
    assert is_mounted_file(Path("/app/my config"), mounts)
    assert not is_mounted_file(Path("/app/config"), mounts)
    assert not is_mounted_file(tmp_path / "universe.toml")
    assert is_mounted_file(Path("/"))
    assert not is_mounted_file(Path("/"), tmp_path / "missing")


def test_a_morning_without_listing_files_keeps_universe_and_cache(bench: Bench) -> None:
    bench.turn()
    before = bench.keeper.in_force

    async def morning() -> str:
        renewal = asyncio.create_task(renew_universe(bench.paths, bench.clock))
        while not renewal.done():
            await bench.keeper.keep(TODAY)
            await asyncio.sleep(0.05)
        return await renewal

    with pytest.raises(ObserverError, match="failed: "):
        asyncio.run(asyncio.wait_for(morning(), PATIENCE_S))
    assert bench.keeper.in_force == before
    assert cached_listings(bench.paths, TODAY) is not None
