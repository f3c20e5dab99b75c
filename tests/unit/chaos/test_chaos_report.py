"""The report of the chaos suite: what was skipped proves nothing, what is lost has a culprit, what grows is seen."""

import json
from pathlib import Path

import pytest

from observer_core.audit.archive import Covered
from observer_core.audit.books import Books
from observer_core.clock import NS_PER_S
from tests.chaos.engine import Injection
from tests.chaos.report import table, tabulate
from tests.chaos.slopes import FILE, SAMPLE_S, gradient, slopes


def injection(fault: str, at_s: int, *, problem: str = "", skipped: bool = False) -> Injection:
    begun_ns = at_s * NS_PER_S
    recovery_s = None if problem else 0.5
    return Injection(fault, begun_ns, begun_ns + 2 * NS_PER_S, recovery_s, problem, skipped)


def test_a_skipped_fault_is_neither_injected_nor_survived() -> None:
    lines = tabulate([injection("cut", 1), injection("cut", 5, problem="none stood", skipped=True)], Books())
    assert (lines["cut"].injected, lines["cut"].survived, lines["cut"].skipped) == (1, 1, 1)


def test_what_does_not_recover_is_not_survived_and_says_why() -> None:
    lines = tabulate([injection("cut", 1), injection("cut", 5, problem="scalp-0 is backoff")], Books())
    assert (lines["cut"].injected, lines["cut"].survived) == (2, 1)
    assert "NOT SURVIVED cut: scalp-0 is backoff" in table(lines)


def test_losses_and_doubles_go_to_the_last_fault_before_them() -> None:
    books = Books(lost_ns=[6 * NS_PER_S, 7 * NS_PER_S], doubled_ns=[2 * NS_PER_S])
    lines = tabulate([injection("cut", 1), injection("slow", 5)], books)
    assert (lines["cut"].lost, lines["cut"].doubled) == (0, 1)
    assert (lines["slow"].lost, lines["slow"].doubled) == (2, 0)


def test_gaps_go_to_the_faults_that_make_such() -> None:
    restart = Covered(frozenset({"005930"}), 10 * NS_PER_S, 14 * NS_PER_S, "restart")
    cut = Covered(frozenset({"005930"}), 10 * NS_PER_S, 19 * NS_PER_S, "stream_cut")
    for_ever = Covered(frozenset({"005930"}), 10 * NS_PER_S, None, "restart")
    injections = [injection("stream: cut", 11), injection("kill -9 swing-0", 11), injection("kill -9 hub", 11)]
    lines = tabulate(injections, Books(outages=[restart, cut, for_ever]))
    assert {name: line.longest_gap_s for name, line in lines.items()} == {
        "stream: cut": 9.0, "kill -9 swing-0": 4.0, "kill -9 hub": 0.0,
    }  # fmt: skip


def samples(directory: Path, growth_bytes: int) -> None:
    lines = [
        json.dumps([turn * SAMPLE_S, "hub", 20.0 + turn * SAMPLE_S, 50_000_000 + turn * growth_bytes, 30])
        for turn in range(60)
    ]
    young = json.dumps([1.0, "hub", 1.0, 900_000_000, 500])
    (directory / FILE).write_text("\n".join([*lines, young]))


@pytest.mark.parametrize(("growth_bytes", "flat"), [(0, True), (100_000, True), (400_000, False), (-400_000, True)])
def test_a_process_that_grows_is_found(tmp_path: Path, growth_bytes: int, flat: bool) -> None:
    samples(tmp_path, growth_bytes)
    found = {slope.subject: slope for slope in slopes(tmp_path)}
    assert found["hub memory MB"].flat is flat
    assert found["hub descriptors"].flat
    assert found["hub memory MB"].samples == 60


def test_gradient() -> None:
    assert gradient([0.0, 1.0, 2.0], [5.0, 7.0, 9.0]) == 2.0
    assert gradient([1.0], [5.0]) == 0.0
