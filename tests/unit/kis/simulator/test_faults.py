"""Knobs are changed all or none, and actions are not knobs."""

import pytest

from observer_core.errors import ConfigError
from observer_core.kis.simulator.faults import FaultBoard
from observer_core.kis.simulator.knobs import Knobs, knob_descriptions


def test_named_knobs_change_and_the_others_stay() -> None:
    board = FaultBoard(Knobs(rest_limit=5))
    actions = board.apply({"frame_width": 46, "random_refusal_rate": 0.1, "drop_sessions": "abort"})
    assert actions.drop_sessions == "abort"
    assert board.knobs == Knobs(rest_limit=5, frame_width=46, random_refusal_rate=0.1)
    assert (board.knobs.trade_width, board.knobs.book_fields) == (46, 62)


@pytest.mark.parametrize(
    "request_body",
    [
        {"rest_limit": 1, "no_such_knob": 1},
        {"rest_limit": 1, "frame_width": 45},
        {"rest_limit": 1, "random_refusal_rate": 1.5},
        {"rest_limit": 1, "drop_sessions": "gently"},
        {"rest_limit": 1, "maintenance": "at night"},
        {"rest_limit": 1, "announced_holidays": ["20261225"]},
    ],
)
def test_a_wrong_request_changes_nothing(request_body: dict[str, object]) -> None:
    board = FaultBoard(Knobs())
    with pytest.raises(ConfigError, match="knobs are rest_limit"):
        board.apply(request_body)
    assert board.knobs == Knobs()


@pytest.mark.parametrize("name", ["rest_error_code", "ack_error_code"])
def test_only_codes_of_the_broker_can_be_switched_on(name: str) -> None:
    board = FaultBoard(Knobs())
    with pytest.raises(ConfigError, match=f"{name}: NOSUCH"):
        board.apply({name: "NOSUCH"})
    assert board.knobs == Knobs()


def test_every_knob_says_what_it_means() -> None:
    meanings = knob_descriptions()
    assert tuple(meanings) == Knobs.__struct_fields__
    assert all(meanings.values())


def test_the_virtual_host_has_a_limit_of_its_own() -> None:
    assert (Knobs().call_limit, Knobs(virtual=True).call_limit) == (18, 1)


@pytest.mark.parametrize(("trade", "book", "expected"), [(46, 0, 62), (47, 0, 63), (48, 0, 64), (46, 59, 59)])
def test_the_width_of_books_follows_that_of_trades_unless_set(trade: int, book: int, expected: int) -> None:
    board = FaultBoard(Knobs())
    board.apply({"frame_width": trade, "book_width": book})
    assert (board.knobs.trade_width, board.knobs.book_fields) == (trade, expected)
