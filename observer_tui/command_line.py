"""What can be typed after `:`; words and aliases to one intent each. Pure."""

from typing import NamedTuple

from observer_tui.options import SPEEDS, time_of_day
from observer_tui.ui_state import LANGUAGES, RATES_HZ, WINDOWS_S


class Intent(NamedTuple):
    """What a typed command asks for: an action of the app and its argument."""

    action: str
    argument: str = ""


_PAGES = {
    "overview": "overview",
    "ov": "overview",
    "process": "process",
    "pr": "process",
    "sh": "process",
    "symbols": "symbols",
    "universe": "symbols",
    "slots": "slots",
    "gaps": "gaps",
    "storage": "storage",
    "st": "storage",
    "disk": "storage",
    "logs": "logs",
    "log": "logs",
    "events": "events",
    "ev": "events",
    "audit": "audit",
    "help": "help",
    "h": "help",
}
_ORDERS = {"restart": "restart", "pause": "pause", "resume": "pause", "release": "pause"}
_ERRANDS = {
    "symbol": "symbol",
    "sym": "symbol",
    "pin": "pin",
    "unpin": "unpin",
    "plan": "universe",
    "apply": "universe",
    "replay": "replay",
    "scale": "scale",
    "ack": "acknowledge",
}
_NEEDS_ARGUMENT = frozenset({"symbol", "pin", "unpin"})
_PLAIN = {
    "q": "detach",
    "quit": "detach",
    "w": "write",
    "write": "write",
    "z": "freeze",
    "freeze": "freeze",
    "capture": "capture",
    "invert": "invert",
    "severe": "severe",
    "reconnect": "reconnect",
}
_WITH_ARGUMENT = {
    "filter": "filter",
    "f": "filter",
    "sort": "sort",
    "rate": "rate",
    "window": "window",
    "lang": "language",
    "language": "language",
    "theme": "theme",
    "at": "at",
    "speed": "speed",
}

COMMANDS = tuple(sorted({*_PAGES, *_ORDERS, *_ERRANDS, *_PLAIN, *_WITH_ARGUMENT}))
"""Every word that is understood, for completion."""


def parse(text: str) -> Intent | str:
    """Return the intent of a typed command, or what is wrong with it."""
    word, _, argument = text.strip().partition(" ")
    word, argument = word.lower(), argument.strip()
    if word in _PAGES:
        return Intent("page", f"{_PAGES[word]} {argument}".strip())
    if word in _ORDERS:
        return Intent("order", f"{_ORDERS[word]} {argument}".strip())
    if word in _ERRANDS:
        if _ERRANDS[word] in _NEEDS_ARGUMENT and not argument:
            return f"{word} needs the code of a symbol"
        return Intent("errand", f"{_ERRANDS[word]} {argument}".strip())
    if word in _PLAIN:
        return Intent(_PLAIN[word])
    if word in _WITH_ARGUMENT:
        return _checked(_WITH_ARGUMENT[word], argument)
    return f"unknown command {word!r}; known: {' '.join(COMMANDS)}"


def _checked(action: str, argument: str) -> Intent | str:
    if action == "rate" and argument.removesuffix("/s") not in {f"{hz:g}" for hz in RATES_HZ}:
        return f"rate is one of {' '.join(f'{hz:g}' for hz in RATES_HZ)} per second"
    if action == "window" and argument.removesuffix("m") not in {str(window // 60) for window in WINDOWS_S}:
        return f"window is one of {' '.join(str(window // 60) for window in WINDOWS_S)} minutes"
    if action == "at":
        try:
            time_of_day(argument)
        except ValueError as error:
            return str(error)
    if action == "speed" and argument not in {f"{speed}" for speed in SPEEDS}:
        return f"speed is one of {' '.join(map(str, SPEEDS))}"
    if action == "language" and argument not in LANGUAGES:
        return f"language is one of {' '.join(LANGUAGES)}"
    return Intent(action, argument.removesuffix("/s").removesuffix("m") if action in ("rate", "window") else argument)
