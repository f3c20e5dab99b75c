"""Which order a key means for a row, and what it will do, in words an operator can weigh. Pure."""

from typing import NamedTuple

from observer_tui.conditions import is_open
from observer_tui.frame import Frame
from observer_tui.meters import COLLECTING_KINDS
from observer_tui.quantities import count, duration
from observer_tui.rows import RowFacts


class PlannedOrder(NamedTuple):
    """An order that waits for confirmation: made for the row as it was shown."""

    verb: str
    target: str
    generation: int
    question: str
    consequences: tuple[str, ...]


def plan(verb: str, facts: RowFacts, frame: Frame) -> PlannedOrder | str:
    """Return the order for the row, or why there is none; "pause" means resume where the shard is paused."""
    row, words = facts.row, frame.words
    if verb in ("pause", "resume"):
        if row.kind not in COLLECTING_KINDS:
            return words("only shards can be paused; {name} is not one", name=row.name)
        verb = "resume" if row.state == "paused" else "pause"
    lines = {"restart": _restart, "pause": _pause, "resume": _resume}[verb](facts, frame)
    if row.kind in COLLECTING_KINDS and frame.view is not None and is_open(frame.view.market) and verb != "resume":
        lines = [*lines, words("THE MARKET IS OPEN.")]
    question = words("{verb} {name}?", verb=words(verb), name=row.name)
    return PlannedOrder(verb, row.name, row.generation, question, tuple(lines))


def _restart(facts: RowFacts, frame: Frame) -> list[str]:
    row, words = facts.row, frame.words
    if row.kind in COLLECTING_KINDS:
        outage = facts.meter.outage_s
        how_long = (
            words("about {time} without data (its last restart)", time=duration(outage))
            if outage is not None
            else words("usually under a second without data (not measured here yet)")
        )
        return [
            words("{count} symbols, {how_long}", count=count(row.symbols), how_long=how_long),
            words("a gap record covers what is missed; other processes are untouched"),
        ]
    if row.kind == "writer":
        return [words("collection goes on; nothing is lost: it catches up from the journal")]
    if row.kind == "hub":
        return [words("collection and writers go on; consoles lose the picture for about a second, leases end")]
    return [words("collection goes on")]


def _pause(facts: RowFacts, frame: Frame) -> list[str]:
    words = frame.words
    return [
        words("{count} symbols without data until someone resumes it", count=count(facts.row.symbols)),
        words("a gap stays open; it stays paused over restarts; other processes are untouched"),
    ]


def _resume(facts: RowFacts, frame: Frame) -> list[str]:
    return [frame.words("collection of {count} symbols begins again, the gap closes", count=count(facts.row.symbols))]
