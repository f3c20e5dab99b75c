"""How the verdict looks: its word with the link's state, one glyph and one role a condition, problems in words.

What is wrong is decided in `observer_core.http.verdict`, so that scripts and consoles say the same; here is what only a
screen knows: whether the figures themselves are old. Pure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from observer_core.http.verdict import Condition, Problem, condition_of, degraded_form, verdict
from observer_core.view import MarketView, ProcessRow, SystemView
from observer_tui.feed import LinkFacts, LinkState
from observer_tui.lines import Role
from observer_tui.quantities import age, percent
from observer_tui.words import Words

__all__ = ["GLYPH", "ROLE", "Condition", "Verdict", "condition_of", "degraded_text", "is_stale", "tally", "verdict_of"]

STALE_AFTER_S = 1.5
"""Age of the newest message from which the screen says so; the core sends at least one a second."""

GLYPH: dict[Condition, str] = {
    Condition.OK: " ",
    Condition.PAUSED: "=",
    Condition.PASSING: "~",
    Condition.DEGRADED: "!",
    Condition.SILENT: "?",
    Condition.DOWN: "x",
}
ROLE: dict[Condition, Role] = {
    Condition.OK: "ok",
    Condition.PAUSED: "paused",
    Condition.PASSING: "warn",
    Condition.DEGRADED: "warn",
    Condition.SILENT: "warn",
    Condition.DOWN: "bad",
}


class Shown(NamedTuple):
    """One problem in the operator's words."""

    condition: Condition
    subject: str
    text: str


class Verdict(NamedTuple):
    """The state of the whole in one word, with its worst reason."""

    word: str
    role: Role
    reason: str
    problems: tuple[Shown, ...]


def degraded_text(row: ProcessRow, market: MarketView, words: Words) -> str:
    """Return why a process is degraded."""
    return _filled(*degraded_form(row, market), words)


def _filled(form: str, values: dict[str, str | int | float | None], words: Words) -> str:
    shown: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, float) and name.endswith("_s"):
            shown[name] = age(value)
        elif isinstance(value, float):
            shown[name] = percent(value)
        else:
            shown[name] = words.of_core(words(value)) if isinstance(value, str) else value
    return words(form, **shown)


def _shown(problem: Problem, words: Words) -> Shown:
    return Shown(problem.condition, problem.subject, _filled(problem.form, problem.values, words))


def verdict_of(view: SystemView | None, link: LinkFacts, now_ns: int, words: Words) -> Verdict:
    """Return the one word that the first line carries."""
    if view is None and link.state is not LinkState.SKEW:
        down = link.state is LinkState.DOWN
        return Verdict("DOWN" if down else "CONNECTING", "bar_bad" if down else "bar_warn", link.reason, ())
    found = None if view is None else verdict(view, now_ns)
    problems = () if found is None else tuple(_shown(problem, words) for problem in found.problems)
    if link.state is LinkState.SKEW or found is None:
        return Verdict("SKEW", "bar_bad", link.reason, problems)
    if link.state in (LinkState.DOWN, LinkState.CONNECTING):
        return Verdict("DOWN", "bar_bad", link.reason, problems)
    if link.replay is not None and is_stale(link):
        return Verdict("NOT RECORDED", "bar_warn", words(link.reason), problems)
    if is_stale(link):
        return Verdict("STALE", "bar_warn", link.reason or words("no news from the core"), problems)
    if problems:
        worst = problems[0]
        role: Role = "bar_bad" if worst.condition is Condition.DOWN else "bar_warn"
        return Verdict(found.word, role, f"{worst.subject} {worst.text}".strip(), problems)
    if link.replay is not None and found.word == "LIVE":
        # A recording must never be taken for the present.
        return Verdict("REPLAY", "bar_warn", "", ())
    return Verdict(found.word, "bar" if found.word == "CLOSED" else "bar_strong", "", ())


def is_stale(link: LinkFacts) -> bool:
    """Return whether figures must be shown as old."""
    return link.state is not LinkState.LIVE or link.age_s is None or link.age_s > STALE_AFTER_S


def tally(conditions: Sequence[Condition], words: Words) -> str:
    """Return how many are in which condition, in glyphs: "10 ok 1! 1~"."""
    parts = [f"{sum(1 for one in conditions if one is Condition.OK)} {words('ok')}"]
    for condition in (Condition.DOWN, Condition.SILENT, Condition.DEGRADED, Condition.PASSING, Condition.PAUSED):
        number = sum(1 for one in conditions if one is condition)
        if number:
            parts.append(f"{number}{GLYPH[condition]}")
    return " ".join(parts)
