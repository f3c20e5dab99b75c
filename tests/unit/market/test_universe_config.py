"""universe.toml: what it means, and that every mistake is named with its line."""

import pytest

from observer_core.market.toml_lines import ConfigFileError, TomlDocument
from observer_core.market.universe import Rules
from observer_core.market.universe_config import TEMPLATE, Guard, UniverseConfig, parse_universe_config

GUARD = "[guard]\nsmallest_share = 0.5\nlargest_factor = 2.0\n"


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigFileError) as raised:
        parse_universe_config(text.encode(), "universe.toml")
    return raised.value.problems


def test_the_template_means_the_defaults() -> None:
    config, _document = parse_universe_config(TEMPLATE.encode(), "universe.toml")
    assert config == UniverseConfig(rules=Rules(), guard=Guard())


def test_a_template_cut_off_anywhere_before_the_end_of_its_guard_never_means_other_rules() -> None:
    guard = TEMPLATE.index("[guard]")
    for length in range(1, len(TEMPLATE)):
        if length < guard + len("[guard]"):
            assert problems_of(TEMPLATE[:length]), length
            continue
        try:
            config, _document = parse_universe_config(TEMPLATE[:length].encode(), "f")
        except ConfigFileError:
            continue
        assert config.rules == Rules(), length


@pytest.mark.parametrize(
    ("rules", "line", "reason"),
    [
        ("minimum_close = -1", 2, "rules.minimum_close: Expected `int` >= 0"),
        ("top = 0", 2, "rules.top: Expected `int` >= 1"),
        ('boards = ["kospi", "konex"]', 2, "rules.boards.1: Invalid enum value 'konex'"),
        ('boards = [\n  "kospi",\n  "konex",\n]', 4, "rules.boards.1: Invalid enum value 'konex'"),
        ("highest_warning = 4", 2, "rules.highest_warning: Expected `int` <= 3"),
        ("# a comment\nspac = 1", 3, "rules.spac: Expected `bool`, got `int`"),
        ('include = ["5930"]', 2, "include: '5930' is not a symbol"),
        ("include = [5930]", 2, "include: 5930 is not a symbol"),
        ('pins = [\n "005930", # hash\n "000660", "005930",\n]', 4, "pins: 005930 stands in line 3 already"),
        ('include = ["005930"]\nexclude = ["005930"]', 3, "exclude: 005930 is in include too (line 2)"),
        ("minimum_close = 1\nminimum_close = 2", 3, "is not TOML: Cannot overwrite a value"),
    ],
)
def test_a_wrong_rule_is_named_with_its_line(rules: str, line: int, reason: str) -> None:
    (problem,) = problems_of(f"[rules]\n{rules}\n{GUARD}")
    assert problem.startswith(f"universe.toml:{line}: {reason}")


def test_every_problem_of_the_lists_is_named_at_once() -> None:
    found = problems_of('[rules]\ninclude = ["x", "005930", "005930"]\n[extra]\na = 1\n')
    assert [problem.split(":")[1] for problem in found] == ["2", "2", "3", "4"]
    assert found[2].endswith("unknown table or key 'extra'; known: [rules], [guard]")
    assert found[3].endswith("[guard] is missing: was the file cut off?")


def test_lines_of_values_in_all_kinds_of_places() -> None:
    text = (
        'a = """\nx = 1\n[not.a.table]\n"""\n'
        "[one.two]\n"
        "b = { c = [1, 2], d = '#' } # [x]\n"
        "[[many]]\n"
        'e = ["[", \'"\',\n  "#",\n]\n'
        "[[many]]\n"
        "'quoted key' = 1\n"
    )
    document = TomlDocument(text.encode(), "f")
    lines = {
        ("a",): 1, ("one", "two"): 5, ("one", "two", "b"): 6, ("many", 0): 7, ("many", 0, "e"): 8,
        ("many", 0, "e", 1): 8, ("many", 0, "e", 2): 9, ("many", 1): 11, ("many", 1, "quoted key"): 12,
    }  # fmt: skip
    assert {path: document.line_of(path) for path in lines} == lines
    assert document.line_of(("nowhere", "x")) == 1
    assert not document.states(("x",))
