"""The bench's own arithmetic: medians, targets, and which figures got worse."""

from tests.bench.figures import Figure, drift, percentile, regressions, table


def figure(value: float, *, name: str = "cost", more_is_better: bool = False, peer: bool = False) -> Figure:
    return Figure(name=name, unit="µs", values=(value,), more_is_better=more_is_better, peer=peer)


def test_a_target_is_met_on_its_own_side() -> None:
    less = Figure(name="less", unit="ms", values=(9.0, 10.0, 30.0), target=10.0)
    more = Figure(name="more", unit="rec/s", values=(9.0, 10.0, 30.0), target=10.5, more_is_better=True)
    assert (less.value, less.met, more.met, figure(1.0).met) == (10.0, True, False, None)
    assert [line.rsplit(maxsplit=1)[-1] for line in table([less, more]).splitlines()[1:]] == ["yes", "NO"]


def test_more_than_a_tenth_worse_is_named() -> None:
    assert regressions([figure(10.0)], [figure(10.9)]) == []
    (said,) = regressions([figure(10.0)], [figure(11.1)])
    assert said == "cost: 10.0 → 11.1 µs, 11% worse"
    assert regressions([figure(10.0, more_is_better=True)], [figure(8.0, more_is_better=True)])
    assert regressions([figure(10.0, more_is_better=True)], [figure(12.0, more_is_better=True)]) == []


def test_peers_new_figures_and_zeros_do_not_regress() -> None:
    assert regressions([figure(10.0, peer=True)], [figure(30.0, peer=True)]) == []
    assert regressions([figure(10.0, name="other")], [figure(30.0)]) == []
    assert regressions([figure(0.0)], [figure(30.0)]) == []


def test_percentiles() -> None:
    values = [float(number) for number in range(100)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([1.0], 0.99)) == (50.0, 99.0, 1.0)


def test_a_slower_machine_shows_in_the_code_of_others() -> None:
    before = [figure(10.0, name="json", peer=True), figure(1.0)]
    assert drift(before, [figure(13.0, name="json", peer=True), figure(5.0)]) == 1.3
    assert drift(before, [figure(5.0)]) is None
