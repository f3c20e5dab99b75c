"""A picture of the screen keeps its columns in viewers that take blanks at the ends of a text for nothing."""

import re
from html import escape

from hypothesis import given
from hypothesis import strategies as st

from observer_tui.capture import with_placed_words
from observer_tui.cells import width_of

WORD = re.compile(r'<text class="r1" x="([\d.e+]+)" y="7" textLength="([\d.]+)" clip-path="c">([^<]*)</text>')


def drawn(text: str) -> str:
    """Return a text as the library draws it: its length is that of its characters, not of its cells."""
    content = escape(text).replace(" ", "&#160;")
    return f'<g><text class="r1" x="24.4" y="7" textLength="{12.2 * len(text):g}" clip-path="c">{content}</text></g>'


def test_every_word_has_its_own_place() -> None:
    assert with_placed_words(drawn(" 1 <전체> ok ")) == (
        '<g><text class="r1" x="36.6" y="7" textLength="12.2" clip-path="c">1</text>'
        '<text class="r1" x="61" y="7" textLength="73.2" clip-path="c">&lt;전체&gt;</text>'
        '<text class="r1" x="146.4" y="7" textLength="24.4" clip-path="c">ok</text></g>'
    )


@given(st.text(alphabet="ab1&<▅│전체 ", min_size=1, max_size=60))
def test_no_word_is_lost_or_moved(text: str) -> None:
    found = WORD.findall(with_placed_words(drawn(text)))
    places, column = [], 0
    for word in text.split(" "):
        if word:
            places.append((column, escape(word)))
        column += width_of(word) + 1
    assert [(round((float(x) - 24.4) / 12.2), word) for x, _, word in found] == places
