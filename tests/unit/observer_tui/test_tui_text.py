"""Cells, lines, glyphs and numbers: what every pane is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from observer_tui import quantities
from observer_tui.cells import clean, cut, fit, width_of
from observer_tui.glyphs import ASCII, BLOCKS, Glyphs, bar, ceiling, plot, sparkline
from observer_tui.lines import Line, Span, boxed, faded, fit_line, line_width, sides, text_of
from observer_tui.widgets.pane import changed_until

TEXT = st.text(alphabet=st.sampled_from("abc 019가나다삼성전자…▁\t\x1b"), max_size=30)
VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1e9, allow_nan=False)), max_size=40)


@given(TEXT, st.integers(0, 40), st.sampled_from(["left", "right", "center"]))
def test_a_fitted_text_takes_exactly_its_cells(text: str, width: int, align: str) -> None:
    assert cell_len(fit(text, width, align)) == width  # type: ignore[arg-type]


def test_hangul_takes_two_cells_and_is_never_halved() -> None:
    assert width_of("삼성전자") == 8
    assert fit("삼성전자", 10) == "삼성전자  "
    assert fit("삼성전자", 7) == "삼성전~"
    assert cut("삼성전자", 6) == "삼성 ~"


def test_control_characters_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\nc") == "a [2Jb c"
    assert "\x1b" not in text_of(fit_line([Span("x\x1b]52;c;AAAA\x07")], 30))


@given(st.lists(TEXT, max_size=6), st.integers(0, 60))
def test_a_fitted_line_takes_exactly_its_cells(texts: list[str], width: int) -> None:
    line = fit_line([Span(text, "dim" if place % 2 else "plain") for place, text in enumerate(texts)], width)
    assert line_width(line) == width


@given(TEXT, TEXT, st.integers(1, 60))
def test_both_sides_take_exactly_the_width(left: str, right: str, width: int) -> None:
    assert line_width(sides([Span(left)], [Span(right)], width)) == width


@given(st.lists(TEXT, max_size=5), st.integers(4, 40), st.integers(2, 8))
def test_a_box_takes_exactly_its_size(texts: list[str], width: int, height: int) -> None:
    lines = boxed("제목 title", [(Span(text),) for text in texts], (width, height), BLOCKS, "note")
    assert [line_width(line) for line in lines] == [width] * height


def test_fading_keeps_what_says_why() -> None:
    line = (Span("1,204", "strong"), Span("DOWN", "bar_bad"))
    assert faded(line) == (Span("1,204", "dim"), Span("DOWN", "bar_bad"))


@given(TEXT, TEXT, TEXT)
def test_the_changed_part_covers_every_difference(head: str, tail: str, other: str) -> None:
    width = 70
    old: Line = fit_line([Span(head, "label"), Span(tail)], width)
    new: Line = fit_line([Span(head, "label"), Span(other), Span(tail)], width)
    until = changed_until(old, new)
    assert 0 <= until <= width
    after_old = text_of(old)[len(text_of(old)) - 1 :] if until < width else ""
    after_new = text_of(new)[len(text_of(new)) - 1 :] if until < width else ""
    assert after_old == after_new
    if old == new:
        assert until == 0


def test_only_the_changed_head_of_a_line_is_repainted() -> None:
    old = (Span("lag 100ms  "), Span("▇▇▇▇", "chart"))
    new = (Span("lag 120ms  "), Span("▇▇▇▇", "chart"))
    assert changed_until(old, new) == 6
    assert changed_until(old, (Span("lag 100ms  "), Span("▇▇▇▆", "chart"))) == 15


@given(VALUES, st.sampled_from([BLOCKS, ASCII]))
def test_a_sparkline_is_blank_exactly_where_nothing_is_known(values: list[float | None], glyphs: Glyphs) -> None:
    drawn = sparkline(values, glyphs)
    assert [character == " " for character in drawn] == [value is None for value in values]


def test_a_single_record_is_no_peak_of_a_sparkline() -> None:
    assert sparkline([0.0, 0.25, 0.0], BLOCKS, 10.0) == "▁▂▁"
    assert sparkline([0.0, 100.0, 50.0], BLOCKS, 10.0) == sparkline([0.0, 100.0, 50.0], BLOCKS)


@given(VALUES, st.integers(1, 6), st.sampled_from([BLOCKS, ASCII]))
def test_a_plot_shows_every_known_value_and_no_other(values: list[float | None], rows: int, glyphs: Glyphs) -> None:
    drawn = plot(values, rows, glyphs)
    assert len(drawn) == rows
    for place, value in enumerate(values):
        assert (drawn[-1][place] == " ") == (value is None)


def test_ascii_glyphs_are_ascii() -> None:
    for text in (sparkline([0, 1, 5], ASCII), *plot([0, 1, 5], 3, ASCII), bar(0.4, 10, ASCII)):
        assert text.isascii()
    assert bar(0.4, 10, ASCII) == "####......"


@pytest.mark.parametrize(
    ("largest", "scale"), [(0, 1), (0.3, 0.5), (1, 1), (3, 5), (41_208, 50_000), (50_001, 100_000)]
)
def test_the_scale_is_a_round_number(largest: float, scale: float) -> None:
    assert ceiling([None, largest]) == pytest.approx(scale)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0, "0ms"), (0.0384, "38ms"), (0.9996, "1.0s"), (1.94, "1.9s"), (42.7, "42s"), (252, "4m12s"),
        (11_040, "3h04m"), (1_051_200, "12d04h"), (29_376_000, "340d"), (-1, "0ms"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert quantities.duration(seconds) == text


@given(st.floats(0, 3e8))
def test_a_duration_takes_at_most_six_cells(seconds: float) -> None:
    assert len(quantities.duration(seconds)) <= 6


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (62_000, "62.0 kB"), (9_420_000, "9.42 MB"), (6.67e11, "667.0 GB")],
)
def test_sizes(value: float | None, text: str) -> None:
    assert quantities.size(value) == text


def test_numbers_that_are_not_known_are_dashes() -> None:
    assert [form(None) for form in (quantities.count, quantities.rate, quantities.short, quantities.percent)] == [
        "-"
    ] * 4
    assert quantities.clock_time(0) == "-"
    assert quantities.age_ns(None, 5) == "-"
    assert (quantities.rate(4.52), quantities.rate(0.0), quantities.rate(41_208.3)) == ("4.5", "0", "41,208")
    assert (quantities.short(58_123), quantities.short(3), quantities.short(0.25)) == ("58.1k", "3", "0.2")
    assert quantities.count(12_345_678) == "12.3M"
