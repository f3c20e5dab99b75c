"""Histories of what reaches the hub, and the view after them."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from observer_core.archive.day_retention import ArchivedDay
from observer_core.ids import DayNumber
from observer_core.messages import Event, ServiceStatus
from observer_core.services.hub_rows import Backlog, ProcessReading
from observer_core.services.hub_state import HubState
from observer_core.services.hub_upkeep import retention_view
from observer_core.tree_messages import TicketUpdate
from observer_core.view import ProcessRow, SystemView, WriterRow, apply, follows
from tests.fixtures.views import at, blank_view, report, shard_says, tree, writer_says


def process(state: HubState, name: str) -> ProcessRow:
    return next(row for row in state.view.processes if row.name == name)


def writer(state: HubState, name: str) -> WriterRow:
    return next(row for row in state.view.writers if row.name == name)


def test_nothing_happened_is_no_delta_but_a_heartbeat_a_second() -> None:
    state = HubState(blank_view())
    assert state.advance(at(0)) is not None
    assert [state.advance(at(quarter / 4)) is not None for quarter in range(1, 9)] == [False] * 3 + [True] + [
        False
    ] * 3 + [True]


def test_retention_travels_when_it_changes_and_with_its_age_now_and_then() -> None:
    state = HubState(blank_view())
    first = state.advance(at(0))
    assert first is not None
    assert first.retention is None
    sent = []
    for second in range(1, 15):
        day = 20260720 if second < 3 else 20260721
        state.seen.retention = retention_view([ArchivedDay(day=DayNumber(day), sealed_bytes=7)], at(second))
        before, delta = state.view, state.advance(at(second))
        assert delta is not None
        assert apply(before, delta) == state.view
        if delta.retention is not None:
            sent.append((second, delta.retention.days[0].day))
    assert sent == [(1, 20260720), (3, 20260721), (8, 20260721), (13, 20260721)]
    assert state.view.retention is not None
    assert state.view.retention.as_of_ns == at(13)


def test_a_process_without_a_word_of_its_own_is_shown_as_unknown() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0", pid=None, state="backoff", next_start_ns=at(5), last_exit="killed")))
    state.advance(at(1))
    row = process(state, "swing-0")
    assert (row.state, row.pid, row.uptime_s, row.lag, row.as_of_ns) == ("backoff", None, None, None, 0)
    assert (row.next_start_ns, row.last_exit) == (at(5), "killed")


@given(looks=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=8))
def test_the_gaps_of_the_rows_are_never_more_than_the_gaps_of_the_whole(looks: list[tuple[int, int, int]]) -> None:
    state = HubState(blank_view())
    for turn, (first, second, recorded) in enumerate(looks, start=1):
        state.add_status(shard_says("swing-0", turn, turn, open_gaps=first))
        state.add_status(shard_says("scalp-0", turn, turn, open_gaps=second, pid=101))
        state.seen.gaps = replace(state.seen.gaps, open=recorded, today=recorded + 1)
        state.advance(at(turn))
        gaps, held = state.view.gaps, sum(row.open_gaps for row in state.view.processes)
        assert held == first + second
        assert gaps.open == max(recorded, held)
        assert gaps.today == max(recorded + 1, held)


def told(second: float) -> Event:
    return Event(at_ns=at(second), name="clock_step", severity="error", subject="swing-0", text="set")


def test_what_the_archive_tells_again_is_in_the_log_once() -> None:
    state = HubState(blank_view())
    state.add_events([told(1)])
    state.add_events([told(0.5), told(1)])
    state.advance(at(2))
    state.add_events([told(0.5), told(1), told(3)])
    state.advance(at(4))
    assert state.view.events == (told(1), told(0.5), told(3))


def test_the_log_of_an_earlier_hub_goes_before_this_ones_and_clients_fetch() -> None:
    state = HubState(blank_view())
    state.add_events([told(5)])
    state.advance(at(5))
    state.add_events([told(6)])
    before = state.view
    state.recall_events([told(1), told(2), told(5), told(6)])
    delta = state.advance(at(6))
    assert delta is not None
    assert not follows(before, delta)
    assert state.view.events == (told(1), told(2), told(5), told(6))
    state.recall_events([told(1), told(6)])
    assert state.view.seq == before.seq + 2, "nothing new: no number skipped"


def test_only_rows_that_changed_are_sent() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0"), report("swing-1", pid=101)))
    state.advance(at(1))
    state.add_status(shard_says("swing-1", 1.1, 1, pid=101))
    delta = state.advance(at(1.25))
    assert delta is not None
    assert [row.name for row in delta.processes] == ["swing-1"]
    assert state.advance(at(1.5)) is None


def test_the_supervisors_identity_skips_a_number_so_that_clients_fetch() -> None:
    state = HubState(blank_view())
    state.advance(at(0))
    before = state.view
    state.add_tree(tree(1, report("swing-0")))
    delta = state.advance(at(1))
    assert delta is not None
    assert not follows(before, delta)
    assert state.view.supervisor_pid == 1


def test_rows_stand_in_the_supervisors_order_whoever_reported_first() -> None:
    state = HubState(blank_view())
    state.add_status(ServiceStatus(name="hub", kind="hub", pid=9, status_seq=1, as_of_ns=at(0), state="running"))
    state.advance(at(0))
    state.add_tree(tree(1, report("swing-0"), report("hub", kind="hub", pid=9)))
    state.advance(at(1))
    assert [row.name for row in state.view.processes] == ["swing-0", "hub"]


def test_words_of_a_dead_process_stay_with_their_age_until_its_successor_lives() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0")))
    state.add_status(shard_says("swing-0", 1, 7))
    state.advance(at(1))
    state.add_tree(tree(2, report("swing-0", pid=None, state="backoff", restarts=0)))
    state.advance(at(2))
    assert (process(state, "swing-0").records_total, process(state, "swing-0").as_of_ns) == (70, at(1))
    state.add_tree(tree(3, report("swing-0", pid=101, restarts=1, generation=2)))
    state.advance(at(3))
    assert (process(state, "swing-0").records_total, process(state, "swing-0").as_of_ns) == (0, 0)
    state.add_status(shard_says("swing-0", 3.1, 1, pid=101))
    state.advance(at(3.25))
    assert process(state, "swing-0").records_total == 10


def test_a_successor_may_speak_before_the_supervisor_names_it() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0")))
    state.add_status(shard_says("swing-0", 2, 1, pid=101))
    state.advance(at(2))
    assert process(state, "swing-0").records_total == 10


def test_an_overtaken_status_is_dropped() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0")))
    state.add_status(shard_says("swing-0", 1, 5))
    state.add_status(shard_says("swing-0", 0.5, 4))
    state.advance(at(1))
    assert process(state, "swing-0").records_total == 50


def test_a_running_shard_that_does_not_collect_is_shown_as_paused() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0")))
    state.add_status(shard_says("swing-0", 1, 1, state="paused"))
    state.advance(at(1))
    assert process(state, "swing-0").state == "paused"
    state.add_tree(tree(2, report("swing-0", state="stopping")))
    state.advance(at(2))
    assert process(state, "swing-0").state == "stopping"


def test_lag_of_a_silent_shard_grows_and_its_silence_is_named() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0")))
    state.add_status(shard_says("swing-0", 1, 1))
    state.advance(at(1))
    assert process(state, "swing-0").lag == 0.0
    state.advance(at(6))
    row = process(state, "swing-0")
    assert row.lag == 5.0
    assert row.note.startswith("silent since ")


def test_a_process_that_left_the_tree_leaves_the_view() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0"), report("swing-1", pid=101)))
    state.add_status(shard_says("swing-1", 1, 1, pid=101))
    state.advance(at(1))
    state.add_tree(tree(12, report("swing-0")))
    delta = state.advance(at(12))
    assert delta is not None
    assert delta.processes_gone == ("swing-1",)
    assert [row.name for row in state.view.processes] == ["swing-0"]


def test_a_writer_that_catches_up_has_an_estimate_and_a_dead_one_has_its_state() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("jsonl", kind="writer", pid=200)))
    for second in range(5):
        lag_bytes = 10_000 - 1_000 * second
        state.add_status(writer_says("jsonl", 1 + second, second, state="catching_up", lag_bytes=lag_bytes, lag_s=2.5))
    state.advance(at(6))
    assert writer(state, "jsonl").catch_up_s == 6.0
    assert process(state, "jsonl").lag == 2.5
    state.add_tree(tree(7, report("jsonl", kind="writer", pid=None, state="quarantined")))
    state.advance(at(7))
    assert (writer(state, "jsonl").state, writer(state, "jsonl").catch_up_s) == ("quarantined", None)


def test_a_writer_that_reports_under_another_name_is_found_by_its_pid() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("jsonl-writer", kind="writer", pid=200)))
    state.add_status(writer_says("jsonl", 1, 1, records_total=5))
    state.advance(at(1))
    assert [row.name for row in state.view.processes] == ["jsonl-writer"]
    assert process(state, "jsonl-writer").records_total == 5


def test_backlog_without_progress_promises_nothing() -> None:
    backlog = Backlog()
    assert backlog.catch_up_s() is None
    for second in range(4):
        backlog.add(at(second), 1_000 + second)
    assert backlog.catch_up_s() is None


def test_readings_of_the_kernel_join_by_pid() -> None:
    state = HubState(blank_view())
    state.add_tree(tree(1, report("swing-0")))
    state.seen.readings = {100: ProcessReading(memory_bytes=7, cpu_ms=9)}
    state.advance(at(1))
    assert (process(state, "swing-0").memory_bytes, process(state, "swing-0").cpu_ms_total) == (7, 9)
    assert state.pids() == (100,)


_NAMES = st.sampled_from(["swing-0", "swing-1", "jsonl"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tree"), st.lists(_NAMES, unique=True), st.integers(1, 3)),
        st.tuples(st.just("status"), _NAMES, st.integers(1, 30)),
        st.tuples(st.just("event"), _NAMES, st.integers(0, 300)),
        st.tuples(st.just("ticket"), _NAMES, st.integers(0, 5)),
        st.tuples(st.just("viewers"), _NAMES, st.integers(0, 3)),
    ),
    max_size=40,
)


@given(_STEPS, st.integers(0, 40), st.sets(st.integers(0, 40)))
@settings(max_examples=150)
def test_a_client_that_joins_late_and_loses_deltas_ends_with_the_hubs_view(
    steps: list[tuple[str, object, int]], joins: int, lost: set[int]
) -> None:
    state = HubState(blank_view())
    client: SystemView | None = None
    for number, (kind, subject, amount) in enumerate(steps):
        _take(state, kind, subject, amount, number)
        delta = state.advance(at(number / 4))
        if number == joins:
            client = state.view
        elif client is not None and delta is not None and number not in lost:
            client = apply(client, delta) if follows(client, delta) else state.view
    final = state.advance(at(100))
    assert final is not None
    if client is not None:
        client = apply(client, final) if follows(client, final) else state.view
        assert client == state.view


def _take(state: HubState, kind: str, subject: object, amount: int, number: int) -> None:
    if kind == "tree" and isinstance(subject, list):
        state.add_tree(tree(number / 4, *(report(name, restarts=amount) for name in subject), pid=amount))
    elif kind == "status":
        state.add_status(shard_says(str(subject), number / 4, amount))
    elif kind == "event":
        for _ in range(amount):
            state.add_event(Event(at_ns=number, name="n", severity="info", subject=str(subject), text="t"))
    elif kind == "ticket":
        state.add_ticket(TicketUpdate(ticket=f"t{amount}", state="running", text=str(number), at_ns=number))
    else:
        state.seen.viewers = amount
