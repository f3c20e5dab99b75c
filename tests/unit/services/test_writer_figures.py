"""What a writer says about itself while its store says nothing."""

from observer_core.clock import NS_PER_S
from observer_core.ids import ProcessName
from observer_core.messages import WriterStatus
from observer_core.services.journal_followers import Lag
from observer_core.services.writer_figures import WriterFigures
from tests.fixtures.journals import SteppingClock


def measured(clock: SteppingClock, state: str) -> WriterFigures:
    figures = WriterFigures(state=state, offsets_known=True)
    figures.measured(Lag(1_000, clock.now_ns() - NS_PER_S), clock.now_ns(), clock.monotonic_ns())
    return figures


def after(seconds: float, state: str = "live") -> WriterStatus:
    clock = SteppingClock()
    figures = measured(clock, state)
    clock.advance(seconds)
    return figures.status(ProcessName("postgres"), 1, clock)


def test_a_loop_that_measures_is_believed() -> None:
    status = after(0.5)
    assert (status.state, status.note, status.lag_s) == ("live", "", 1.0)


def test_a_store_that_holds_the_loop_up_is_waited_for_and_the_lag_grows() -> None:
    for state in ("live", "catching_up"):
        status = after(5, state)
        assert (status.state, status.note) == ("waiting", "the store has not answered for 5 s")
        assert status.lag_s == 6.0


def test_other_states_are_left_as_they_are() -> None:
    assert after(5, "stopping").state == "stopping"
    assert after(2).state == "live"
