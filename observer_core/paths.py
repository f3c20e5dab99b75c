"""The one home of every path the product reads or writes, below its configured directories.

Nothing else in the tree joins a directory with a name of ours; the container's path contract is tested against it.
"""

from dataclasses import dataclass
from pathlib import Path

from observer_core.ids import DayNumber, ProcessName, ShardName, SinkName


@dataclass(frozen=True, slots=True)
class Paths:
    """The configured roots; all absolute."""

    data: Path
    logs: Path
    config: Path
    run: Path
    token_cache: Path

    @property
    def journals(self) -> Path:
        """Return the directory with one journal directory per shard."""
        return self.data / "journal"

    def journal(self, shard: ShardName) -> Path:
        """Return the directory of a shard's segments."""
        return self.journals / shard

    @property
    def state(self) -> Path:
        """Return the directory of small files that outlive processes: checkpoints, budgets, epochs."""
        return self.data / "state"

    def checkpoint(self, sink: SinkName) -> Path:
        """Return the file in which a file sink keeps its durable offsets."""
        return self.state / "sinks" / f"{sink}.json"

    def manifest(self, day: DayNumber) -> Path:
        """Return the list of the sealed archive files of a day."""
        return self.state / "manifests" / f"{day}.json"

    @property
    def backups(self) -> Path:
        """Return the directory of the backup packages, where a PC pulls them from."""
        return self.data / "backup"

    def backup(self, day: DayNumber) -> Path:
        """Return the backup package of a day."""
        return self.backups / f"{day}"

    @property
    def receipts(self) -> Path:
        """Return where whoever pulled a package says that it holds a verified copy."""
        return self.backups / "receipts"

    def anomaly(self, day: DayNumber) -> Path:
        """Return the verdict that a day was anomalous; the file is missing for an ordinary day."""
        return self.state / "anomalies" / f"{day}.json"

    @property
    def timetable(self) -> Path:
        """Return the last run of every task of maintenance."""
        return self.state / "timetable.json"

    def datasets(self, day: DayNumber) -> Path:
        """Return the Parquet files of a day."""
        return self.data / "datasets" / f"{day}"

    @property
    def reserve(self) -> Path:
        """Return the file that holds space back on the volume of the state."""
        return self.state / "reserve.bin"

    @property
    def journal_reserve(self) -> Path:
        """Return the file that holds space back on the journals' volume, where that is another one."""
        return self.journals / "reserve.bin"

    @property
    def budgets(self) -> Path:
        """Return the directory of the rate and connect budgets, one file per appkey."""
        return self.state / "budgets"

    def rates(self, shard: ShardName) -> Path:
        """Return what a shard usually receives, by phase."""
        return self.state / "rates" / f"{shard}.json"

    def slots(self, shard: ShardName) -> Path:
        """Return who held the tick slots of a streaming shard when they last changed."""
        return self.state / "slots" / f"{shard}.json"

    def day_volumes(self, shard: ShardName) -> Path:
        """Return what the symbols of a streaming shard executed today while they were wanted."""
        return self.state / "completeness" / f"{shard}.json"

    def backfill(self, shard: ShardName) -> Path:
        """Return the minutes of today that a streaming shard wants bars of, and those that it has asked for."""
        return self.state / "backfill" / f"{shard}.json"

    @property
    def locks(self) -> Path:
        """Return the directory of lock files: one holder per data directory, shard and sink."""
        return self.state / "locks"

    @property
    def alerts(self) -> Path:
        """Return the incidents that somebody was told of, and the messages still to be sent."""
        return self.state / "alerts.json"

    @property
    def replay(self) -> Path:
        """Return what is replayed into this data directory; it exists in those of replays only."""
        return self.state / "replay.json"

    @property
    def universe(self) -> Path:
        """Return the directory of the dated universe snapshots."""
        return self.data / "universe"

    @property
    def listings(self) -> Path:
        """Return the cache of downloaded listing files."""
        return self.data / "symbols"

    @property
    def universe_config(self) -> Path:
        """Return the operators' file of universe rules; it need not exist."""
        return self.config / "universe.toml"

    @property
    def universe_desk(self) -> Path:
        """Return the directory of pins, requests and outcomes between `observerctl universe` and maintenance."""
        return self.state / "universe"

    @property
    def scalp_config(self) -> Path:
        """Return the operators' file of triggers, slots and mitigation; it need not exist."""
        return self.config / "scalp.toml"

    @property
    def calendar_overrides(self) -> Path:
        """Return the operators' file of days that differ from the calendar; it need not exist."""
        return self.config / "calendar_overrides.toml"

    @property
    def trading_hours(self) -> Path:
        """Return the operators' file of trading hours that differ from the shipped ones; it need not exist."""
        return self.config / "trading_hours.toml"

    @property
    def calendar_votes(self) -> Path:
        """Return the directory of what broker and tape say about a day."""
        return self.state / "calendar"

    @property
    def dead_letters(self) -> Path:
        """Return the directory of rows that a sink refused."""
        return self.data / "dead_letters"

    @property
    def chronicle(self) -> Path:
        """Return the directory in which the hub records its view, for replays in the console."""
        return self.logs / "chronicle"

    def log_file(self, process: ProcessName) -> Path:
        """Return the structured log of a process."""
        return self.logs / f"{process}.jsonl"

    def stacks_file(self, process: str) -> Path:
        """Return the file of a process's stack dumps, which the supervisor asks for before it kills a hung one."""
        return self.logs / f"{process}.stacks"

    @property
    def status_endpoint(self) -> str:
        """Return where every process sends its status; the hub binds it."""
        return f"ipc://{self.run}/status.sock"

    def sink_endpoint(self, sink: SinkName) -> str:
        """Return where shards publish to a writer; the writer binds it, shards connect."""
        return f"ipc://{self.run}/sink-{sink}.sock"

    def candidate_endpoint(self, shard: ShardName) -> str:
        """Return where sweeping shards propose symbols to a streaming shard; the latter binds it."""
        return f"ipc://{self.run}/candidates-{shard}.sock"

    @property
    def publish_endpoint(self) -> str:
        """Return where the hub publishes deltas to viewers (XPUB)."""
        return f"ipc://{self.run}/pub.sock"

    @property
    def viewer_endpoint(self) -> str:
        """Return where the hub answers viewers (ROUTER)."""
        return f"ipc://{self.run}/ro.sock"

    @property
    def operator_endpoint(self) -> str:
        """Return where the hub takes orders (ROUTER)."""
        return f"ipc://{self.run}/rw.sock"


def socket_path(endpoint: str) -> Path:
    """Return the file of an ipc endpoint."""
    return Path(endpoint.removeprefix("ipc://"))
