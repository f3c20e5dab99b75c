"""One symbol: why it stands as it does, its figures, last ticks, book and the course of its price."""

from observer_core.details import PINNED, STREAMED, BookSide, SymbolDetail, Tick, Why
from observer_tui.frame import Frame
from observer_tui.glyphs import plot
from observer_tui.lines import Line, Role, Span, boxed, cell, faded, fit_line, sides
from observer_tui.panes.symbols import WHY_ROLES, WHY_WORDS, percent_of, waiting_text
from observer_tui.quantities import UNKNOWN, age_ns, clock_time, count

_LABEL = 16
_MINUTE_NS = 60_000_000_000
_SIDES = {"1": "buy", "5": "sell"}


def _detail(frame: Frame) -> SymbolDetail | None:
    """Return what is known of the selected symbol, not of the one before."""
    found = frame.replies.symbol
    return found if found is not None and found.code == frame.ui.symbol else None


def _aged(frame: Frame, lines: list[Line]) -> list[Line]:
    found = frame.replies.symbol
    old = frame.is_old or (found is not None and frame.now_ns - found.as_of_ns > 5_000_000_000)
    return [faded(line) for line in lines] if old else lines


def draw_symbol_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return why the symbol stands as it does, then its figures."""
    found, words, inner = _detail(frame), frame.words, width - 2
    if found is None:
        lines = [fit_line([Span(f" {waiting_text(frame)}", "dim")], inner)]
        return boxed(frame.ui.symbol, lines, (width, height), frame.glyphs)
    why = Why(found.why)
    role: Role = WHY_ROLES[why] if why else "ok"
    lines = [fit_line([Span(f" {words(WHY_WORDS[why]) if why else words('fresh')}", role)], inner)]
    lines += [fit_line([Span(f"   {words.of_core(text)}")], inner) for text in found.reasons]
    lines += [
        fit_line([Span(" "), cell(words(label), _LABEL, "label"), Span(value)], inner)
        for label, value in _facts(frame, found)
    ]
    marks = [words("tick slot")] if found.flags & STREAMED else []
    marks += [words("pinned")] if found.flags & PINNED else []
    title = f"{found.code} {found.name}  {found.board}" + (f"  ({', '.join(marks)})" if marks else "")
    note = words("up/down other symbol") if frame.replaying else words("P pin/unpin  up/down other symbol")
    return boxed(title, _aged(frame, lines), (width, height), frame.glyphs, note)


def _facts(frame: Frame, found: SymbolDetail) -> list[tuple[str, str]]:
    now_ns = frame.figures_ns
    return [
        ("price", f"{count(found.price)}  {percent_of(found.change_bp)}"),
        ("observed", age_ns(found.seen_ns, now_ns)),
        ("traded", age_ns(found.traded_ns, now_ns)),
        ("volume today", count(found.cumulative_volume)),
        ("missing volume", count(found.missed_volume)),
        ("collected by", ", ".join(found.shards) or UNKNOWN),
        ("open gaps", ", ".join(map(frame.words.of_core, found.open_gaps)) or UNKNOWN),
    ]


def draw_course_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the price of the last hour, minute by minute, between its lowest and highest."""
    found, inner = _detail(frame), width - 2
    title = frame.words("price, last hour")
    closes = {} if found is None else {begins_ns // _MINUTE_NS: close for begins_ns, close, _ in found.minutes}
    if not closes:
        return boxed(title, [], (width, height), frame.glyphs)
    low, high = min(closes.values()), max(closes.values())
    columns = max(1, min(60, inner - 2))
    newest = frame.figures_ns // _MINUTE_NS
    each = max(1, (inner - 2) // columns)
    values: list[float | None] = []
    for minute in range(newest - columns + 1, newest + 1):
        close = closes.get(minute)
        # The lowest price stands one step above nothing: a known minute is never blank.
        values += [None if close is None else (close - low) / max(1, high - low) + 0.05] * each
    lines = [sides([Span(f" {count(high)}", "dim")], [Span(f"{frame.words('max')} ", "dim")], inner)]
    lines += [
        fit_line([Span(" "), Span(text, "chart")], inner) for text in plot(values, max(1, height - 4), frame.glyphs)
    ]
    lines.append(sides([Span(f" {count(low)}  -{columns}m", "dim")], [Span(f"{frame.words('now')} ", "dim")], inner))
    return boxed(title, _aged(frame, lines), (width, height), frame.glyphs)


def draw_ticks_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the last ticks, newest first."""
    found, words, inner = _detail(frame), frame.words, width - 2
    head = [cell("  " + words("time"), 11, "label"), cell(words("price"), 10, "label", "right")]
    head += [cell(words("volume"), 9, "label", "right"), Span("  "), cell(words("side"), 7, "label")]
    lines = [fit_line([*head, cell(words("source"), 10, "label"), Span(words("quality"), "label")], inner)]
    ticks = () if found is None else found.ticks
    lines += [_tick_line(frame, tick, inner) for tick in ticks]
    if not ticks:
        lines.append(fit_line([Span(f"  {words('no tick seen yet')}", "dim")], inner))
    return boxed(words("Last ticks"), _aged(frame, lines), (width, height), frame.glyphs)


def _tick_line(frame: Frame, tick: Tick, width: int) -> Line:
    quality: Role = "dim" if tick.quality == "normal" else "warn"
    side = _SIDES.get(tick.side, "")
    spans = [
        cell(f"  {clock_time(tick.received_ns)}", 11, "dim"),
        cell(count(tick.price), 10, "plain", "right"),
        cell(count(tick.volume) if tick.volume or tick.kind == "trade" else UNKNOWN, 9, "plain", "right"),
        Span("  "),
        cell(frame.words(side) if side else frame.words(tick.kind), 7, "ok" if side == "buy" else "plain"),
        cell(tick.shard, 10, "dim"),
        Span(frame.words(tick.quality), quality),
    ]
    return fit_line(spans, width)


def draw_book_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the order book: asks above, best prices in the middle."""
    found, words, inner = _detail(frame), frame.words, width - 2
    title = words("Order book")
    if found is None or found.asks is None or found.bids is None:
        lines = [fit_line([Span(f" {_without_book(frame, found)}", "dim")], inner)]
        return boxed(title, lines, (width, height), frame.glyphs)
    levels = max(1, min(10, (height - 5) // 2, len(found.asks.prices)))
    asks = [_level_line(found.asks, place, inner, "bad") for place in reversed(range(levels))]
    bids = [_level_line(found.bids, place, inner, "ok") for place in range(levels)]
    between = fit_line([Span(f"   {age_ns(found.book_ns, frame.figures_ns)}", "dim")], inner)
    total = fit_line(
        [Span(f" {words('total')} {words('ask')} {count(found.asks.total)}  {words('bid')} {count(found.bids.total)}")],
        inner,
    )
    return boxed(title, _aged(frame, [*asks, between, *bids, total]), (width, height), frame.glyphs)


def _without_book(frame: Frame, found: SymbolDetail | None) -> str:
    """Return why there is no book: books come with a tick slot only."""
    words = frame.words
    if found is None or found.flags & STREAMED:
        return words("no book seen yet")
    lost_ns = _slot_lost_ns(frame, found.code)
    return words("no tick slot") if lost_ns is None else words("no tick slot since {time}", time=clock_time(lost_ns))


def _slot_lost_ns(frame: Frame, code: str) -> int | None:
    """Return when the symbol lost its tick slot, as far as the events kept tell."""
    lost = (f" takes the place of {code}: ", f": {code} goes: ")
    events = frame.view.events if frame.view is not None else ()
    return max(
        (event.at_ns for event in events if event.name == "slot_changed" and any(part in event.text for part in lost)),
        default=None,
    )


def _level_line(side: BookSide, place: int, width: int, role: Role) -> Line:
    if place >= len(side.prices) or not side.prices[place]:
        return fit_line((), width)
    size = side.sizes[place] if place < len(side.sizes) else None
    price = cell(count(side.prices[place]), 10, role, "right")
    return fit_line([Span("  "), price, cell(count(size), 10, "plain", "right")], width)
