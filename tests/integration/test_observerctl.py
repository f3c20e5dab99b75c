"""observerctl as a program, against a real hub: output, exit codes, orders, start-up time."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from observer_core.bus.status import StatusSender
from observer_core.clock import NS_PER_S, kst_datetime
from observer_core.details import Why
from observer_core.questions import GetSymbol
from observer_core.tree_messages import TicketUpdate
from tests.fixtures.hub import CLOCK, HubProcess, process_report, shard_status, short_directory, tree_of, until
from tests.fixtures.patience import PATIENCE_S, slowness
from tests.fixtures.universe_stage import write_stage

pytestmark = pytest.mark.integration

DOCUMENTED = {"name", "kind", "state", "pid", "uptime_s", "restarts", "records_total", "errors_total", "lag"}


@pytest.fixture
def hub() -> Iterator[HubProcess]:
    with short_directory() as directory, HubProcess(directory) as running:
        running.tell(tree_of(process_report("swing-0"), process_report("hub", kind="hub", pid=running.process.pid)))
        running.view_when(lambda view: view.supervisor_pid is not None, "the tree is known")
        yield running


def arguments(*words: str) -> list[str]:
    return [sys.executable, "-m", "observer_core.cli.observerctl", *words]


def environment(run_directory: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "OBSERVER_RUN_DIR": str(run_directory), "TERM": "dumb"}


def observerctl(hub: HubProcess, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**environment(hub.paths.run), **variables}
    return subprocess.run(arguments(*words), env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_status_as_json_has_the_documented_names_and_needs_no_credentials(hub: HubProcess) -> None:
    done = observerctl(hub, "status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    status = json.loads(done.stdout)
    assert {"processes", "writers", "disk", "gaps", "market", "seq", "as_of_ns"} <= set(status)
    assert all(set(row) >= DOCUMENTED for row in status["processes"])
    assert [row["name"] for row in status["processes"]] == ["swing-0", "hub"]


def test_status_for_people_is_an_aligned_table(hub: HubProcess) -> None:
    lines = observerctl(hub, "status").stdout.splitlines()
    header = next(line for line in lines if line.startswith("PROCESS"))
    row = next(line for line in lines if line.startswith("swing-0"))
    place = header.index("KIND")
    assert row[place : place + 5] == "swing"
    assert "READY  " in lines[0]


def test_watch_prints_a_line_a_second_until_interrupted(hub: HubProcess) -> None:
    watching = subprocess.Popen(
        arguments("status", "--json", "--watch"), env=environment(hub.paths.run), stdout=subprocess.PIPE, text=True
    )
    try:
        assert watching.stdout is not None
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        assert second["seq"] > first["seq"]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=PATIENCE_S) == 0
    finally:
        watching.kill()
        watching.wait()
        if watching.stdout is not None:
            watching.stdout.close()


def test_an_order_is_given_waited_for_and_audited(hub: HubProcess) -> None:
    asking = subprocess.Popen(
        arguments("restart", "swing-0", "--reason", "stuck", "--operator", "kim", "--wait"),
        env=environment(hub.paths.run),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        (order,) = until(hub.orders, "the order reaches the supervisor")
        assert (order.verb, order.target, order.reason) == ("restart", "swing-0", "stuck")
        assert order.who == f"kim (uid {os.getuid()}, pid {asking.pid})"
        hub.tell(TicketUpdate(ticket=order.ticket, state="done", text="runs as process 7", at_ns=CLOCK.now_ns()))
        output, _ = asking.communicate(timeout=PATIENCE_S)
        assert asking.returncode == 0
        assert "restart swing-0 done: runs as process 7" in output
    finally:
        asking.kill()
        asking.wait()
    asked = observerctl(hub, "ticket", order.ticket)
    assert (asked.returncode, "done" in asked.stdout) == (0, True)
    facts = [json.loads(line)["fact"] for line in (hub.paths.logs / "audit.jsonl").read_text().splitlines()]
    assert sorted(facts) == ["lease", "lease_ended", "order", "ticket"]
    hub.view_when(lambda view: view.leases == (), "the lease is given back")


def test_waiting_outlives_the_hub_that_is_itself_restarted(hub: HubProcess) -> None:
    asking = subprocess.Popen(
        arguments("restart", "hub", "--reason", "new version", "--wait"),
        env=environment(hub.paths.run),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        (order,) = until(hub.orders, "the order reaches the supervisor")
        hub.process.terminate()
        hub.process.wait(timeout=PATIENCE_S)
        with HubProcess(hub.directory) as second:
            done = TicketUpdate(ticket=order.ticket, state="done", text="runs as process 7", at_ns=CLOCK.now_ns())
            second.tell(done)
            output, _ = asking.communicate(timeout=PATIENCE_S)
        assert (asking.returncode, output.startswith("restart hub done")) == (0, True)
    finally:
        asking.kill()
        asking.wait()


def test_an_order_without_end_in_time_says_how_to_ask_later(hub: HubProcess) -> None:
    done = observerctl(hub, "pause", "swing-0", "--reason", "x", "--wait", "--timeout", "0.2")
    assert done.returncode == 1
    assert "observerctl ticket" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("restart", "swing-9", "--reason", "x"), 1, "known: swing-0, hub"),
        (("restart", "swing-0", "--reason", " "), 1, "needs the operator's name and a reason"),
        (("ticket", "none"), 1, "no such ticket"),
        (("restart", "swing-0"), 2, "--reason"),
        (("explode",), 2, "explode"),
        (("db", "check"), 1, "OBSERVER_POSTGRES_DSN is empty"),
    ],
)
def test_refusals_have_an_exit_code_and_a_way_on(hub: HubProcess, words: tuple[str, ...], code: int, said: str) -> None:
    done = observerctl(hub, *words)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_without_a_supervisor_it_says_so_and_exits_with_3() -> None:
    with short_directory() as directory:
        done = observerctl(HubProcess(directory), "status")
    assert done.returncode == 3
    assert done.stderr.startswith("no socket at ")
    assert len(done.stderr.splitlines()) == 1


def test_wrong_settings_exit_with_2() -> None:
    done = subprocess.run(
        arguments("status"),
        env=environment(Path("relative")),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert "OBSERVER_RUN_DIR" in done.stderr


def test_it_starts_quickly_and_loads_nothing_heavy(hub: HubProcess) -> None:
    took_s = []
    for _ in range(3):
        begun_ns = CLOCK.monotonic_ns()
        assert observerctl(hub, "status", "--json").returncode == 0
        took_s.append((CLOCK.monotonic_ns() - begun_ns) / NS_PER_S)
    assert min(took_s) < 0.8 * slowness()
    loaded = subprocess.run(
        [sys.executable, "-c", "import observer_core.cli.observerctl, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"alembic", "sqlalchemy", "psycopg", "textual", "starlette", "uvicorn", "asyncio"} & set(loaded)


def test_explain_says_why_and_what_next_and_knows_what_it_does_not_know(hub: HubProcess) -> None:
    hub.tell(tree_of(process_report("swing-0", state="quarantined", pid=None, last_exit="code 1")))
    hub.view_when(lambda view: view.processes[0].state == "quarantined", "the quarantine is seen")
    done = observerctl(hub, "explain", "swing-0", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["kind"] == "process"
    assert "quarantined" in found["sentences"][0]
    assert "observerctl release swing-0" in found["next_step"]
    unknown = observerctl(hub, "explain", "swing-77")
    assert (unknown.returncode, "nothing is called swing-77" in unknown.stderr) == (1, True)
    hub.kill()
    gone = observerctl(hub, "explain", "swing-0")
    assert (gone.returncode, "Traceback" in gone.stderr) == (3, False)


def pause_of(hub: HubProcess) -> str:
    """Let the hub see a universe whose shard was paused; return one of its symbols."""
    code = write_stage(hub.paths, 20)[0]
    numbers = itertools.count(1)
    with closing(StatusSender(hub.paths.status_endpoint)) as sender, hub.viewer() as viewer:

        def shown_as_paused() -> bool:
            # Again and again: what is sent before the link stands is lost.
            sender.send(shard_status("swing-0", next(numbers), state="paused", sweep_s=3.0))
            shown = viewer.ask(GetSymbol(request_id="d", code=code)).symbol
            return shown is not None and shown.why == Why.PAUSED

        until(shown_as_paused, "the pause is seen")
    return code


def test_explain_says_of_a_symbol_what_the_console_says(hub: HubProcess) -> None:
    code = pause_of(hub)
    done = observerctl(hub, "explain", code, OBSERVER_DATA_DIR=str(hub.paths.data))
    assert (done.returncode, done.stderr) == (0, "")
    with hub.viewer() as viewer:
        shown = viewer.ask(GetSymbol(request_id="d", code=code)).symbol
    assert shown is not None
    assert shown.reasons[0] == "its shard swing-0 was paused by an operator"
    assert shown.reasons[0] in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "next: observerctl resume swing-0 --reason …"


def with_a_gap(directory: Path) -> None:
    """Write an archive with one open gap of today."""
    now_ns = CLOCK.now_ns()
    hour = directory / f"{kst_datetime(now_ns):system/%Y/%m/%d/%H}"
    hour.mkdir(parents=True)
    line = {"kind": "gap", "gap_id": "swing-0-1-1", "reason": "paused", "symbols": ["005930"], "from_ns": now_ns}
    (hour / "gaps.jsonl").write_text(json.dumps(line) + "\n")


def test_files_are_read_where_the_hub_keeps_them(hub: HubProcess, tmp_path: Path) -> None:
    with_a_gap(hub.paths.data)
    for nothing in (tmp_path, tmp_path / "nowhere"):
        done = observerctl(hub, "gaps", OBSERVER_DATA_DIR=str(nothing))
        assert (done.returncode, "paused" in done.stdout) == (0, True)
        assert f"nothing is in OBSERVER_DATA_DIR={nothing}; read is {hub.paths.data}" in done.stderr
        gap = observerctl(hub, "explain", "swing-0-1-1", OBSERVER_DATA_DIR=str(nothing))
        assert "still open" in gap.stdout
    told = observerctl(hub, "gaps", OBSERVER_DATA_DIR=str(hub.paths.data))
    assert (told.returncode, told.stderr) == (0, "")


def test_another_archive_is_read_when_asked_for_and_called_another(hub: HubProcess, tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    done = observerctl(hub, "gaps", OBSERVER_DATA_DIR=str(tmp_path))
    assert done.returncode == 0
    assert f"the hub at {hub.paths.run} keeps its data in {hub.paths.data}" in done.stderr


def test_a_wrong_data_directory_does_not_look_like_no_gaps(hub: HubProcess, tmp_path: Path) -> None:
    # As if the hub lived in a container whose path is another one here.
    hub.paths.data.rename(hub.directory / "elsewhere")
    for words in (("gaps",), ("explain", "005930"), ("pauses", "--since", "2026-11-21T09:00"), ("days", "show")):
        done = observerctl(hub, *words, OBSERVER_DATA_DIR=str(tmp_path))
        assert (done.returncode, done.stdout) == (2, "")
        assert "set OBSERVER_DATA_DIR to where that lies here" in done.stderr
    hub.kill()
    gone = observerctl(hub, "gaps", OBSERVER_DATA_DIR=str(tmp_path / "nowhere"))
    assert (gone.returncode, "is no directory, and no hub" in gone.stderr) == (2, True)
