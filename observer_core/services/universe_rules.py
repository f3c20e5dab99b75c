"""What the operators want at this moment: `universe.toml`, pins, or the environment where there is no file.

Separate from the keeper, which decides when that comes into force: `observerctl universe plan` asks here too.
"""

from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from observer_core.market.toml_lines import ConfigFileError, Problem, TomlDocument
from observer_core.market.universe import Rules, Universe
from observer_core.market.universe_config import Guard, parse_universe_config
from observer_core.market.universe_plan import Refusal, named
from observer_core.services.universe_files import Pin


class Source(NamedTuple):
    """The bytes of the file, None where there is none, or why it cannot be read."""

    content: bytes | None
    unreadable: str = ""


class Wish(NamedTuple):
    """Rules and guard, and where the file says each."""

    rules: Rules
    guard: Guard
    origin: str
    document: TomlDocument | None

    def located(self, refusal: Refusal) -> str:
        """Return a refusal with file and line of the rule to look at."""
        if self.document is None:
            return f"{self.origin}: {refusal.reason}"
        rule = ("rules", refusal.rule)
        said = f"{refusal.rule}: " if self.document.states(rule) else ""
        return f"{self.document.file}:{self.document.line_of(rule)}: {said}{refusal.reason}"


def read_source(path: Path) -> Source:
    """Read the file of rules."""
    try:
        return Source(path.read_bytes())
    except FileNotFoundError:
        # A symbolic link whose target is gone is a broken file; no file at all is a choice.
        return Source(None, "is a symbolic link to a file that is missing") if path.is_symlink() else Source(None)
    except OSError as error:
        return Source(None, f"cannot be read: {error.strerror}")


def read_wish(source: Source, file: str, pins: tuple[Pin, ...], defaults: Rules) -> Wish:
    """Return what is wanted; `defaults` hold where there is no file.

    Raises:
        ConfigFileError: the file cannot be read or is wrong.
    """
    if source.unreadable:
        raise ConfigFileError(file, [Problem(1, source.unreadable)])
    if source.content is None:
        return Wish(_pinned(defaults, pins), Guard(), "environment", None)
    config, document = parse_universe_config(source.content, file)
    return Wish(_pinned(config.rules, pins), config.guard, file, document)


def oversights(universe: Universe) -> str:
    """Return what an operator may have overlooked, "" if nothing: wanted codes that are not listed."""
    if not universe.unlisted:
        return ""
    return f"not listed, so not collected: {named(universe.unlisted)}"


def _pinned(rules: Rules, pins: tuple[Pin, ...]) -> Rules:
    symbols = (*rules.pins, *(pin.symbol for pin in pins))
    return replace(rules, pins=tuple(dict.fromkeys(symbols)))
