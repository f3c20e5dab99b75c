"""Who may order what: leases, commands and their tickets."""

import pytest

from observer_core.clock import NS_PER_S
from observer_core.questions import AcquireLease, Command
from observer_core.services.hub_leases import LEASES_LIMIT, LeaseBook, Peer, Refusal, shown
from observer_core.services.hub_orders import TICKETS_REMEMBERED, OrderDesk
from observer_core.tree_messages import TicketUpdate
from observer_core.view import LeaseView
from tests.fixtures.views import NOW_NS, at, report, tree

LEE = Peer(uid=1000, gid=1000, pid=50)
KIM = Peer(uid=1000, gid=1000, pid=51)


def asked(seconds: int = 600, operator: str = "lee", reason: str = "why") -> AcquireLease:
    return AcquireLease(request_id="1", operator=operator, reason=reason, seconds=seconds)


def ordered(request_id: str = "t", verb: str = "restart", target: str = "swing-0") -> Command:
    return Command(request_id=request_id, verb=verb, target=target, operator="lee", reason="why")


def test_a_lease_ends_by_itself_after_ten_minutes_at_most() -> None:
    book = LeaseBook()
    lease = book.acquire(LEE, asked(seconds=99_999), NOW_NS)
    assert isinstance(lease, LeaseView)
    assert lease.until_ns == NOW_NS + 600 * NS_PER_S
    assert book.holds(LEE, at(599))
    assert not book.holds(LEE, at(600))
    assert book.live(at(600)) == ()


def test_a_lease_is_one_processes_and_can_be_given_back() -> None:
    book = LeaseBook()
    book.acquire(LEE, asked(), NOW_NS)
    assert not book.holds(KIM, NOW_NS)
    book.acquire(KIM, asked(operator="kim"), NOW_NS)
    assert [lease.who for lease in book.live(NOW_NS)] == ["kim (uid 1000, pid 51)", "lee (uid 1000, pid 50)"]
    book.acquire(LEE, asked(seconds=0), NOW_NS)
    assert (book.holds(LEE, NOW_NS), book.holds(KIM, NOW_NS)) == (False, True)


def test_a_lease_needs_a_name_and_a_reason() -> None:
    book = LeaseBook()
    assert isinstance(book.acquire(LEE, asked(operator=" \t"), NOW_NS), Refusal)
    assert isinstance(book.acquire(LEE, asked(reason="\x1b"), NOW_NS), Refusal)
    assert book.live(NOW_NS) == ()


def test_leases_are_bounded_but_a_holder_can_always_renew() -> None:
    book = LeaseBook()
    for pid in range(LEASES_LIMIT):
        book.acquire(Peer(1, 1, pid), asked(), NOW_NS)
    assert isinstance(book.acquire(KIM._replace(pid=9_999), asked(), NOW_NS), Refusal)
    assert isinstance(book.acquire(Peer(1, 1, 0), asked(), at(1)), LeaseView)
    assert isinstance(book.acquire(KIM._replace(pid=9_999), asked(), at(601)), LeaseView)


def test_text_of_clients_cannot_reach_a_terminal_raw() -> None:
    assert shown("a\x1b[2Jb\nc", 10) == "a [2Jb c"
    assert shown("이름" * 50, 4) == "이름이름"


def test_a_taken_command_becomes_an_order_with_its_ticket() -> None:
    verdict = OrderDesk().accept(ordered(), LEE, True, tree(0, report("swing-0")), NOW_NS)
    assert verdict.ticket.state == "accepted"
    assert verdict.order is not None
    assert (verdict.order.ticket, verdict.order.who) == ("t", "lee (uid 1000, pid 50)")


def test_a_repeated_command_gets_its_first_ticket_and_no_second_order() -> None:
    desk = OrderDesk()
    desk.accept(ordered(), LEE, True, tree(0, report("swing-0")), NOW_NS)
    done = desk.update(TicketUpdate(ticket="t", state="done", text="ok", at_ns=1))
    again = desk.accept(ordered(), LEE, True, tree(0, report("swing-0")), at(9))
    assert (again.ticket, again.order, again.repeated) == (done, None, True)
    assert (done.verb, done.target) == ("restart", "swing-0")


def test_another_command_under_the_same_id_is_refused_and_changes_nothing() -> None:
    desk = OrderDesk()
    first = desk.accept(ordered(), LEE, True, tree(0, report("swing-0")), NOW_NS).ticket
    other = desk.accept(ordered(verb="pause"), LEE, True, tree(0, report("swing-0")), NOW_NS)
    assert (other.ticket.state, other.order) == ("refused", None)
    assert desk.find("t") == first


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_what_does_not_collect_cannot_be_paused(verb: str) -> None:
    verdict = OrderDesk().accept(
        ordered(verb=verb, target="postgres"), LEE, True, tree(0, report("postgres", kind="writer")), NOW_NS
    )
    assert (verdict.ticket.state, verdict.order) == ("refused", None)
    assert verdict.ticket.text == "postgres does not collect: only swing and scalp shards can be paused"


@pytest.mark.parametrize("verb", ["restart", "pause", "resume"])
def test_without_the_supervisors_word_nothing_is_ordered(verb: str) -> None:
    verdict = OrderDesk().accept(ordered(verb=verb), LEE, True, None, NOW_NS)
    assert (verdict.ticket.state, verdict.order) == ("refused", None)
    assert "try again" in verdict.ticket.text


def test_tickets_of_an_earlier_hub_are_remembered_and_the_oldest_forgotten() -> None:
    old = [TicketUpdate(ticket=f"t{number}", state="done", text="", at_ns=0) for number in range(TICKETS_REMEMBERED)]
    desk = OrderDesk(old)
    assert desk.find("t0") is not None
    desk.update(TicketUpdate(ticket="new", state="running", text="", at_ns=1))
    assert desk.find("t0") is None
    assert desk.find("t1") is not None
