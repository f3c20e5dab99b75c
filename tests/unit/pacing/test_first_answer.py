"""What has never answered is waited for, for a while; what answered once is never waited for again."""

from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.pacing.first_answer import START_PATIENCE_S, FirstAnswer
from observer_core.services.alert_rules import FOR_S

INSTANTS = st.integers(min_value=0, max_value=1 << 62)
PATIENCE_NS = int(START_PATIENCE_S * NS_PER_S)


@given(begun_ns=INSTANTS, looks_s=st.lists(st.tuples(st.floats(0, 60), st.booleans()), max_size=20))
def test_it_is_awaited_until_it_answers_and_not_for_longer_than_the_patience(
    begun_ns: int, looks_s: list[tuple[float, bool]]
) -> None:
    first, answered = FirstAnswer(begun_ns), False
    for after_s, comes in sorted(looks_s):
        if comes:
            first.came()
            answered = True
        after_ns = int(after_s * NS_PER_S)
        assert first.awaited(begun_ns + after_ns) == (not answered and after_ns < PATIENCE_NS)


def test_the_patience_ends_well_before_anybody_would_be_told() -> None:
    assert START_PATIENCE_S <= FOR_S / 2
