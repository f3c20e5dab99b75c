"""Colours: what a role looks like in each theme. 256-colour indexes on the terminal's own background.

Indexes cost a third of the bytes of true colour; Rich makes 16 of them where there are no more. `none` uses no colour
at all, only bold, dim and reverse. `colorblind` keeps to blue and orange.
"""

from functools import lru_cache

from rich.style import Style

from observer_tui.lines import Role

_SHARED: dict[Role, str] = {"plain": "", "strong": "bold", "title": "bold"}

THEMES: dict[str, dict[Role, str]] = {
    "dark": {
        **_SHARED, "dim": "color(245)", "label": "color(110)", "border": "color(240)", "key": "bold color(117)",
        "ok": "color(114)", "warn": "color(221)", "bad": "bold color(203)", "paused": "color(147)",
        "chart": "color(75)", "selected": "bold color(231) on color(24)", "bar": "color(252) on color(237)",
        "bar_strong": "bold color(16) on color(114)", "bar_warn": "bold color(16) on color(221)",
        "bar_bad": "bold color(231) on color(160)",
    },
    "light": {
        **_SHARED, "dim": "color(243)", "label": "color(25)", "border": "color(248)", "key": "bold color(26)",
        "ok": "color(28)", "warn": "color(130)", "bad": "bold color(160)", "paused": "color(91)", "chart": "color(26)",
        "selected": "bold color(16) on color(153)", "bar": "color(235) on color(252)",
        "bar_strong": "bold color(231) on color(28)", "bar_warn": "bold color(16) on color(214)",
        "bar_bad": "bold color(231) on color(160)",
    },
    "colorblind": {
        **_SHARED, "dim": "color(245)", "label": "color(252)", "border": "color(240)", "key": "bold color(75)",
        "ok": "color(75)", "warn": "color(214)", "bad": "bold reverse color(208)", "paused": "color(252)",
        "chart": "color(75)", "selected": "bold color(231) on color(24)", "bar": "color(252) on color(237)",
        "bar_strong": "bold color(231) on color(26)", "bar_warn": "bold color(16) on color(214)",
        "bar_bad": "bold color(16) on color(208)",
    },
    "none": {
        **_SHARED, "dim": "dim", "label": "", "border": "dim", "key": "bold", "ok": "", "warn": "bold",
        "bad": "bold reverse", "paused": "dim", "chart": "", "selected": "reverse", "bar": "reverse",
        "bar_strong": "bold reverse", "bar_warn": "bold reverse", "bar_bad": "bold reverse",
    },
}  # fmt: skip


@lru_cache(maxsize=256)
def style_of(theme: str, role: Role) -> Style:
    """Return the style of a role."""
    return Style.parse(THEMES[theme][role])
