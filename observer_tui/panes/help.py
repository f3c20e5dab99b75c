"""Help and footer, both generated from the binding table."""

from observer_tui.bindings import BINDINGS, GROUP_TITLES, KeyBinding, available, belongs
from observer_tui.feed import LinkState
from observer_tui.frame import Frame
from observer_tui.lines import Line, Span, boxed, cell, fit_line, line_width, sides

_KEYS = 9
_END_DEMO = ("end the demo", "leave; the demo stops and balances its books")

LEGEND: tuple[tuple[str, str], ...] = (
    ("!", "degraded: gaps open or records late"),
    ("~", "on its way: starting, stopping, catching up"),
    ("=", "paused by an operator"),
    ("x", "down"),
    ("?", "running, but has not reported for 3 s"),
    ("*", "behind the market's phase: simulated"),
)
"""What the sign in front of a row means."""


def may_order(frame: Frame) -> bool:
    """Return whether an order could be given now: own lease, live link, live display."""
    return frame.ui.may_order(frame.now_ns) and frame.link.state is LinkState.LIVE and frame.ui.frozen_ns is None


def draw_footer(frame: Frame, width: int) -> Line:
    """Return the footer: keys of this page, greyed where they need the lease, as many as fit."""
    chosen = sorted((binding for binding in BINDINGS if binding.footer), key=lambda binding: binding.footer)
    spans: list[Span] = [Span(" ")]
    allowed = may_order(frame)
    ending = _key_spans(frame, chosen[-1], allowed)
    room = width - line_width(tuple(ending)) - 1
    for binding in chosen[:-1]:
        part = _key_spans(frame, binding, allowed)
        if line_width(tuple(spans)) + line_width(tuple(part)) <= room:
            spans += part
    return sides([*spans, *ending], [Span(f"observer-tui {frame.version} ", "dim")] if width >= 140 else [], width)


def _key_spans(frame: Frame, binding: KeyBinding, allowed: bool) -> list[Span]:
    state = available(binding, frame.ui.page, may_order=allowed, replaying=frame.replaying)
    if state is False:
        return []
    label = f" {frame.words(told_of(frame, binding)[0])}  "
    if state is None:
        return [Span(binding.shown + label, "dim")]
    return [Span(binding.shown, "key"), Span(label)]


def told_of(frame: Frame, binding: KeyBinding) -> tuple[str, str]:
    """Return label and help of a key; leaving the console of a demo is no detaching."""
    if frame.demo and binding.id == "detach":
        return _END_DEMO
    return binding.label, binding.help


def help_lines(frame: Frame, width: int) -> list[Line]:
    """Return every key with what it does, by group; then the signs of the rows."""
    words = frame.words
    blocks: list[list[Line]] = []
    across = 2 if width >= 110 else 1
    column = width // across
    for group, title in GROUP_TITLES.items():
        block = [fit_line([Span(f" {words(title)}", "title")], column)]
        for binding in BINDINGS:
            if binding.group == group and belongs(binding, replaying=frame.replaying):
                spans = [Span("  "), cell(binding.shown, _KEYS, "key"), Span(words(told_of(frame, binding)[1]))]
                block.append(fit_line(spans, column))
        if len(block) > 1:
            blocks.append([*block, fit_line((), column)])
    legend = [fit_line([Span(f" {words('Signs')}", "title")], column)]
    legend += [fit_line([Span("  "), cell(sign, _KEYS, "key"), Span(words(text))], column) for sign, text in LEGEND]
    blocks.append(legend)
    if across == 1:
        return [line for block in blocks for line in block]
    return _two_columns(blocks, column, width)


def _two_columns(blocks: list[list[Line]], column: int, width: int) -> list[Line]:
    total = sum(len(block) for block in blocks)
    left: list[Line] = []
    right: list[Line] = []
    for block in blocks:
        (left if len(left) + len(block) <= total // 2 + 4 and not right else right).extend(block)
    blank = fit_line((), column)
    depth = max(len(left), len(right))
    left += [blank] * (depth - len(left))
    right += [blank] * (depth - len(right))
    return [fit_line([*one, *two], width) for one, two in zip(left, right, strict=True)]


def draw_help_box(frame: Frame, width: int, height: int) -> list[Line]:
    """Return the help page, scrolled."""
    lines = help_lines(frame, width - 2)
    top = max(0, min(frame.ui.scroll, len(lines) - (height - 2)))
    note = frame.words("esc back")
    if top + height - 2 < len(lines):
        note += f"  {frame.words('more below')} {frame.glyphs.arrow_down}"
    return boxed(frame.words("Keys"), lines[top : top + height - 2], (width, height), frame.glyphs, note)
