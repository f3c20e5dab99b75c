"""A data frame to records: every one of its observations, or a counted rejection with the raw text.

Separate from the record parsers because this is where frames go wrong: cut short, grown, or of a stream nobody asked
for. It remembers the last width of each stream, which is needed to save the whole records of a frame that was cut,
and to tell the operator when the broker changed the layout.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from observer_core.kis.books import BOOK_MINIMUM_WIDTH, parse_book
from observer_core.kis.fields import BOOK_FIELDS, TR_BOOK, TR_TRADE, TR_TRADE_NXT, TR_TRADE_UNIFIED, TRADE_FIELDS
from observer_core.kis.trades import TRADE_MINIMUM_WIDTH, needs_a_look, parse_trade
from observer_core.kis.wire import DataFrame, RejectedFrame
from observer_core.messages import Book, Quality, Rejection, Track, Trade

StreamRecord: TypeAlias = Trade | Book | Rejection

_RecordParser: TypeAlias = Callable[[list[str], int, str, bool], StreamRecord]


class _Layout(NamedTuple):
    parse: _RecordParser
    minimum_width: int
    documented_width: int


_TRADE_LAYOUT = _Layout(parse_trade, TRADE_MINIMUM_WIDTH, len(TRADE_FIELDS))
_LAYOUTS = {
    TR_TRADE: _TRADE_LAYOUT,
    TR_TRADE_NXT: _TRADE_LAYOUT,
    TR_TRADE_UNIFIED: _TRADE_LAYOUT,
    TR_BOOK: _Layout(parse_book, BOOK_MINIMUM_WIDTH, len(BOOK_FIELDS)),
}


class WidthChange(NamedTuple):
    """The broker changed how many fields a record of a stream has."""

    tr_id: str
    before: int
    now: int


class StreamParser:
    """Parses the frames of one session; never raises, loses no record of a frame without a rejection."""

    def __init__(self, keep_raw: bool) -> None:
        self._keep_raw = keep_raw
        self._widths: dict[str, int] = {}
        self._told: set[tuple[str, int]] = set()
        self._changes: list[WidthChange] = []

    def parse(self, frame: DataFrame, received_ns: int) -> list[StreamRecord]:
        """Return the frame's records in its order, rejected ones in their places."""
        layout = _LAYOUTS.get(frame.tr_id)
        if layout is None:
            return [_whole_frame(frame, received_ns, "unknown_stream")]
        width = frame.width
        known = self._widths.get(frame.tr_id, layout.documented_width)
        # A frame cut short can divide evenly by chance; then its records are too narrow to be any.
        if not frame.even or (width < layout.minimum_width and len(frame.fields) >= known):
            return list(self._salvage(frame, layout, received_ns))
        if width < layout.minimum_width:
            return [_whole_frame(frame, received_ns, "too_few_fields")]
        if self._widths.get(frame.tr_id) != width:
            self._note_width(frame, layout, width)
        if frame.count == 1 and not needs_a_look(frame.payload):
            return [layout.parse(frame.fields, received_ns, frame.payload, self._keep_raw)]
        return [
            _parse_one(layout, frame.fields[start : start + width], received_ns, self._keep_raw)
            for start in range(0, frame.count * width, width)
        ]

    def take_width_changes(self) -> list[WidthChange]:
        """Return the layout changes since the last call, each width once; the first one against the documented one."""
        changes, self._changes = self._changes, []
        return changes

    def _note_width(self, frame: DataFrame, layout: _Layout, width: int) -> None:
        before = self._widths.get(frame.tr_id, layout.documented_width)
        self._widths[frame.tr_id] = width
        if before != width and (frame.tr_id, width) not in self._told:
            # Frames that were overtaken at the change would tell it again and again.
            self._told.add((frame.tr_id, width))
            self._changes.append(WidthChange(frame.tr_id, before, width))

    def _salvage(self, frame: DataFrame, layout: _Layout, received_ns: int) -> Iterator[StreamRecord]:
        """Yield the whole records of a frame that lost a piece, degraded, and its remainder as a rejection."""
        width = self._widths.get(frame.tr_id, layout.documented_width)
        # Which of the records is the cut one is unknown when the piece is missing in the middle: the symbol, the
        # time and the date, which every record must have in its place, tell where the fields no longer fit.
        whole = min(frame.count, len(frame.fields) // width)
        end = 0
        for number in range(whole):
            start = number * width
            record = _parse_one(layout, frame.fields[start : start + width], received_ns, True)
            if isinstance(record, Rejection):
                break
            end = start + width
            raw = record.raw if self._keep_raw else None
            reasons = (*record.reasons, "frame_cut_short")
            yield replace(record, quality=Quality.DEGRADED, reasons=reasons, raw=raw)
        rest = "^".join(frame.fields[end:])
        lost = frame.count - end // width
        yield Rejection(None, received_ns, Track.SCALP, "frame", ("frame_cut_short", f"records_lost:{lost}"), rest)


def reject_frame(frame: RejectedFrame, received_ns: int) -> Rejection:
    """Return the record of a text that is no known frame."""
    return Rejection(None, received_ns, Track.SCALP, "frame", (frame.reason,), frame.raw)


def _parse_one(layout: _Layout, record: list[str], received_ns: int, keep_raw: bool) -> StreamRecord:
    raw = "^".join(record)
    if needs_a_look(raw):
        return Rejection(None, received_ns, Track.SCALP, "decode", ("foreign_characters",), raw)
    return layout.parse(record, received_ns, raw, keep_raw)


def _whole_frame(frame: DataFrame, received_ns: int, reason: str) -> Rejection:
    raw = f"0|{frame.tr_id}|{frame.count:03d}|{frame.payload}"
    return Rejection(None, received_ns, Track.SCALP, "frame", (reason,), raw)
