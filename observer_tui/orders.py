"""Which order a key means for a row, and what it will do, in words an operator can weigh. Pure."""

from typing import NamedTuple

from observer_core.http.verdict import is_open
from observer_tui.frame import Frame
from observer_tui.meters import COLLECTING_KINDS
from observer_tui.quantities import count, duration
from observer_tui.rows import RowFacts

HELD = frozenset({"quarantined", "backoff"})
"""States of a process that waits to be started."""


class PlannedOrder(NamedTuple):
    """An order that waits for confirmation: made for the row as it was shown."""

    verb: str
    target: str
    generation: int | None
    question: str
    consequences: tuple[str, ...]
    how_many: int | None = None
    option: str = ""


def plan(verb: str, facts: RowFacts, frame: Frame) -> PlannedOrder | str:
    """Return the order for the row, or why there is none; "pause" means resume where the shard is paused."""
    row, words = facts.row, frame.words
    if verb in ("pause", "resume") and row.state in HELD:
        verb = "release"
    elif verb in ("pause", "resume"):
        if row.kind not in COLLECTING_KINDS:
            return words("only shards can be paused; {name} is not one", name=row.name)
        verb = "resume" if row.state == "paused" else "pause"
    lines = {"restart": _restart, "pause": _pause, "resume": _resume, "release": _release}[verb](facts, frame)
    interrupts = verb in ("restart", "pause")
    if row.kind in COLLECTING_KINDS and frame.view is not None and is_open(frame.view.market) and interrupts:
        lines = [*lines, words("THE MARKET IS OPEN.")]
    question = words("{verb} {name}?", verb=words(verb), name=row.name)
    return PlannedOrder(verb, row.name, row.generation, question, tuple(lines))


def _restart(facts: RowFacts, frame: Frame) -> list[str]:
    row, words = facts.row, frame.words
    if row.kind in COLLECTING_KINDS:
        return [
            words("{count} symbols, {how_long}", count=count(row.symbols), how_long=_how_long(facts, frame)),
            words("a gap record covers what is missed; other processes are untouched"),
        ]
    if row.kind == "writer":
        return [words("collection goes on; nothing is lost: it catches up from the journal")]
    if row.kind == "hub":
        return [words("collection and writers go on; consoles lose the picture for about a second, leases end")]
    return [words("collection goes on")]


def _how_long(facts: RowFacts, frame: Frame) -> str:
    """Return how long the last restart left a shard without data, of another shard while it has had none."""
    words = frame.words
    own = facts.row.outage_s if facts.row.outage_s is not None else facts.meter.outage_s
    if own is not None:
        return words("about {time} without data (its last restart)", time=duration(own))
    rows = frame.view.processes if frame.view is not None else ()
    others = [row for row in rows if row.kind == facts.row.kind and row.outage_s is not None]
    if others:
        worst = max(others, key=lambda row: row.outage_s or 0.0)
        return words("about {time} without data (as {name} last time)", time=duration(worst.outage_s), name=worst.name)
    sweep = facts.row.sweep_s
    if sweep:
        return words("without data until its next sweep of {time}; not measured yet", time=duration(sweep))
    return words("some time without data; not measured yet")


def _release(facts: RowFacts, frame: Frame) -> list[str]:
    words = frame.words
    lines = [words("it is started at once; its earlier deaths do not count any more")]
    return [*lines, words("last exit") + f": {words.of_core(facts.row.last_exit)}"] if facts.row.last_exit else lines


def _pause(facts: RowFacts, frame: Frame) -> list[str]:
    words = frame.words
    return [
        words("{count} symbols without data until someone resumes it", count=count(facts.row.symbols)),
        words("a gap stays open; it stays paused over restarts; other processes are untouched"),
    ]


def _resume(facts: RowFacts, frame: Frame) -> list[str]:
    return [frame.words("collection of {count} symbols begins again, the gap closes", count=count(facts.row.symbols))]
