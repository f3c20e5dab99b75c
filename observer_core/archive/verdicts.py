"""The verdict on a day: why its raw data is kept longer. Written by maintenance and by operators, read by retention.

A rule that has held once stays: a day does not become ordinary again.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from observer_core.ids import DayNumber
from observer_core.journal.files import replace_durably

DECLARED = "declared"
"""The rule of an operator's own word; its text is the reason given."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Why a day was anomalous."""

    day: DayNumber
    rules: dict[str, str] = {}
    """By the rule's id: what was found."""


_decoder = msgspec.json.Decoder(Verdict)


def read_verdict(path: Path, day: DayNumber) -> Verdict:
    """Return the verdict on a day; without rules for an ordinary day.

    Raises:
        OSError: it cannot be read now.
    """
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return Verdict(day=day)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A day whose verdict is lost is rather kept too long.
        return Verdict(day=day, rules={DECLARED: f"{path.name} is damaged"})


def add_rules(path: Path, day: DayNumber, rules: Mapping[str, str]) -> dict[str, str]:
    """Add what was found to a day's verdict, durably; return what was new.

    Raises:
        OSError: the former verdict is unharmed.
    """
    verdict = read_verdict(path, day)
    news = {rule: text for rule, text in rules.items() if rule not in verdict.rules}
    if news:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = msgspec.structs.replace(verdict, rules={**verdict.rules, **news})
        replace_durably(path, msgspec.json.format(msgspec.json.encode(found), indent=1))
    return news
