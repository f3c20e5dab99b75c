"""Where a record lies in the archive, and what a path in the archive holds. Pure: the path follows from the record.

    {swing,scalp,system}/YYYY/MM/DD/HH/<shard>.jsonl          one hour
    scalp/YYYY/MM/DD/HH/<shard>-HHMM.jsonl                    five minutes

All times are Korean. The window is chosen by the receive time of the batch, so that reading a journal again leads
to the very same file. Every file belongs to one shard; its lines are in the order of (epoch, seq).
"""

import re
from datetime import datetime
from typing import NamedTuple

from observer_core.clock import KST, NS_PER_S, kst_datetime
from observer_core.ids import ShardName
from observer_core.messages import Track

LIVE_SUFFIX = ".jsonl"
SEALED_SUFFIX = ".jsonl.zst"
HOUR_NS = 3600 * NS_PER_S
SCALP_WINDOW_NS = 300 * NS_PER_S

_KST_OFFSET_NS = 9 * HOUR_NS
_SCALP_NAME = re.compile(r"(?P<shard>.+)-(?P<hour>\d{2})(?P<minute>\d{2})")
_PATH = re.compile(
    r"(?P<track>swing|scalp|system)/(?P<year>\d{4})/(?P<month>\d{2})/(?P<day>\d{2})/(?P<hour>\d{2})/"
    r"(?P<name>[^/]+?)\.jsonl(?:\.zst)?"
)


class Window(NamedTuple):
    """One file of the archive: whose, which part, which stretch of time."""

    track: Track
    shard: ShardName
    begins_ns: int
    ends_ns: int

    @property
    def path(self) -> str:
        """Return the path of the live file, relative to the archive."""
        at = kst_datetime(self.begins_ns)
        name = f"{self.shard}-{at:%H%M}" if self.track is Track.SCALP else self.shard
        return f"{self.track}/{at:%Y/%m/%d/%H}/{name}{LIVE_SUFFIX}"


def shard_track(shard: ShardName) -> Track:
    """Return the part of the archive that a shard's observations belong to."""
    kind = shard.partition("-")[0]
    return Track(kind) if kind in {Track.SWING, Track.SCALP} else Track.SYSTEM


def window_of(track: Track, shard: ShardName, received_ns: int) -> Window:
    """Return the file for records of a shard that were received at a time."""
    length_ns = SCALP_WINDOW_NS if track is Track.SCALP else HOUR_NS
    begins_ns = received_ns - (received_ns + _KST_OFFSET_NS) % length_ns
    return Window(track, shard, begins_ns, begins_ns + length_ns)


def parse_path(path: str) -> Window | None:
    """Return what a path relative to the archive, live or sealed, stands for; None when it is not one of ours."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    track = Track(match["track"])
    shard, minute = match["name"], 0
    if track is Track.SCALP:
        named = _SCALP_NAME.fullmatch(shard)
        if named is None or named["hour"] != match["hour"]:
            return None
        shard, minute = named["shard"], int(named["minute"])
    date = (int(match["year"]), int(match["month"]), int(match["day"]))
    try:
        begins = datetime(*date, int(match["hour"]), minute, tzinfo=KST)
    except ValueError:
        return None
    window = window_of(track, ShardName(shard), int(begins.timestamp()) * NS_PER_S)
    return window if window.path == path.removesuffix(".zst") else None
