"""A recorded day as a feed: at its own pace or N times as fast, into a data directory of its own.

The tree around it is the real one; only the broker is absent. Times of receipt are those of the replay, because that is
when this tree received it, and ages on the screen stay true; exchange times, prices and volumes are the recording's.
All shards share one beginning (`state/replay.json`), so they stay in step, also over the restart of one: what was due
while it was down is missing and covered by a gap, as with any feed.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from observer_core.clock import NS_PER_S, Clock, kst_datetime
from observer_core.errors import ConfigError
from observer_core.ids import DayNumber, ShardName
from observer_core.journal.files import replace_durably
from observer_core.messages import Gap, Quote, Record
from observer_core.paths import Paths
from observer_core.services.feed import collect_from
from observer_core.services.recording import Recorded, Recording, recorded_days
from observer_core.services.shard import Shard
from observer_core.settings import Settings

_BATCH_RECORDS = 300
"""What is due at once is recorded in batches of at most so many."""


class ReplayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is replayed, and since when; the content of `state/replay.json`."""

    recording: str
    day: DayNumber
    speed: float
    first_ns: int
    """First observation of the recording."""
    begun_ns: int
    """When it was given to the shards."""

    def due_ns(self, recorded_ns: int) -> int:
        """Return when an instant of the recording comes, wall clock."""
        return self.begun_ns + int((recorded_ns - self.first_ns) / self.speed)

    def position_ns(self, now_ns: int) -> int:
        """Return the instant of the recording that comes now."""
        return self.first_ns + int((now_ns - self.begun_ns) * self.speed)


class ReplayFeed:
    """The recorded observations of one shard."""

    def __init__(self, plan: ReplayPlan, shard: ShardName, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        recording = Recording(Path(plan.recording), plan.day)
        self._symbols = recording.symbols(shard)
        self._records = recording.records(shard)
        self._next: Recorded | None = next(self._records, None)

    @property
    def symbols(self) -> Sequence[str]:
        """Return the shard's symbols."""
        return self._symbols

    def skip_missed(self) -> None:
        """Go to where the other shards are."""
        position_ns = self._plan.position_ns(self._clock.now_ns())
        while self._next is not None and self._next.at_ns <= position_ns:
            self._next = next(self._records, None)

    async def receive(self) -> Sequence[Record] | None:
        """Return what is due, waiting for it."""
        if self._next is None:
            return None
        wait_s = (self._plan.due_ns(self._next.at_ns) - self._clock.now_ns()) / NS_PER_S
        await asyncio.sleep(max(0.0, wait_s))
        now_ns = self._clock.now_ns()
        due: list[Record] = []
        while self._next is not None and len(due) < _BATCH_RECORDS and self._plan.due_ns(self._next.at_ns) <= now_ns:
            due.append(self._as_received(self._next.record, now_ns))
            self._next = next(self._records, None)
        return due

    def describe(self) -> str:
        """Return which instant of the recording is replayed."""
        at = kst_datetime(self._plan.position_ns(self._clock.now_ns()) if self._next is None else self._next.at_ns)
        return f"replay of {at:%Y-%m-%d %H:%M:%S} at {self._plan.speed:g}x"

    def _as_received(self, record: Record, now_ns: int) -> Record:
        match record:
            case Quote():
                took_ns = int((record.received_ns - record.requested_ns) / self._plan.speed)
                return replace(record, requested_ns=now_ns - took_ns, received_ns=now_ns)
            case Gap():
                # Its own name: this shard numbers gaps of its own.
                return replace(
                    record,
                    gap_id=f"replay-{record.gap_id}",
                    from_ns=self._plan.due_ns(record.from_ns),
                    until_ns=None if record.until_ns is None else self._plan.due_ns(record.until_ns),
                    opened_ns=self._plan.due_ns(record.opened_ns),
                )
            case _:
                return replace(record, received_ns=now_ns)


async def collect_replay(shard: Shard) -> None:
    """Be a shard that replays what the shard of its name recorded."""
    plan = read_plan(shard.settings.paths)
    if plan is None:
        raise ConfigError("no replay was begun in this data directory; start it with observer-supervisor --replay")
    await collect_from(shard, ReplayFeed(plan, shard.name, shard.clock))


def read_plan(paths: Paths) -> ReplayPlan | None:
    """Return what is replayed into a data directory, None = nothing."""
    try:
        return msgspec.json.decode(paths.replay.read_bytes(), type=ReplayPlan)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{paths.replay} cannot be read ({error}); choose an empty data directory") from error


def begin_replay(settings: Settings, clock: Clock) -> None:
    """Set the common beginning of all shards; an interrupted replay goes on with the one it had."""
    plan = plan_replay(settings, clock)
    if read_plan(settings.paths) is None:
        settings.paths.state.mkdir(parents=True, exist_ok=True)
        replace_durably(settings.paths.replay, msgspec.json.encode(plan))


def plan_replay(settings: Settings, clock: Clock) -> ReplayPlan:
    """Return what the settings ask for.

    Raises:
        ConfigError: there is no such recording, or the data directory is not the replay's own.
    """
    wanted = settings.replay
    if wanted is None:
        raise ConfigError("OBSERVER_SOURCE is not replay")
    recording, data = wanted.directory.resolve(), settings.data_dir.resolve()
    if recording == data or recording in data.parents or data in recording.parents:
        raise ConfigError(
            f"a replay never writes into the recording: OBSERVER_DATA_DIR={data} and OBSERVER_REPLAY_DIR={recording} "
            "must lie apart; choose an empty directory for the replay"
        )
    first_ns = Recording(recording, wanted.day).first_ns()
    if first_ns is None:
        days = ", ".join(map(str, recorded_days(recording))) or "none"
        raise ConfigError(f"OBSERVER_REPLAY_DIR={recording} holds no observation of {wanted.day}; its days: {days}")
    plan = ReplayPlan(
        recording=str(recording), day=wanted.day, speed=wanted.speed, first_ns=first_ns, begun_ns=clock.now_ns()
    )
    _claim(settings.paths, plan)
    return plan


def _claim(paths: Paths, plan: ReplayPlan) -> None:
    """Refuse a data directory that holds anything but this replay."""
    before = read_plan(paths)
    if before is None:
        if recorded_days(paths.data) or any(paths.journals.glob("*/*")):
            raise ConfigError(f"OBSERVER_DATA_DIR={paths.data} holds a collection; choose an empty one for the replay")
    elif (before.recording, before.day, before.speed) != (plan.recording, plan.day, plan.speed):
        raise ConfigError(
            f"OBSERVER_DATA_DIR={paths.data} holds a replay of {before.recording}, {before.day} at {before.speed:g}x; "
            "choose an empty one for another"
        )
