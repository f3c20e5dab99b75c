"""The first two lines: the link, the age of the news, the verdict; then pages, a notice, or why the link is down."""

from observer_core.clock import NS_PER_S
from observer_tui.bindings import PAGE_KEYS
from observer_tui.cells import cut, fit, width_of
from observer_tui.conditions import tally
from observer_tui.feed import LinkState, ReplayFacts
from observer_tui.frame import Frame
from observer_tui.lines import Line, Span, fit_line, line_width, sides
from observer_tui.quantities import age, clock_time, date_time, duration
from observer_tui.ui_state import Page

WIDE = 120
"""Columns from which the long forms fit."""
_TIME_LINE = 48
_SHORT_TIME_LINE = 10
"""Cells of the line of a replayed day, and the fewest that tell anything."""
_SHORT_LABEL = 4
"""Cells of a page's name where the long ones do not fit."""


def draw_header(frame: Frame, width: int) -> Line:
    """Return line 1 in reverse video: who, verdict with age and reason, market, time, mode."""
    left, right = _header_parts(frame, width)
    reason = [] if _reason_needs_a_line(frame, width) else _reason(frame)
    return sides([*left, *reason], right, width, "bar")


def _reason_needs_a_line(frame: Frame, width: int) -> bool:
    """Return whether the first line is too short for why, so that the second one says it."""
    left, right = _header_parts(frame, width)
    reason = _reason(frame)
    return bool(reason) and _width([*left, *reason, *right]) > width


def _header_parts(frame: Frame, width: int) -> tuple[list[Span], list[Span]]:
    wide = width >= WIDE
    name = [Span(" OBSERVER ", "bar_strong")]
    right = _right_part(frame, wide=wide, market=True)
    left = [*name, *_identity(frame, wide), *_badge(frame)]
    # The badge with its age must never be cut: whose computer it is and the market's phase go first.
    if _width(left) + _width(right) > width:
        left = [*name, *_badge(frame)]
    if _width(left) + _width(right) > width:
        right = _right_part(frame, wide=wide, market=False)
    return left, right


def _width(spans: list[Span]) -> int:
    return line_width(tuple(spans))


def _identity(frame: Frame, wide: bool) -> list[Span]:
    view = frame.view
    if view is None:
        return []
    spans = [Span(f"{view.host} ", "bar")]
    if wide:
        up = duration((frame.now_ns - view.started_ns) / NS_PER_S) if view.started_ns else "-"
        spans.append(Span(f" {view.version}  {frame.words('up')} {up} ", "bar"))
    return spans


def _reason(frame: Frame) -> list[Span]:
    verdict = frame.verdict
    if not verdict.reason or verdict.word != "DEGRADED":
        return []
    more = len(verdict.problems) - 1
    return [Span(f" {verdict.reason}{f' (+{more})' if more > 0 else ''} ", "bar")]


def _badge(frame: Frame) -> list[Span]:
    verdict = frame.verdict
    if frame.ui.frozen_ns is not None:
        text = frame.words("FROZEN at {time}", time=clock_time(frame.ui.frozen_ns))
        return [Span(" ", "bar"), Span(f" {text} ", "bar_warn")]
    if frame.link.replay is not None:
        return _replay_badge(frame, frame.link.replay)
    mark = f"{frame.glyphs.live} {verdict.word} {age(frame.link.age_s)}"
    return [Span(" ", "bar"), Span(f" {mark} ", verdict.role)]


def _replay_badge(frame: Frame, replay: ReplayFacts) -> list[Span]:
    verdict, words = frame.verdict, frame.words
    pace = words("x{speed}", speed=replay.speed) if replay.playing else words("paused")
    spans = [Span(" ", "bar"), Span(f" {words('REPLAY')} {date_time(replay.at_ns)} {pace} ", "bar_warn")]
    return spans if verdict.word == "REPLAY" else [*spans, Span(f" {verdict.word} ", verdict.role)]


def _right_part(frame: Frame, *, wide: bool, market: bool) -> list[Span]:
    words, view = frame.words, frame.view
    spans: list[Span] = []
    if view is not None and market:
        spans.append(Span(f" {_market(frame, wide)} ", "bar"))
    if frame.link.replay is not None:
        # The time is in the badge, and nobody gives orders to the past.
        return [*spans, *_alerts(frame, wide)]
    spans.append(Span(f" {'KST ' if wide else ''}{clock_time(frame.now_ns)} ", "bar"))
    if frame.ui.may_order(frame.now_ns) and frame.ui.lease is not None:
        left = (frame.ui.lease.until_ns - frame.now_ns) // NS_PER_S
        spans.append(Span(f" RW {left // 60}:{left % 60:02d} ", "bar_warn"))
    else:
        spans.append(Span(" RO ", "bar"))
        held = [] if view is None else [lease for lease in view.leases if lease.until_ns > frame.now_ns]
        if held and wide:
            spans.append(Span(f"{words('RW held by')} {held[0].who.partition(' (')[0]} ", "bar"))
    return [*spans, *_alerts(frame, wide)]


def _alerts(frame: Frame, wide: bool) -> list[Span]:
    alerts = len(frame.verdict.problems)
    if not alerts:
        return []
    told = frame.words("1 alert") if alerts == 1 else frame.words("{count} alerts", count=alerts)
    text = told if wide else str(alerts)
    return [Span(f" ! {text} ", "bar_warn")]


def _market(frame: Frame, wide: bool) -> str:
    view = frame.view
    if view is None:
        return ""
    market = view.market
    name = frame.words(market.phase.replace("_", " "))
    if market.forced:
        name += f" ({frame.words('simulated')})" if wide else "*"
    if market.until_ns is None or market.until_ns <= frame.now_ns:
        return f"KRX {name}"
    left = duration((market.until_ns - frame.now_ns) / NS_PER_S)
    return f"KRX {name} {frame.words('until in {time}', time=left)}" if wide else f"{name} {left}"


def draw_second_line(frame: Frame, width: int) -> Line:
    """Return line 2: a broken link first, then a notice, else the pages and how they are shown."""
    if frame.ui.frozen_ns is None and frame.verdict.word in ("DOWN", "STALE", "CONNECTING", "SKEW"):
        return _link_banner(frame, width)
    notice = frame.ui.notice
    if notice is not None:
        return fit_line([Span(f" {notice.text}", notice.role)], width)
    if frame.verdict.word == "NOT RECORDED":
        return fit_line([Span(f" {frame.verdict.reason}", frame.verdict.role)], width, frame.verdict.role)
    return _tabs(frame, width)


def _link_banner(frame: Frame, width: int) -> Line:
    words, link = frame.words, frame.link
    role = frame.verdict.role
    since = clock_time(link.since_ns)
    if link.state is LinkState.SKEW:
        text = f" {words('other version')}: {link.reason}"
        return fit_line([Span(text if width_of(text) <= width else f" {link.reason}", role)], width, role)
    if link.state is LinkState.CONNECTING and frame.view is None:
        text = f" {words('connecting')}: {link.reason or '...'}"
    elif frame.verdict.word == "DOWN" and width < WIDE:
        text = f" {words('CORE DOWN since {time}', time=since)}: {link.reason}"
    elif frame.verdict.word == "DOWN":
        last = date_time(frame.view.as_of_ns) if frame.view is not None else "-"
        text = f" {words('CORE DOWN since {time}, last data {last}', time=since, last=last)}: {link.reason}"
    else:
        text = f" {words('figures are {age} old', age=age(link.age_s))}: {frame.verdict.reason}"
    hint = f" {words('trying again by itself; ctrl+r = now')} "
    fits = width_of(text) + width_of(hint) <= width
    return sides([Span(text, role)], [Span(hint, role)] if fits else [], width, role)


def _tabs(frame: Frame, width: int) -> Line:
    words = frame.words
    spans = [Span(" ")]
    for key, page, label in PAGE_KEYS:
        if page is frame.ui.page:
            spans.append(Span(f"[{key}]{words(label)}", "strong"))
        elif width >= WIDE:
            spans += [Span(f" {key} ", "key"), Span(words(label))]
        else:
            spans += [Span(key, "key"), Span(fit(words(label), _SHORT_LABEL, mark="").rstrip())]
        spans.append(Span(" "))
    room = width - _width(spans)
    if _reason_needs_a_line(frame, width):
        return sides(spans, [Span(cut(f"! {_reason(frame)[0].text.strip()} ", room), "warn")], width)
    if frame.link.replay is not None:
        return sides(spans, [Span(_time_line(frame.link.replay, room), "chart")], width)
    choices = _choices(frame, width)
    if width_of(choices) > room and frame.ui.filter_text:
        # What hides rows must be seen; how often and how long can be found elsewhere.
        choices = cut(f"{words('filter')} {frame.ui.filter_text}", room - 1) + " "
    return sides(spans, [Span(choices, "dim")] if width_of(choices) <= room else [], width)


def _time_line(replay: ReplayFacts, room: int) -> str:
    """Return the recorded hours with incidents and the present place; "" where they do not fit."""
    first, last = clock_time(replay.first_ns)[:5], clock_time(replay.last_ns)[:5]
    length = min(_TIME_LINE, room - 2 * len(first) - 6)
    if length < _SHORT_TIME_LINE:
        return ""

    def place(at_ns: int) -> int:
        whole_ns = max(1, replay.last_ns - replay.first_ns)
        return max(0, min(length - 1, (at_ns - replay.first_ns) * length // whole_ns))

    cells = ["="] * place(replay.at_ns) + ["-"] * (length - place(replay.at_ns))
    for at_ns in replay.incidents_ns or ():
        cells[place(at_ns)] = "!"
    cells[place(replay.at_ns)] = "|"
    return f"{first} [{''.join(cells)}] {last} "


def _choices(frame: Frame, width: int) -> str:
    words, ui = frame.words, frame.ui
    text = ui.filter_text
    arrow = frame.glyphs.arrow_up if ui.inverted else frame.glyphs.arrow_down
    parts = [f"{words('filter')} {text}"] if text or width >= WIDE else []
    if not text and parts:
        parts = [f"{words('filter')} {words('none')}"]
    if ui.page is Page.OVERVIEW:
        parts.append(f"{words('sort')} {words(ui.sort)} {arrow}")
    parts += [f"{ui.hz:g}/s", f"{words('window')} {ui.window_s // 60}m"]
    return ("  " if width >= WIDE else " ").join(parts) + " "


def draw_tiny(frame: Frame, width: int) -> Line:
    """Return the one line that is still true where nothing else fits."""
    conditions = [facts.condition for facts in frame.rows]
    counted = tally(conditions, frame.words)
    text = f"OBSERVER {frame.verdict.word} {age(frame.link.age_s)} {counted}  {frame.words('need')} 60x15"
    return fit_line([Span(text, frame.verdict.role)], width)
