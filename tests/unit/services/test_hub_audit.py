"""The audit trail on real files."""

import json
from pathlib import Path

from observer_core.services.hub_audit import AUDIT_FILE, AuditTrail, lease_line, ticket_line
from observer_core.services.hub_leases import Peer
from observer_core.tree_messages import TicketUpdate
from tests.fixtures.views import NOW_NS

LEE = Peer(uid=1000, gid=1000, pid=50)


def ticket(name: str, state: str) -> TicketUpdate:
    return TicketUpdate(ticket=name, state=state, text="t", at_ns=NOW_NS, verb="restart", target="swing-0", who="lee")


def test_every_fact_is_a_line_and_the_last_state_of_tickets_comes_back(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "logs")
    assert trail.recover() == []
    assert trail.append(lease_line("lease", "lee", "why", LEE, NOW_NS, NOW_NS + 1))
    assert trail.append(ticket_line("order", ticket("a", "accepted"), LEE))
    assert trail.append(ticket_line("ticket", ticket("a", "done")))
    lines = [json.loads(line) for line in (tmp_path / "logs" / AUDIT_FILE).read_text().splitlines()]
    assert [line["fact"] for line in lines] == ["lease", "order", "ticket"]
    assert (lines[0]["uid"], lines[0]["pid"], lines[0]["at"][-6:]) == (1000, 50, "+09:00")
    assert AuditTrail(tmp_path / "logs").recover() == [ticket("a", "accepted"), ticket("a", "done")]


def test_a_torn_last_line_neither_hides_the_others_nor_swallows_the_next(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path)
    trail.append(ticket_line("order", ticket("a", "accepted"), LEE))
    with (tmp_path / AUDIT_FILE).open("ab") as file:
        file.write(b'{"at":"torn')
    assert [found.ticket for found in trail.recover()] == ["a"]
    trail.append(ticket_line("order", ticket("b", "accepted"), LEE))
    assert [found.ticket for found in trail.recover()] == ["a", "b"]


def test_a_trail_that_cannot_be_written_says_so_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the directory should be")
    assert AuditTrail(tmp_path / "logs").append(ticket_line("order", ticket("a", "accepted"), LEE)) is False
