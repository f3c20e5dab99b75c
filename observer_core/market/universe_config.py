"""`universe.toml`: the operators' rules and the guard against universes that cannot be meant. Pure.

Every problem is found before any is reported, each with its line. The file must end with its guard: a file cut off
at the end of a line would otherwise be a valid file with other rules.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from observer_core.ids import is_symbol
from observer_core.market.toml_lines import ConfigFileError, Problem, TomlDocument, located
from observer_core.market.universe import Rules


class Guard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Beyond these bounds a universe is refused until an operator accepts it."""

    smallest_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5
    """Smallest size, as a share of the universe before."""
    largest_factor: Annotated[float, Meta(ge=1.0)] = 2.0
    """Largest size, as a multiple of the universe before."""


class UniverseConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file."""

    rules: Rules
    guard: Guard = Guard()


TEMPLATE = """\
# Which symbols Observer collects. Saved changes are checked, planned and applied at once, without a restart; a file
# with a mistake changes nothing. Look first: observerctl universe plan
[rules]
minimum_close = 4000            # KRW; the previous close
boards = ["kospi", "kosdaq"]
groups = ["ST"]                 # ST shares, EF ETF, EN ETN, RT REIT, ...
preferred = false
spac = false
halted = false
administrative = false
liquidation = false
highest_warning = 3             # market alarm: 0 none, 1 caution, 2 warning, 3 risk
# top = 2000                    # only the largest by market capitalisation
include = []                    # collected whatever the rules say
exclude = []
pins = []                       # included, and first in line for the tick streams

# The guard stands last: it is how a file that was cut off is recognised.
[guard]
smallest_share = 0.5            # a universe smaller than half of the one before is refused
largest_factor = 2.0            # and so is one of more than twice its size
"""

_TABLES = ("rules", "guard")
_LISTS = ("include", "exclude", "pins")


def parse_universe_config(raw: bytes, file: str) -> tuple[UniverseConfig, TomlDocument]:
    """Read the file; return its content and where everything stands.

    Raises:
        ConfigFileError: naming every problem with its line; nothing of the file counts then.
    """
    document = TomlDocument(raw, file)
    problems = [
        Problem(document.line_of((name,)), f"unknown table or key {name!r}; known: [rules], [guard]")
        for name in document.values
        if name not in _TABLES
    ]
    problems += [
        Problem(document.last_line, f"[{name}] is missing: was the file cut off?")
        for name in _TABLES
        if not isinstance(document.values.get(name), dict)
    ]
    problems += _list_problems(document)
    if problems:
        raise ConfigFileError(file, sorted(problems))
    try:
        return msgspec.convert(document.values, UniverseConfig), document
    except msgspec.ValidationError as error:
        raise located(document, str(error)) from error


def _list_problems(document: TomlDocument) -> Iterable[Problem]:
    """Return what is wrong with the lists of symbols: forms, repetitions, contradictions."""
    rules = document.values.get("rules")
    seen: dict[str, dict[str, int]] = {name: {} for name in _LISTS}
    for name in _LISTS:
        codes = rules.get(name) if isinstance(rules, dict) else None
        for place, code in enumerate(codes if isinstance(codes, list) else ()):
            line = document.line_of(("rules", name, place))
            if not isinstance(code, str) or not is_symbol(code):
                yield Problem(line, f'{name}: {code!r} is not a symbol; write it as text, such as "005930"')
            elif code in seen[name]:
                yield Problem(line, f"{name}: {code} stands in line {seen[name][code]} already: remove one")
            else:
                seen[name][code] = line
    for name in ("include", "pins"):
        for code in seen["exclude"].keys() & seen[name].keys():
            line = seen["exclude"][code]
            yield Problem(line, f"exclude: {code} is in {name} too (line {seen[name][code]}): decide")
