"""Orders that concern no single process: pins, universe, replays, alerts, scaling; with what they will do. Pure.

Separate from `orders`, which plans for the row that is selected.
"""

from observer_core.details import PINNED
from observer_core.http.verdict import is_open
from observer_core.view import AlertRow
from observer_tui.frame import Frame
from observer_tui.orders import PlannedOrder
from observer_tui.panes.slots import selected_slot
from observer_tui.quantities import count
from observer_tui.ui_state import Page

UNIVERSE = "universe"
SWEEPING = "swing"


def chosen_symbol(frame: Frame) -> str:
    """Return the symbol that a key means on the open page, "" = none."""
    if frame.ui.page is Page.SYMBOL:
        return frame.ui.symbol
    if frame.ui.page is Page.SLOTS:
        slot = selected_slot(frame)
        return "" if slot is None else slot.symbol
    return frame.symbol if any(row.code == frame.symbol for row in frame.symbols) else ""


def is_pinned(frame: Frame, code: str) -> bool:
    """Return whether a symbol is pinned, as far as the console knows."""
    found, table = frame.replies.symbol, frame.replies.symbols
    if found is not None and found.code == code:
        return bool(found.flags & PINNED)
    row = next((row for row in table.rows if row.code == code), None) if table is not None else None
    return row is not None and bool(row.flags & PINNED)


def plan_pin(frame: Frame, code: str, verb: str = "") -> PlannedOrder:
    """Return the order to pin a symbol, or to give a pinned one back."""
    words = frame.words
    verb = verb or ("unpin" if is_pinned(frame, code) else "pin")
    names = frame.replies.symbols.names if frame.replies.symbols is not None else {}
    title = words("{verb} {name}?", verb=words(verb), name=f"{code} {names.get(code, '')}".strip())
    if verb == "pin":
        lines = (
            words("it is collected whatever the rules say, and first in line for a tick slot"),
            words("the slot of the symbol with the least claim may go to it; no process restarts"),
        )
    else:
        lines = (
            words("the rules decide about it again; it may lose its tick slot"),
            words("no process restarts"),
        )
    return PlannedOrder(verb, code, None, title, lines)


def plan_look(verb: str, target: str, option: str = "") -> PlannedOrder:
    """Return an order that only looks (plan, dry run): it needs no confirmation."""
    return PlannedOrder(verb, target, None, "", (), option=option)


def plan_apply(frame: Frame, found: str) -> PlannedOrder:
    """Return the order to put universe.toml in force; `found` is what the plan said."""
    words = frame.words
    lines = (words.of_core(found), words("shards take over live; what moves has no hole; no process restarts"))
    return PlannedOrder("apply", UNIVERSE, None, words("Apply the universe rules?"), lines)


def plan_replay(frame: Frame, day: str, found: str) -> PlannedOrder:
    """Return the order to replay a day into Postgres; `found` is what the dry run said."""
    words = frame.words
    lines: tuple[str, ...] = (
        words.of_core(found),
        words("collection goes on; what is there already is not doubled; it uses disk and processor meanwhile"),
    )
    if frame.view is not None and is_open(frame.view.market):
        lines = (*lines, words("THE MARKET IS OPEN."))
    return PlannedOrder("replay", day, None, words("Replay {day} into Postgres?", day=day), lines)


def plan_scale(frame: Frame, wanted: int) -> PlannedOrder | str:
    """Return the order for another number of sweeping shards, or why there is none."""
    words = frame.words
    rows = [row for row in (frame.view.processes if frame.view is not None else ()) if row.kind == SWEEPING]
    if wanted == len(rows):
        return words("there are {count} already", count=wanted)
    symbols = sum(row.symbols for row in rows)
    lines = (
        words("{count} symbols are dealt out anew; each moves without a hole", count=count(symbols)),
        words("from {before} to {after} shards; kept over restarts", before=len(rows), after=wanted),
    )
    question = words("Run {count} sweeping shards?", count=wanted)
    return PlannedOrder("scale", SWEEPING, None, question, lines, how_many=wanted)


def sweeping(frame: Frame) -> int:
    """Return how many sweeping shards there are."""
    return sum(1 for row in (frame.view.processes if frame.view is not None else ()) if row.kind == SWEEPING)


def open_alerts(frame: Frame) -> list[AlertRow]:
    """Return the alerts that nobody has acknowledged."""
    return [alert for alert in (frame.view.alerts if frame.view is not None else ()) if not alert.acknowledged_by]


def plan_acknowledge(frame: Frame, alert: AlertRow) -> PlannedOrder:
    """Return the order to take note of an alert."""
    words = frame.words
    lines = (words("everybody sees who knows of it; nobody is sent a message about its beginning any more"),)
    return PlannedOrder("acknowledge", alert.key, None, words("acknowledge") + f": {words.of_core(alert.text)}", lines)
