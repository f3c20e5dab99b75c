"""Knobs are changed all or none, and actions are not knobs."""

import pytest

from observer_core.errors import ConfigError
from observer_core.kis.simulator.faults import FaultBoard, Knobs


def test_named_knobs_change_and_the_others_stay() -> None:
    board = FaultBoard(Knobs(rest_limit=5))
    actions = board.apply({"frame_width": 46, "random_refusal_rate": 0.1, "drop_sessions": "abort"})
    assert actions.drop_sessions == "abort"
    assert board.knobs == Knobs(rest_limit=5, frame_width=46, random_refusal_rate=0.1)
    assert (board.knobs.trade_width, board.knobs.book_width) == (46, 62)


@pytest.mark.parametrize(
    "request_body",
    [
        {"rest_limit": 1, "no_such_knob": 1},
        {"rest_limit": 1, "frame_width": 48},
        {"rest_limit": 1, "random_refusal_rate": 1.5},
        {"rest_limit": 1, "drop_sessions": "gently"},
    ],
)
def test_a_wrong_request_changes_nothing(request_body: dict[str, object]) -> None:
    board = FaultBoard(Knobs())
    with pytest.raises(ConfigError, match="knobs are rest_limit"):
        board.apply(request_body)
    assert board.knobs == Knobs()
