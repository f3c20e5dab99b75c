"""`observerctl pauses`: the longest time without an observation, by shard, as the archive itself has it.

Separate from `gaps`, which shows what the collectors wrote down: this is measured from what was received, so it also
tells the truth about a version that writes nothing down. Works on the files; nothing has to run.
"""

import os
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer

from observer_core.cli.data_directory import data_paths
from observer_core.cli.exits import exit_codes
from observer_core.cli.output import table
from observer_core.clock import KST, NS_PER_S, SystemClock, kst_datetime
from observer_core.errors import ConfigError
from observer_core.messages import Book, Quote, Trade
from observer_core.settings import load_client_settings
from observer_core.sinks.replay_sources import Range, archive_source

LEAD_NS = 10 * NS_PER_S
"""Looked at before the instant asked for: a pause is measured from the last observation before it."""

Since = Annotated[
    str, typer.Option("--since", help="Instant, such as 2026-01-05T09:00:00+09:00; Korean without offset.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


class Pause(NamedTuple):
    """The longest time between two observations of one shard, wall clock."""

    shard: str
    from_ns: int
    until_ns: int

    @property
    def seconds(self) -> float:
        """Return its length."""
        return (self.until_ns - self.from_ns) / NS_PER_S


def pauses_command(since: Since, as_json: AsJson = False) -> None:
    """Show the longest time without an observation since an instant, by shard."""
    with exit_codes():
        data = data_paths(load_client_settings(os.environ).paths, SystemClock()).data
        since_ns = _instant_ns(since)
    received = _received_ns(Range(since_ns - LEAD_NS, SystemClock().now_ns()), data)
    found = [pause for shard, times in sorted(received.items()) if (pause := longest_pause(shard, times)) is not None]
    if as_json:
        for pause in found:
            print(msgspec.json.encode({**pause._asdict(), "seconds": pause.seconds}).decode())
        return
    rows = [
        (pause.shard, f"{pause.seconds:.2f} s", *(_clock_time(at_ns) for at_ns in (pause.from_ns, pause.until_ns)))
        for pause in found
    ]
    print("\n".join(table(("shard", "longest", "from", "until"), rows, frozenset({"longest"}))))


def longest_pause(shard: str, received_ns: set[int]) -> Pause | None:
    """Return the longest pause between observations; None when there are fewer than two."""
    pairs = pairwise(sorted(received_ns))
    longest = max(pairs, key=lambda pair: pair[1] - pair[0], default=None)
    return None if longest is None else Pause(shard, *longest)


def _received_ns(wanted: Range, data: Path) -> dict[str, set[int]]:
    received: dict[str, set[int]] = {}
    for portion in archive_source(data, wanted).portions():
        for batch in portion.batches:
            times = {record.received_ns for record in batch.records if isinstance(record, Trade | Quote | Book)}
            received.setdefault(batch.shard, set()).update(times)
    return received


def _clock_time(at_ns: int) -> str:
    at = kst_datetime(at_ns)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def _instant_ns(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError([f"--since {text} is no instant: give one like 2026-01-05T09:00:00+09:00"]) from error
    return int((at if at.tzinfo else at.replace(tzinfo=KST)).timestamp() * NS_PER_S)
