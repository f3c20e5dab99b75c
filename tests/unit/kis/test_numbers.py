"""Numbers converted in one pass are those that `int` makes of them one by one; what is doubtful is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.kis.numbers import NUMBER_LENGTH, Refused, numbers_of

texts = st.one_of(
    st.integers(-(10**20), 10**20).map(str), st.text('0123456789-+. ,]"nule_', max_size=6), st.text(max_size=4)
)


@given(st.lists(texts, min_size=3, max_size=3))
def test_what_is_taken_is_what_int_says(three: list[str]) -> None:
    try:
        found = numbers_of(3)(three)
    except (Refused, UnicodeEncodeError):
        return
    assert found == tuple(map(int, three))
    assert all(len(str(number)) <= NUMBER_LENGTH for number in found)


@given(st.lists(st.integers(-(10**17) + 1, 10**18 - 1), min_size=15, max_size=15))
def test_every_plain_number_is_taken(numbers: list[int]) -> None:
    assert numbers_of(15)(list(map(str, numbers))) == tuple(numbers)


@pytest.mark.parametrize("text", ["", "1.0", "1e3", "007", "+5", "1_0", "null", '"5"', "1,2", "1]", str(10**18)])
def test_a_doubtful_text_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        numbers_of(2)(["1", text])
