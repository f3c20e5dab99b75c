"""`scalp.toml`: the template says the defaults, and every mistake is named with its line."""

import pytest

from observer_core.market.toml_lines import ConfigFileError
from observer_core.scalp.config import TEMPLATE, ScalpRules, parse_scalp_config


def test_the_template_says_the_defaults() -> None:
    assert parse_scalp_config(TEMPLATE.encode(), "scalp.toml") == ScalpRules()


def _line(part: str) -> int:
    return next(number for number, line in enumerate(TEMPLATE.splitlines(), start=1) if line.startswith(part))


@pytest.mark.parametrize(
    ("before", "after", "part", "reason"),
    [
        ("dwell_s = 120 ", "dwell_s = -1 ", "dwell_s", "slots.dwell_s"),
        ("threshold = 4.0", "threshold = 0", "threshold = 4.0", "triggers.volume_surge.threshold"),
        ("threshold = 4.0", 'threshold = "4"', "threshold = 4.0", "Expected `float`, got `str`"),
        ("margin = 1.25", "borgin = 1.25", "margin", "unknown field `borgin`"),
        ("books_hz = [2.0, 1.0, 0.5]", "books_hz = []", "books_hz", "mitigation.books_hz"),
        ("[triggers.price_spike]  ", "[trigger.price_spike] ", "[triggers.price_spike]", "unknown table or key"),
        ("stable_s = 600", "stable_s = ", "stable_s", "is not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line(before: str, after: str, part: str, reason: str) -> None:
    assert before in TEMPLATE
    with pytest.raises(ConfigFileError) as caught:
        parse_scalp_config(TEMPLATE.replace(before, after, 1).encode(), "scalp.toml")
    (problem,) = caught.value.problems
    assert problem.startswith(f"scalp.toml:{_line(part)}: "), problem
    assert reason in problem


def test_a_file_that_was_cut_off_is_recognised() -> None:
    lines = TEMPLATE.splitlines(keepends=True)
    for length in range(1, _line("[mitigation]") - 1):
        with pytest.raises(ConfigFileError, match=r"scalp\.toml:\d+: "):
            parse_scalp_config("".join(lines[:length]).encode(), "scalp.toml")


def test_what_a_file_leaves_out_is_as_by_default() -> None:
    rules = parse_scalp_config(b"[slots]\ndwell_s = 60\n[mitigation]\n", "scalp.toml")
    assert rules.slots.dwell_s == 60.0
    assert rules.triggers == ScalpRules().triggers
