"""The one table of keys. Footer, help, palette, `check_action` and the tests are generated from it.

No lowercase key changes the core. A key is spelled as Textual spells it; `shown` is how the screen spells it.
"""

from dataclasses import dataclass
from typing import Literal

from observer_tui.ui_state import FILTERED, Page

Group = Literal["pages", "move", "look", "take", "order", "replay", "console"]
Where = Literal["everywhere", "live", "replay"]


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """One action of the console."""

    id: str
    keys: str
    """Textual's names, separated by commas."""
    shown: str
    action: str
    label: str
    """One or two words for the footer; looked up in `words`."""
    help: str
    group: Group
    pages: frozenset[Page] = frozenset(Page)
    orders: bool = False
    """Whether it gives an order, so that it needs a lease and a live link."""
    footer: int = 0
    """Place in the footer, 1 first; 0 = not shown there."""
    where: Where = "everywhere"
    """Whether it is there in a live console only, or in a replay only; orders are live by themselves."""


_ROWS = frozenset({Page.OVERVIEW, Page.PROCESS})
_SEVERE = frozenset({Page.OVERVIEW, Page.GAPS, Page.LOGS, Page.EVENTS})
_OPENING = frozenset({Page.OVERVIEW, Page.PROCESS, Page.SYMBOLS, Page.SLOTS, Page.GAPS, Page.EVENTS, Page.AUDIT})
_SORTED = frozenset({Page.OVERVIEW, Page.SYMBOLS})
_PINNING = frozenset({Page.SYMBOLS, Page.SYMBOL, Page.SLOTS})
_BESIDE = frozenset({Page.PROCESS, Page.LOGS, Page.GAPS, Page.STORAGE})
_ALERTING = frozenset({Page.OVERVIEW, Page.EVENTS})


def _of_replay(name: str, key: tuple[str, str], action: str, label: str, text: str, footer: int = 0) -> KeyBinding:
    keys, shown = key
    return KeyBinding(name, keys, shown, action, label, text, "replay", footer=footer, where="replay")


_REPLAY = (
    _of_replay("play", ("space", "space"), "play", "play/pause", "play, or stand at this instant", 5),
    _of_replay("skip_back", ("left_square_bracket", "["), "skip(-10)", "-10 s", "ten seconds back", 7),
    _of_replay("skip_on", ("right_square_bracket", "]"), "skip(10)", "+10 s", "ten seconds on", 7),
    _of_replay("back_minute", ("left_curly_bracket", "{"), "skip(-60)", "-1 min", "a minute back"),
    _of_replay("on_minute", ("right_curly_bracket", "}"), "skip(60)", "+1 min", "a minute on"),
    _of_replay("play_slower", ("comma", ","), "speed(-1)", "slower", "play slower", 8),
    _of_replay("play_faster", ("full_stop", "."), "speed(1)", "faster", "play faster, up to 300 times", 8),
    _of_replay("next_incident", ("n", "n"), "incident(1)", "incident",
               "next incident: severe event, death, alert, gap, hole", 6),
    _of_replay("last_incident", ("N", "N"), "incident(-1)", "last incident", "previous incident"),
)  # fmt: skip

BINDINGS: tuple[KeyBinding, ...] = (
    KeyBinding("help", "question_mark,f1", "?", "help", "help", "this page", "console", footer=1),
    KeyBinding("command", "colon", ":", "command", "command", "type a command", "console", footer=2),
    KeyBinding("palette", "ctrl+p", "^P", "command_palette", "palette", "find a command by name", "console"),
    KeyBinding("overview", "1", "1", "page('overview')", "Overview", "everything on one page", "pages"),
    KeyBinding("process", "2", "2", "page('process')", "Shard", "the selected process", "pages"),
    KeyBinding("symbols", "3", "3", "page('symbols')", "Symbols", "freshness of every symbol", "pages"),
    KeyBinding("slots", "4", "4", "page('slots')", "Slots", "who holds the tick slots, and who got none", "pages"),
    KeyBinding("gaps", "5", "5", "page('gaps')", "Gaps", "what is missing, and how complete the day is", "pages"),
    KeyBinding(
        "storage",
        "6",
        "6",
        "page('storage')",
        "Storage",
        "writers, disks, backups, what retention does next, the timetable",
        "pages",
    ),
    KeyBinding("logs", "7,l", "7 l", "page('logs')", "Logs", "log of the selected process", "pages"),
    KeyBinding("events", "8", "8", "page('events')", "Events", "what happened, newest first", "pages"),
    KeyBinding("audit", "9", "9", "page('audit')", "Audit", "who ordered what, and why", "pages"),
    KeyBinding("open", "enter", "enter", "open", "open it", "open what is selected", "pages", _OPENING, footer=4),
    KeyBinding("back", "escape,backspace", "esc", "back", "back", "one page back, filter cleared", "pages", footer=11),
    KeyBinding("up", "up,k", "up k", "move(-1)", "up", "one row up", "move"),
    KeyBinding("down", "down,j", "dn j", "move(1)", "down", "one row down", "move"),
    KeyBinding("page_up", "pageup", "PgUp", "move(-10)", "page up", "ten rows up", "move"),
    KeyBinding("page_down", "pagedown", "PgDn", "move(10)", "page down", "ten rows down", "move"),
    KeyBinding("top", "g,home", "g", "move(-100000)", "top", "first row", "move"),
    KeyBinding("bottom", "G,end", "G", "move(100000)", "bottom", "last row", "move"),
    KeyBinding(
        "filter",
        "slash",
        "/",
        "filter",
        "filter",
        "show only what matches: text, !text, age>5, 초성",
        "look",
        frozenset(FILTERED),
        footer=3,
    ),
    KeyBinding("sort", "s", "s", "sort", "sort", "choose the sort order", "look", _SORTED, footer=8),
    KeyBinding(
        "sort_left",
        "less_than_sign",
        "<",
        "sort_step(-1)",
        "sort left",
        "previous sort order",
        "look",
        _SORTED,
    ),
    KeyBinding(
        "sort_right",
        "greater_than_sign",
        ">",
        "sort_step(1)",
        "sort right",
        "next sort order",
        "look",
        _SORTED,
    ),
    KeyBinding("invert", "I", "I", "invert", "invert", "turn the sort order round", "look", _SORTED),
    KeyBinding("severe", "exclamation_mark", "!", "severe", "only severe", "only warnings and worse", "look", _SEVERE),
    KeyBinding(
        "freeze",
        "z",
        "z",
        "freeze",
        "freeze",
        "freeze the display; data keeps arriving",
        "look",
        footer=10,
        where="live",
    ),
    KeyBinding("window", "t", "t", "window", "window", "time window of the charts: 1, 5, 15 minutes", "look"),
    KeyBinding(
        "map",
        "v",
        "v",
        "map",
        "map/table",
        "map or table, where there is no room for both",
        "look",
        frozenset({Page.SYMBOLS}),
        footer=5,
    ),
    KeyBinding(
        "stacks",
        "x",
        "x",
        "stacks",
        "stacks",
        "stack dumps of the process, or its log",
        "look",
        frozenset({Page.LOGS}),
        footer=5,
    ),
    KeyBinding(
        "other_left",
        "left",
        "left",
        "other(-1)",
        "previous",
        "previous process, previous table of the page",
        "move",
        _BESIDE,
    ),
    KeyBinding(
        "other_right",
        "right",
        "right",
        "other(1)",
        "next",
        "next process, next table of the page",
        "move",
        _BESIDE,
        footer=6,
    ),
    KeyBinding("faster", "plus,equals_sign", "+", "rate(1)", "faster", "refresh more often", "look"),
    KeyBinding("slower", "minus", "-", "rate(-1)", "slower", "refresh less often", "look"),
    KeyBinding("language", "L", "L", "language", "language", "Korean or English", "look"),
    KeyBinding("theme", "T", "T", "theme", "theme", "next colours: dark, light, colour-blind safe, none", "look"),
    KeyBinding("copy", "c", "c", "copy_row", "copy", "copy the row to the clipboard", "take", _ROWS),
    KeyBinding("copy_json", "y", "y", "copy_json", "copy JSON", "copy the row as JSON", "take", _ROWS),
    KeyBinding("capture", "X", "X", "capture", "capture", "save the screen as SVG and text", "take"),
    KeyBinding(
        "write",
        "W",
        "W",
        "write_mode",
        "write",
        "ask for write mode for ten minutes, or give it back",
        "order",
        footer=5,
        where="live",
    ),
    KeyBinding(
        "restart",
        "R",
        "R",
        "order('restart')",
        "restart",
        "restart the selected process",
        "order",
        _ROWS,
        orders=True,
        footer=6,
    ),
    KeyBinding(
        "pause",
        "S",
        "S",
        "order('pause')",
        "pause/resume",
        "pause or resume the selected shard, release a quarantined process",
        "order",
        _ROWS,
        orders=True,
        footer=7,
    ),
    KeyBinding(
        "pin",
        "P",
        "P",
        "pin",
        "pin/unpin",
        "pin the selected symbol, or give it back",
        "order",
        _PINNING,
        orders=True,
        footer=6,
    ),
    KeyBinding(
        "universe",
        "U",
        "U",
        "universe",
        "universe",
        "plan universe.toml, then apply it",
        "order",
        frozenset({Page.SYMBOLS}),
        orders=True,
        footer=7,
    ),
    KeyBinding(
        "replay",
        "Y",
        "Y",
        "replay",
        "replay",
        "replay a day into Postgres, counted first",
        "order",
        frozenset({Page.STORAGE}),
        orders=True,
        footer=6,
    ),
    KeyBinding(
        "scale",
        "C",
        "C",
        "scale",
        "scale",
        "run more or fewer sweeping shards",
        "order",
        _ROWS,
        orders=True,
    ),
    KeyBinding(
        "acknowledge",
        "a",
        "a",
        "acknowledge",
        "acknowledge",
        "take note of an alert",
        "order",
        _ALERTING,
        orders=True,
        footer=9,
    ),
    *_REPLAY,
    KeyBinding(
        "reconnect", "ctrl+r", "^R", "reconnect", "reconnect", "drop the link and connect anew", "console", where="live"
    ),
    KeyBinding("mouse", "m", "m", "mouse", "mouse", "mouse to the console or to the terminal (select text)", "console"),
    KeyBinding("redraw", "ctrl+l", "^L", "redraw", "redraw", "draw the whole screen again", "console"),
    KeyBinding("detach", "q,ctrl+q", "q", "detach", "detach", "leave; everything keeps running", "console", footer=12),
)

GROUP_TITLES: dict[Group, str] = {
    "pages": "Pages",
    "move": "Moving",
    "look": "Looking",
    "take": "Taking away",
    "order": "Orders (after W)",
    "replay": "Replay",
    "console": "Console",
}

PAGE_KEYS: tuple[tuple[str, Page, str], ...] = tuple(
    (binding.keys[0], Page(binding.id), binding.label) for binding in BINDINGS if binding.action.startswith("page(")
)
"""Key, page and name of the pages that have a number."""


def binding_of(action: str) -> KeyBinding | None:
    """Return the binding that runs an action such as `page('events')`."""
    return next((binding for binding in BINDINGS if binding.action == action), None)


def belongs(binding: KeyBinding, *, replaying: bool) -> bool:
    """Return whether a binding is there at all in a live console, or in a replay; a replay gives no orders."""
    where = "live" if binding.orders else binding.where
    return where == "everywhere" or (where == "replay") == replaying


def available(binding: KeyBinding, page: Page, *, may_order: bool, replaying: bool = False) -> bool | None:
    """Return True = usable, None = shown greyed (needs a lease or a live link), False = not on this page, or here."""
    if page not in binding.pages or not belongs(binding, replaying=replaying):
        return False
    return None if binding.orders and not may_order else True
