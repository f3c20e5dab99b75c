"""Bars on line: kept by the Postgres writer, in the transaction of the rows that they are made of.

The rows are the truth and memory is only a cache of open windows. A bar is written when its window's first record
comes, marked as open, so that after a crash the open ones are known and are read back from the rows; it is written for
good when its window is over, and again whenever a late record belongs into it or tells more about its coverage. So the
table is at any time what the rows say, whoever was killed when.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import psycopg

from observer_core.clock import NS_PER_S
from observer_core.market.bars import ONE_MINUTE, TEN_MINUTES, Bar, Frame, Window, is_storable
from observer_core.messages import Quote, Trade
from observer_core.sinks.bar_rows import (
    BarKey,
    StoredBar,
    bars_around,
    known_bars,
    open_bars,
    window_records,
    write_bars,
)
from observer_core.sinks.postgres_load import Refused, Slice
from observer_core.sinks.postgres_rows import KOREAN_OFFSET_NS, NS_PER_DAY, day_index

logger = logging.getLogger(__name__)

LATE_NS: Final = 5 * NS_PER_S
"""A window is over when a record of so much later than its end was seen and it got no more for `REST_NS`."""
REST_NS: Final = 2 * NS_PER_S
BARS_PER_TURN: Final = 250
"""Two thousand windows end in the same second: they are written in portions, so that no commit takes long."""


class _Open:
    """A window in memory, its bounds, and when it last got a record, by the monotonic clock."""

    __slots__ = ("day_ends_ns", "ends_ns", "key", "start_ns", "touched_ns", "window")

    def __init__(self, key: BarKey, frame: Frame, touched_ns: int) -> None:
        self.key = key
        self.start_ns = key.start_ns
        self.ends_ns = key.start_ns + frame.length_ns
        self.day_ends_ns = (key.day + 1) * NS_PER_DAY - KOREAN_OFFSET_NS
        self.window: Window = frame.window()
        self.touched_ns = touched_ns


class PostgresBars:
    """The open windows of both kinds of bars; every method works inside the caller's transaction."""

    def __init__(self) -> None:
        self._minutes = _FrameBars(ONE_MINUTE)
        self._sweeps = _FrameBars(TEN_MINUTES)
        self._frames = (self._minutes, self._sweeps)
        self._look_due_ns = 0
        self._recalled = False

    def take(
        self,
        connection: psycopg.Connection,
        slices: Iterable[Slice],
        now_ns: int,
        *,
        refused: Iterable[Refused] = (),
        doubtful: bool = False,
    ) -> None:
        """Add the records that were just stored to their windows.

        Args:
            connection: inside the transaction that stored the records.
            slices: where the records are.
            now_ns: the monotonic clock.
            refused: records that no table took.
            doubtful: some of the rows were there before: windows are read from the rows.

        Raises:
            psycopg.Error: nothing counts; call `forget`.
        """
        out = {(entry.batch.shard, entry.batch.epoch, entry.batch.first_seq + entry.position) for entry in refused}
        trades: list[Trade] = []
        quotes: list[Quote] = []
        for batch, start, stop in slices:
            records = batch.records[start:stop]
            if out:
                first = batch.first_seq + start
                numbered = enumerate(records, first)
                records = tuple(record for seq, record in numbered if (batch.shard, batch.epoch, seq) not in out)
            trades += [record for record in records if type(record) is Trade]
            quotes += [record for record in records if type(record) is Quote]
        doubtful = self._recall(connection, now_ns) or doubtful
        self._minutes.take(connection, trades, now_ns, doubtful=doubtful)
        self._sweeps.take(connection, quotes, now_ns, doubtful=doubtful)

    def is_due(self, now_ns: int) -> bool:
        """Return whether it is time to `settle`: about once a second, when a window is over."""
        if now_ns < self._look_due_ns:
            return False
        self._look_due_ns = now_ns + NS_PER_S
        return not self._recalled or any(bars.due(now_ns) for bars in self._frames)

    def settle(self, connection: psycopg.Connection, now_ns: int) -> None:
        """Write the bars whose windows are over.

        Raises:
            psycopg.Error: nothing counts; call `forget`.
        """
        self._recall(connection, now_ns)
        for bars in self._frames:
            bars.settle(connection, now_ns)

    def forget(self) -> None:
        """Drop what is in memory: the transaction failed. What was open is read back with the next one."""
        self._recalled = False
        for bars in self._frames:
            bars.forget()

    def _recall(self, connection: psycopg.Connection, now_ns: int) -> bool:
        """Read the open windows back if they are not known; return whether that was so."""
        if self._recalled:
            return False
        for bars in self._frames:
            bars.recall(connection, now_ns)
        self._recalled = True
        return True


class _FrameBars:
    """The open windows of one kind of bars."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._open: dict[BarKey, _Open] = {}
        self._current: dict[str, _Open] = {}
        """The window that each symbol's records last came into."""
        self._newest_ns = 0
        """Time of the newest record seen."""

    def forget(self) -> None:
        self._open.clear()
        self._current.clear()
        self._newest_ns = 0

    def recall(self, connection: psycopg.Connection, now_ns: int) -> None:
        self.forget()
        self._read(connection, open_bars(connection, self._frame), now_ns)

    def take(
        self, connection: psycopg.Connection, records: Sequence[Trade | Quote], now_ns: int, *, doubtful: bool
    ) -> None:
        groups = self._grouped(records if doubtful else self._add_current(records, now_ns))
        if not groups:
            return
        strange = list(groups) if doubtful else [key for key in groups if key not in self._open]
        known = known_bars(connection, self._frame, strange) if strange else set()
        self._read(connection, sorted(known), now_ns)
        for key, group in groups.items():
            if key in known:
                # What was just stored was read with the rest of its window.
                continue
            entry = self._open.get(key)
            if entry is None:
                entry = self._open[key] = _Open(key, self._frame, now_ns)
            self._current[key.symbol] = entry
            entry.touched_ns = now_ns
            for record in group:
                entry.window.add(record)  # type: ignore[arg-type] # the frame's window takes the frame's kind
        # Marked as open, so that whoever comes after a crash reads them back: also one that was over, and is no more.
        self._write(connection, {key: self._facts(key) for key in strange if key in self._open}, final=False)

    def _add_current(self, records: Sequence[Trade | Quote], now_ns: int) -> list[Trade | Quote]:
        """Add the records that go on in their symbol's window, which are nearly all; return the others."""
        others: list[Trade | Quote] = []
        at_of, current, newest_ns = self._frame.at_ns, self._current, self._newest_ns
        for record in records:
            at_ns = at_of(record)
            if at_ns is None:
                continue
            entry = current.get(record.symbol)
            if entry is None or not entry.start_ns <= at_ns < entry.ends_ns or record.received_ns >= entry.day_ends_ns:
                others.append(record)
                continue
            entry.window.add(record)  # type: ignore[arg-type] # the frame's window takes the frame's kind
            entry.touched_ns = now_ns
            if at_ns > newest_ns:
                newest_ns = at_ns
        self._newest_ns = newest_ns
        return others

    def due(self, now_ns: int) -> list[BarKey]:
        """Return the windows that are over, the oldest first."""
        length_ns = self._frame.length_ns
        found = [
            key
            for key, entry in self._open.items()
            if (
                (key.start_ns + length_ns + LATE_NS <= self._newest_ns and entry.touched_ns + REST_NS <= now_ns)
                or entry.touched_ns + length_ns + LATE_NS <= now_ns
            )
        ]
        found.sort(key=lambda key: (key.start_ns, key.symbol))
        return found[:BARS_PER_TURN]

    def settle(self, connection: psycopg.Connection, now_ns: int) -> None:
        keys = self.due(now_ns)
        if not keys:
            return
        fresh = {key: StoredBar(self._facts(key), True) for key in keys}
        for key, around in zip(keys, bars_around(connection, self._frame, keys), strict=True):
            line = {**around, key.start_ns: fresh[key]}
            line = {start_ns: fresh.get(key._replace(start_ns=start_ns), stored) for start_ns, stored in line.items()}
            fresh.update(self._linked(key, line))
        self._write(connection, {key: stored.bar for key, stored in fresh.items()}, final=True)
        for key in keys:
            self._close(key)

    def _linked(self, key: BarKey, line: Mapping[int, StoredBar]) -> dict[BarKey, StoredBar]:
        """Return a bar and its neighbours with what they tell about each other; neighbours that are open wait."""
        starts = sorted(line)
        at = starts.index(key.start_ns)
        bars = self._frame.linked([line[start_ns].bar for start_ns in starts])
        return {
            key._replace(start_ns=starts[number]): StoredBar(bars[number], True)
            for number in range(max(0, at - 1), min(len(starts), at + 2))
            if line[starts[number]].final and (number == at or bars[number] != line[starts[number]].bar)
        }

    def _grouped(self, records: Sequence[Trade | Quote]) -> dict[BarKey, list[Trade | Quote]]:
        groups: dict[BarKey, list[Trade | Quote]] = {}
        at_of, start_of, newest_ns = self._frame.at_ns, self._frame.start_of, self._newest_ns
        for record in records:
            at_ns = at_of(record)
            if at_ns is None:
                continue
            newest_ns = max(newest_ns, at_ns)
            key = BarKey(day_index(record.received_ns), record.symbol, start_of(at_ns))
            groups.setdefault(key, []).append(record)
        self._newest_ns = newest_ns
        return groups

    def _read(self, connection: psycopg.Connection, keys: Sequence[BarKey], now_ns: int) -> None:
        for key in keys:
            self._close(key)
        if not keys:
            return
        for key, record in window_records(connection, self._frame, keys):
            at_ns = self._frame.at_ns(record)
            if at_ns is not None:
                entry = self._open.get(key)
                if entry is None:
                    entry = self._open[key] = _Open(key, self._frame, now_ns)
                entry.window.add(record)  # type: ignore[arg-type] # the frame's window takes the frame's kind
                self._newest_ns = max(self._newest_ns, at_ns)

    def _close(self, key: BarKey) -> None:
        entry = self._open.pop(key, None)
        if entry is not None and self._current.get(key.symbol) is entry:
            del self._current[key.symbol]

    def _facts(self, key: BarKey) -> Bar:
        return self._open[key].window.facts(key.symbol, key.start_ns)

    def _write(self, connection: psycopg.Connection, bars: Mapping[BarKey, Bar], *, final: bool) -> None:
        storable = [(key.day, bar) for key, bar in bars.items() if is_storable(bar)]
        if len(storable) < len(bars):
            logger.error("bars with impossible figures left out", extra={"bars": len(bars) - len(storable)})
        if storable:
            write_bars(connection, self._frame, storable, final=final)
