"""Candidates over real sockets into the slots of two appkeys; every one is in a slot or in a journalled ledger."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from observer_core.audit.archive import _payloads
from observer_core.bus.candidates import CandidateSender
from observer_core.clock import NS_PER_S, SystemClock
from observer_core.ids import AppKeyOrdinal, ProcessName, ShardName
from observer_core.messages import Event, Overflow, Record, Track, decode_batch
from observer_core.scalp.config import ScalpRules
from observer_core.services.assignment import Assignment
from observer_core.services.candidate_watch import streaming_shards
from observer_core.services.context import ChildContext
from observer_core.services.mitigation_watch import MitigationWatch
from observer_core.services.scalp_config import ScalpConfig
from observer_core.services.shard import Shard
from observer_core.services.slot_desk import SlotDesk
from observer_core.settings import Settings, load_settings
from observer_core.slot_messages import Candidate
from tests.fixtures.hub import short_directory
from tests.fixtures.journals import wait_until

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
SYMBOLS = [f"{number:06d}" for number in range(600)]
SHARDS = (ShardName("scalp-0"), ShardName("scalp-1"))
CANDIDATES = 10_000


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    names = ("DATA", "LOG", "CONFIG")
    environment = {f"OBSERVER_{name}_DIR": str(tmp_path / name.lower()) for name in names}
    keys = {
        "KIS_APP_KEY": "k" * 36,
        "KIS_APP_SECRET": "s" * 180,
        "KIS_APP_KEY_2": "l" * 36,
        "KIS_APP_SECRET_2": "t" * 180,
    }
    with short_directory() as run:
        cache = {"OBSERVER_RUN_DIR": str(run), "KIS_TOKEN_CACHE_DIR": str(tmp_path / "secrets")}
        yield load_settings({**environment, **keys, **cache})


def assignment(**changes: object) -> Assignment:
    dealt = {shard: tuple(SYMBOLS[place : 2 * 41 : 2]) for place, shard in enumerate(SHARDS)}
    fields: dict[str, object] = {"day": 20261120, "version": 1, "swing": {"swing-0": tuple(SYMBOLS)}, "scalp": dealt}
    return Assignment(**{**fields, **changes})  # type: ignore[arg-type]  # a test's shorthand


class Desk:
    """A streaming shard without its stream."""

    def __init__(self, settings: Settings, place: int) -> None:
        context = ChildContext(
            name=ProcessName(SHARDS[place]), kind="scalp", index=place, settings=settings, clock=CLOCK
        )
        self.shard = Shard(context, Track.SCALP)
        config = ScalpConfig(settings.paths.scalp_config)
        self.mitigation = MitigationWatch(self.shard.name, config, books=False)
        self.desk = SlotDesk(self.shard, AppKeyOrdinal(place), config)

    def kill(self) -> None:
        """Give back what the kernel would; nothing is written."""
        self.shard._lock.close()
        self.desk.close()
        if self.shard._status_sender is not None:
            self.shard._status_sender.close()
        self.shard._publisher.close()

    def records(self) -> list[Record]:
        """Return everything this shard ever journalled."""
        found: list[Record] = []
        directory = self.shard.settings.paths.journal(self.shard.name)
        for path in sorted(directory.glob("*.seg")):
            for payload in _payloads(path.read_bytes()):
                found += decode_batch(payload).records
        return found

    def told(self, name: str) -> list[str]:
        """Return the texts of the events of a name."""
        return [record.text for record in self.records() if isinstance(record, Event) and record.name == name]


@pytest.fixture
def desks(settings: Settings) -> Iterator[list[Desk]]:
    made = [Desk(settings, place) for place in range(2)]
    for one in made:
        one.desk.arrange(assignment())
    yield made
    for one in made:
        one.kill()


def hears(one: Desk, sender: CandidateSender) -> bool:
    sender.send([])
    assert one.desk._receiver is not None
    return bool(one.desk._receiver._socket.poll(20))


def propose(settings: Settings, candidates: list[Candidate], desks: list[Desk], expected: int) -> None:
    """Send candidates as a sweeping shard does, and let the desks decide until they have decided about all."""
    endpoints = [settings.paths.candidate_endpoint(shard) for shard in streaming_shards(settings)]
    sender = CandidateSender("swing-0", endpoints, desks[0].shard.bus_context)
    try:
        # What is sent before the connection stands is dropped, as documented; it stands when an empty word arrives.
        for one in desks:
            one.desk.decide(one.mitigation)
            wait_until(lambda: hears(one, sender), "the desk hears the shard")  # noqa: B023 - used within the turn
        for start in range(0, len(candidates), 30):
            sender.send(candidates[start : start + 30])

        def all_decided() -> bool:
            for one in desks:
                one.desk.decide(one.mitigation)
            return sum(one.desk._candidates_total for one in desks) >= expected

        wait_until(all_decided, "the desks have decided about all")
    finally:
        sender.close()


def test_ten_thousand_candidates_are_all_accounted_for(settings: Settings, desks: list[Desk]) -> None:
    random, now_ns = Random(3), CLOCK.now_ns()
    rules = ScalpRules()
    proposed = [
        Candidate(random.choice(SYMBOLS), "volume_surge", random.paretovariate(1.5), now_ns) for _ in range(CANDIDATES)
    ]
    propose(settings, proposed, desks, CANDIDATES)
    ledger: Counter[str] = Counter()
    placed = kept = 0
    for one in desks:
        losers = [record for record in one.records() if isinstance(record, Overflow)]
        ledger.update(loser.symbol for loser in losers)
        held = set(one.desk.symbols)
        assert len(held) == settings.scalp_trades == 41
        # Within the first dwell nobody is displaced.
        assert rules.slots.dwell_s == 120
        assert {loser.reason for loser in losers} == {"dwell"}
        assert {(loser.occupied, loser.capacity) for loser in losers} == {(41, 41)}
        placed += one.desk._placed_total
        kept += sum(candidate.symbol in held for candidate in proposed)
    assert placed == 0
    assert ledger.total() + kept == CANDIDATES
    owed = Counter(c.symbol for c in proposed if not any(c.symbol in one.desk.symbols for one in desks))
    assert ledger == owed


def test_each_symbol_has_one_home(desks: list[Desk]) -> None:
    homes = [assignment().home_symbols(shard) for shard in SHARDS]
    assert homes[0] | homes[1] == set(SYMBOLS)
    assert not homes[0] & homes[1]
    assert all(set(one.desk.symbols) <= home for one, home in zip(desks, homes, strict=True))
    assert min(len(home) for home in homes) > len(SYMBOLS) // 3


def test_a_killed_shard_holds_the_same_slots_again(settings: Settings) -> None:
    settings.paths.config.mkdir(parents=True)
    settings.paths.scalp_config.write_text("[slots]\ndwell_s = 0\n[mitigation]\n")
    first = Desk(settings, 0)
    first.desk.arrange(assignment())
    before = first.desk.symbols
    home = assignment().home_symbols(SHARDS[0])
    wanted = next(symbol for symbol in SYMBOLS if symbol in home and symbol not in before)
    propose(settings, [Candidate(wanted, "price_spike", 3.0, CLOCK.now_ns())], [first], 1)
    (change,) = first.told("slot_changed")
    displaced = before[-1]
    assert f"{wanted} (price_spike 3.00) takes the place of {displaced}" in change
    held = first.desk.symbols
    assert first.desk.leaving == {displaced}
    first.kill()

    second = Desk(settings, 0)
    assert second.desk.symbols == held
    # What may have been on its way at the kill is known to the next life.
    assert second.desk.leaving == {displaced}
    second.desk.arrange(assignment())
    assert second.desk.symbols == held
    assert second.told("slots_held")[1].endswith(" ".join(held))
    second.desk.gone([displaced])
    second.kill()
    third = Desk(settings, 0)
    assert third.desk.leaving == frozenset()
    # Another day: what is past its dwell gives way to the universe's own order.
    third.desk.arrange(assignment(day=20261123, version=2))
    assert set(third.desk.symbols) == set(before)
    third.kill()


def test_a_refused_symbol_gives_its_slot_back_and_is_barred(settings: Settings) -> None:
    settings.paths.config.mkdir(parents=True)
    settings.paths.scalp_config.write_text("[slots]\ndwell_s = 0\n[mitigation]\n")
    one = Desk(settings, 0)
    one.desk.arrange(assignment())
    before = one.desk.symbols
    home = assignment().home_symbols(SHARDS[0])
    wanted = next(symbol for symbol in SYMBOLS if symbol in home and symbol not in before)
    propose(settings, [Candidate(wanted, "price_spike", 3.0, CLOCK.now_ns())], [one], 1)
    assert one.desk.refused(wanted, one.mitigation)
    assert set(one.desk.symbols) == set(before)
    propose(settings, [Candidate(wanted, "price_spike", 9.0, CLOCK.now_ns())], [one], 2)
    old = Candidate(wanted, "price_spike", 9.0, CLOCK.now_ns() - 60 * NS_PER_S)
    propose(settings, [old], [one], 3)
    assert not one.desk.refused(before[0], one.mitigation)
    reasons = [record.reason for record in one.records() if isinstance(record, Overflow)]
    assert reasons == ["refused_by_broker", "refused_by_broker", "late"]
    one.kill()


def test_a_broken_file_is_told_and_changes_nothing(settings: Settings) -> None:
    one = Desk(settings, 0)
    one.desk.arrange(assignment())
    settings.paths.config.mkdir(parents=True)
    settings.paths.scalp_config.write_text("[slots]\ndwell_s = -1\n[mitigation]\n")
    for _ in range(3):
        one.desk.decide(one.mitigation)
    (told,) = one.told("scalp_config_invalid")
    assert told.startswith("scalp.toml:2: slots.dwell_s")
    assert one.desk.config.rules == ScalpRules()
    one.kill()
