"""The hub as a real process: questions by role, leases, orders, sockets, restart."""

import grp
import json
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from observer_core.bus.publisher import BatchPublisher
from observer_core.bus.request import Requester, new_request_id
from observer_core.bus.status import StatusSender
from observer_core.clock import NS_PER_S, SystemClock, kst_datetime
from observer_core.errors import LinkError
from observer_core.exit_codes import ExitCode
from observer_core.ids import Epoch, Seq, ShardName, SinkName
from observer_core.journal.format import Position
from observer_core.messages import Batch, Event, Gap, Record, Track, encode
from observer_core.paths import socket_path
from observer_core.questions import GetTicket, GetView, Hello, decode_answer
from observer_core.tree_messages import SupervisorEvent, TicketUpdate
from observer_core.view import SystemView
from tests.fixtures.hub import (
    SUPERVISOR_PID,
    HubProcess,
    command,
    lease,
    process_report,
    shard_status,
    short_directory,
    tree_of,
    until,
)
from tests.fixtures.patience import PATIENCE_S, slowness

pytestmark = pytest.mark.integration


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as found:
        yield found


@pytest.fixture
def hub(directory: Path) -> Iterator[HubProcess]:
    with HubProcess(directory) as running:
        yield running


def test_rows_join_the_supervisors_word_and_the_processes_own(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0", restarts=2, generation=3), process_report("swing-1", pid=1_001)))
    sender = StatusSender(hub.paths.status_endpoint)
    try:

        def shown(view: SystemView) -> bool:
            sender.send(shard_status("swing-0", records_total=777))
            return any(row.records_total == 777 for row in view.processes)

        view = hub.view_when(shown, "the status is shown")
    finally:
        sender.close()
    rows = {row.name: row for row in view.processes}
    assert view.supervisor_pid == SUPERVISOR_PID
    assert (rows["swing-0"].restarts, rows["swing-0"].generation, rows["swing-0"].symbols) == (2, 3, 500)
    assert (rows["swing-1"].as_of_ns, rows["swing-1"].lag, rows["swing-1"].last_record_ns) == (0, None, None)
    assert rows["hub"].pid == hub.process.pid


def test_a_restarted_hub_shows_the_rows_within_a_second_of_the_next_reports(directory: Path) -> None:
    clock = SystemClock()
    sender: StatusSender | None = None
    try:
        with HubProcess(directory) as first:
            sender = StatusSender(first.paths.status_endpoint)
            first.tell(tree_of(process_report("swing-0")))
            sender.send(shard_status("swing-0"))
            epoch = first.view_when(lambda view: len(view.processes) >= 2, "rows").hub_epoch
        with HubProcess(directory) as second:
            second.tell(tree_of(process_report("swing-0")))
            begun_ns = clock.monotonic_ns()
            seq = 2

            def collected() -> bool:
                nonlocal seq
                seq += 1
                assert sender is not None
                sender.send(shard_status("swing-0", seq))
                return any(row.name == "swing-0" and row.records_total > 0 for row in second.view().processes)

            until(collected, "the row is back")
            assert (clock.monotonic_ns() - begun_ns) / NS_PER_S < 1.5 * slowness()
            assert second.view().hub_epoch != epoch
    finally:
        if sender is not None:
            sender.close()


def test_orders_need_a_lease_of_the_asking_process(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0")))
    hub.view_when(lambda view: view.supervisor_pid is not None, "the tree is known")
    with hub.operator() as operator:
        refused = operator.ask(command("swing-0")).ticket
        assert refused is not None
        assert refused.state == "refused"
        assert "lease" in refused.text
        given = lease(operator).lease
        assert given is not None
        assert given.who == f"lee (uid {os.getuid()}, pid {os.getpid()})"
        accepted = operator.ask(command("swing-0")).ticket
        assert accepted is not None
        assert accepted.state == "accepted"
        (order,) = until(hub.orders, "the order reaches the supervisor")
        assert (order.verb, order.target, order.ticket, order.who) == (
            "restart",
            "swing-0",
            accepted.ticket,
            accepted.who,
        )
        lease(operator, seconds=0)
        again = operator.ask(command("swing-0")).ticket
        assert again is not None
        assert again.state == "refused"
    assert hub.orders() == []


def test_a_command_that_arrives_twice_is_done_once(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0")))
    hub.view_when(lambda view: view.supervisor_pid is not None, "the tree is known")
    with hub.operator() as operator:
        lease(operator)
        first = operator.ask(command("swing-0", request_id="one")).ticket
        second = operator.ask(command("swing-0", request_id="one")).ticket
        other = operator.ask(command("swing-0", "pause", request_id="one")).ticket
    assert first == second
    assert other is not None
    assert other.state == "refused"
    assert len(until(hub.orders, "the order")) == 1
    assert hub.orders() == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (command("swing-9"), "known: swing-0, swing-1"),
        (command("swing-0", "explode"), "known: restart, pause, resume"),
        (command("swing-0", generation=4), "generation 4, now 5"),
        (command("swing-0", request_id="x" * 200), "printable characters"),
    ],
)
def test_unknown_or_stale_commands_are_refused_with_a_way_on(hub: HubProcess, asked: object, words: str) -> None:
    hub.tell(tree_of(process_report("swing-0", generation=5), process_report("swing-1")))
    hub.view_when(lambda view: view.supervisor_pid is not None, "the tree is known")
    with hub.operator() as operator:
        lease(operator)
        ticket = operator.ask(asked).ticket  # type: ignore[arg-type]  # parametrised as object
    assert ticket is not None
    assert ticket.state == "refused"
    assert words in ticket.text
    assert hub.orders() == []


def test_the_viewers_socket_takes_no_orders(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0")))
    with hub.viewer() as viewer:
        for question in (command("swing-0"),):
            answer = viewer.ask(question)
            assert answer.role == "viewer"
            assert "rw.sock" in (answer.error or "")
        assert "rw.sock" in (lease(viewer).error or "")
    assert hub.orders() == []


def test_progress_of_a_ticket_comes_back_and_survives_a_restart_of_the_hub(directory: Path) -> None:
    with HubProcess(directory) as hub:
        hub.tell(tree_of(process_report("swing-0")))
        hub.view_when(lambda view: view.supervisor_pid is not None, "the tree is known")
        with hub.operator() as operator:
            lease(operator)
            operator.ask(command("swing-0", request_id="t-1"))
            hub.tell(TicketUpdate(ticket="t-1", state="done", text="runs as 7", at_ns=1))

            def finished() -> bool:
                ticket = operator.ask(GetTicket(request_id=new_request_id(), ticket="t-1")).ticket
                return ticket is not None and (ticket.state, ticket.verb) == ("done", "restart")

            until(finished, "the ticket is done")
        audit = hub.paths.logs / "audit.jsonl"
        until(lambda: "runs as 7" in audit.read_text(), "the outcome is written down")
        facts = [json.loads(line)["fact"] for line in audit.read_text().splitlines()]
        assert facts == ["lease", "order", "ticket"]
        shown = hub.view_when(lambda view: bool(view.tickets), "the ticket is shown")
        assert [row.state for row in shown.tickets] == ["done"]
    with HubProcess(directory) as hub:
        hub.tell(tree_of(process_report("swing-0")))
        with hub.operator() as operator:
            lease(operator)
            repeated = operator.ask(command("swing-0", request_id="t-1")).ticket
        assert repeated is not None
        assert (repeated.state, repeated.text) == ("done", "runs as 7")
        assert hub.orders() == []


def test_malformed_input_is_answered_and_counted_and_kills_nothing(hub: HubProcess) -> None:
    context = zmq.Context()
    link = context.socket(zmq.DEALER)
    link.connect(hub.paths.operator_endpoint)
    status = context.socket(zmq.PUB)
    status.connect(hub.paths.status_endpoint)
    try:
        for frames in ([b"\xc1junk"], [b""], [b"a", b"b"], [encode(SupervisorEvent(event=_event("x")))]):
            link.send_multipart(frames)
            assert link.poll(2_000)
            assert decode_answer(link.recv()).error
        until(lambda: status.send(b"\xc1") or hub.view(), "the hub answers")
        hub.view_when(
            lambda view: any(row.name == "hub" and row.errors_total >= 4 for row in view.processes),
            "errors are counted",
        )
    finally:
        link.close(linger=0)
        status.close(linger=0)
        context.term()


def test_an_oversized_question_costs_its_sender_the_connection_only(hub: HubProcess) -> None:
    context = zmq.Context()
    link = context.socket(zmq.DEALER)
    link.connect(hub.paths.viewer_endpoint)
    try:
        link.send(bytes(1 << 20))
        assert not link.poll(300)
    finally:
        link.close(linger=0)
        context.term()
    assert hub.view().seq > 0


def test_a_newer_major_protocol_is_told_to_install_the_same_version(hub: HubProcess) -> None:
    with hub.viewer() as viewer:
        same = viewer.ask(Hello(request_id="1", protocol=(1, 9), client="test"))
        other = viewer.ask(Hello(request_id="2", protocol=(2, 0), client="test"))
    assert same.error is None
    assert "install the same version" in (other.error or "")


def test_sockets_are_the_roles(directory: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    with HubProcess(directory, OBSERVER_VIEWERS_GROUP=group, OBSERVER_OPERATORS_GROUP="no-such-group") as hub:
        paths = hub.paths
        modes = {
            name: stat.S_IMODE(socket_path(endpoint).stat().st_mode)
            for name, endpoint in {
                "status": paths.status_endpoint,
                "feed": paths.sink_endpoint(SinkName("hub")),
                "pub": paths.publish_endpoint,
                "ro": paths.viewer_endpoint,
                "rw": paths.operator_endpoint,
            }.items()
        }
        assert modes == {"status": 0o600, "feed": 0o600, "pub": 0o660, "ro": 0o660, "rw": 0o600}
        assert stat.S_IMODE(paths.run.stat().st_mode) == 0o750
        assert socket_path(paths.viewer_endpoint).stat().st_gid == os.getgid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_member_of_the_viewers_group_may_watch_and_nothing_else(directory: Path) -> None:
    directory.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    group = grp.getgrgid(nobody.pw_gid).gr_name
    with HubProcess(directory, OBSERVER_VIEWERS_GROUP=group, OBSERVER_OPERATORS_GROUP="no-such-group") as hub:
        paths = hub.paths
        endpoints = {
            "ro": paths.viewer_endpoint,
            "pub": paths.publish_endpoint,
            "rw": paths.operator_endpoint,
            "status": paths.status_endpoint,
            "feed": paths.sink_endpoint(SinkName("hub")),
        }
        child = os.fork()
        if child == 0:
            os._exit(_connectable(nobody, [str(socket_path(endpoint)) for endpoint in endpoints.values()]))
        _, status = os.waitpid(child, 0)
    allowed = {name for place, name in enumerate(endpoints) if os.waitstatus_to_exitcode(status) & (1 << place)}
    assert allowed == {"ro", "pub"}


def _connectable(user: pwd.struct_passwd, places: list[str]) -> int:
    """Become the user, try to connect to every socket, and return a bit for each that let us in."""
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    bits = 0
    for place, path in enumerate(places):
        with socket.socket(socket.AF_UNIX) as attempt:
            bits |= (attempt.connect_ex(path) == 0) << place
    return bits


def test_a_second_hub_is_refused_by_the_lock_and_steals_nothing(hub: HubProcess) -> None:
    second = HubProcess(hub.directory)
    second.start()
    try:
        assert second.process.wait(timeout=PATIENCE_S) == ExitCode.LOCKED
    finally:
        second.kill()
    epoch = hub.view().hub_epoch
    assert hub.view().hub_epoch == epoch


def test_gaps_and_events_are_picked_out_of_the_data_stream(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0")))
    now_ns = SystemClock().now_ns()
    publisher = BatchPublisher(ShardName("swing-0"), [hub.paths.sink_endpoint(SinkName("hub"))])
    try:

        def seen() -> bool:
            publisher.publish(Position(Epoch(1), 1, 0), _batch(_gap("g1", now_ns, None), _event("vi_started")))
            return hub.view().gaps.open == 1

        until(seen, "the open gap is counted")
        publisher.publish(Position(Epoch(1), 1, 0), _batch(_gap("g1", now_ns, now_ns + NS_PER_S), _event("closed")))
        view = hub.view_when(lambda view: view.gaps.open == 0, "the gap closes")
    finally:
        publisher.close()
    assert view.gaps.today == 1
    assert "stream_cut" in view.gaps.newest[0]
    assert {event.name for event in view.events} >= {"vi_started"}


def test_a_new_hub_knows_the_gaps_of_the_day_from_the_archive(directory: Path) -> None:
    now_ns = SystemClock().now_ns()
    hour = directory / "data" / "system" / f"{kst_datetime(now_ns):%Y/%m/%d/%H}"
    hour.mkdir(parents=True)
    line = {
        "kind": "gap", "shard": "swing-0", "epoch": 1, "seq": 9, "gap_id": "g7", "track": "swing", "reason": "restart",
        "symbols": ["005930"], "from_ns": now_ns, "until_ns": None, "opened_ns": now_ns,
    }  # fmt: skip
    (hour / "swing-0.jsonl").write_text(json.dumps(line) + '\n{"kind":"usage","text":"gap"}\n{"kind":"gap"')
    with HubProcess(directory) as hub:
        view = hub.view_when(lambda view: view.gaps.today > 0, "the archived gap is counted")
    assert (view.gaps.open, view.gaps.today) == (1, 1)
    assert "005930" in view.gaps.newest[0]


def test_the_end_of_the_supervisor_ends_the_hub(directory: Path) -> None:
    with HubProcess(directory) as hub:
        os.close(hub.control_w)
        hub._fds.remove(hub.control_w)
        assert hub.process.wait(timeout=PATIENCE_S) == ExitCode.OK


def test_sigterm_ends_the_hub_at_once(hub: HubProcess) -> None:
    hub.process.terminate()
    assert hub.process.wait(timeout=5 * slowness()) == ExitCode.OK


def test_a_full_order_pipe_fails_the_command_instead_of_losing_it(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0")))
    hub.view_when(lambda view: view.supervisor_pid is not None, "the tree is known")
    with hub.operator() as operator:
        lease(operator)
        texts: list[str] = []
        while len(texts) < 2_000 and not any("passed on" not in text for text in texts[-1:]):
            ticket = operator.ask(command("swing-0")).ticket
            assert ticket is not None
            texts.append(ticket.text)
    assert "does not read its orders" in texts[-1]


def test_who_asks_is_told_why_nobody_answers(directory: Path) -> None:
    paths = HubProcess(directory).paths
    with Requester(paths.viewer_endpoint, SystemClock()) as nobody, pytest.raises(LinkError, match="no socket at"):
        nobody.ask(GetView(request_id="1"))
    paths.run.mkdir()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(socket_path(paths.viewer_endpoint)))
    with Requester(paths.viewer_endpoint, SystemClock()) as stale, pytest.raises(LinkError, match="nobody listens"):
        stale.ask(GetView(request_id="1"))


def test_a_hub_that_hangs_is_reported_after_the_deadline(hub: HubProcess) -> None:
    os.kill(hub.process.pid, 19)
    try:
        with (
            Requester(hub.paths.viewer_endpoint, SystemClock(), timeout_s=0.3) as asking,
            pytest.raises(LinkError, match=r"did not answer within 0\.3 s"),
        ):
            asking.ask(GetView(request_id="1"))
    finally:
        os.kill(hub.process.pid, 18)


def _event(name: str) -> Event:
    return Event(at_ns=SystemClock().now_ns(), name=name, severity="info", subject="swing-0", text="text")


def _gap(gap_id: str, from_ns: int, until_ns: int | None) -> Gap:
    return Gap(
        gap_id=gap_id,
        track=Track.SWING,
        reason="stream_cut",
        symbols=("005930", "000660"),
        from_ns=from_ns,
        until_ns=until_ns,
        opened_ns=from_ns,
    )


def _batch(*records: Record) -> bytes:
    return encode(
        Batch(
            shard=ShardName("swing-0"),
            epoch=Epoch(1),
            first_seq=Seq(1),
            received_ns=SystemClock().now_ns(),
            source="sim",
            session_id="s",
            records=records,
        )
    )
