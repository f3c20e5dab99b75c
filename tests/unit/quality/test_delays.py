"""How far back a gap has to reach after a standstill."""

import msgspec

from observer_core.clock import NS_PER_S
from observer_core.quality.delays import DELAY_LIMIT_NS, delay_ns
from tests.fixtures.journals import NINE_OCLOCK_NS, event, quote, trade

SENT_NS = NINE_OCLOCK_NS
RECEIVED_NS = SENT_NS + 7 * NS_PER_S


def test_the_longest_way_counts() -> None:
    late = msgspec.structs.replace(trade(1), source_time_ns=SENT_NS)
    prompt = msgspec.structs.replace(trade(2), source_time_ns=RECEIVED_NS)
    assert delay_ns([prompt, late, prompt, event(3)], RECEIVED_NS) == 7 * NS_PER_S


def test_a_quote_was_on_its_way_since_it_was_asked_for() -> None:
    asked = msgspec.structs.replace(quote(1), requested_ns=SENT_NS)
    assert delay_ns([asked], RECEIVED_NS) == 7 * NS_PER_S


def test_nothing_told_is_no_delay() -> None:
    assert delay_ns([event(1)], RECEIVED_NS) == 0
    assert delay_ns([], RECEIVED_NS) == 0


def test_clocks_that_disagree_do_not_stretch_a_gap_for_ever() -> None:
    old = msgspec.structs.replace(trade(1), source_time_ns=SENT_NS - 3_600 * NS_PER_S)
    ahead = msgspec.structs.replace(trade(1), source_time_ns=RECEIVED_NS + NS_PER_S)
    assert delay_ns([old], RECEIVED_NS) == DELAY_LIMIT_NS
    assert delay_ns([ahead], RECEIVED_NS) == 0
