"""The real hub records its view: over a kill and a stop, on a broken disk, and not at all where it is told so."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from observer_core.chronicle.files import chronicle_files, recorded_days
from observer_core.chronicle.reader import RecordedDay
from observer_core.clock import kst_datetime, kst_day
from observer_core.errors import ChronicleError
from observer_core.exit_codes import ExitCode
from observer_core.messages import Event
from observer_core.tree_messages import SupervisorEvent
from observer_core.view import SystemView
from tests.fixtures.hub import CLOCK, HubProcess, process_report, short_directory, tree_of, until
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.terminal import ROOT

pytestmark = pytest.mark.integration


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as found:
        yield found


def recorded(hub: HubProcess) -> list[SystemView]:
    """Return everything that is recorded."""
    directory = hub.paths.chronicle
    return [view for day in recorded_days(directory) for view in RecordedDay(directory, day).views(0)]


def tell_event(hub: HubProcess, text: str) -> None:
    event = Event(at_ns=CLOCK.now_ns(), name="made_up", severity="error", subject="swing-0", text=text)
    hub.tell(SupervisorEvent(event=event))


def replayed(hub: HubProcess, day: str, at: str) -> str:
    """Return what the console prints of a recorded instant, while the hub may still record."""
    arguments = ["--replay", day, "--at", at, "--once", "--json", "--log-dir", str(hub.paths.logs)]
    return subprocess.run(
        [sys.executable, "-m", "observer_tui", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def shows(views: list[SystemView], text: str) -> list[SystemView] | None:
    return views if any(event.text == text for view in views for event in view.events) else None


def test_what_was_shown_is_recorded_over_a_kill_and_a_stop(directory: Path) -> None:
    with HubProcess(directory, OBSERVER_FORCE_OPEN="true") as hub:
        hub.tell(tree_of(process_report("swing-0")))
        tell_event(hub, "before the kill")
        shown: dict[int, SystemView] = {}

        def is_recorded() -> list[SystemView] | None:
            view = hub.view()
            shown[view.seq] = view
            return shows(recorded(hub), "before the kill")

        first = until(is_recorded, "the event is recorded")
        both = [view for view in first if view.seq in shown]
        assert both
        assert all(view == shown[view.seq] for view in both)
        assert [view.as_of_ns for view in first] == sorted(view.as_of_ns for view in first)

        hub.kill()
        with chronicle_files(hub.paths.chronicle)[-1].path.open("ab") as torn:
            torn.write(b"half a bl")
        hub.start()
        hub.wait_ready()
        tell_event(hub, "before the stop")
        hub.view_when(lambda view: shows([view], "before the stop") is not None, "the event shows")
        hub.process.send_signal(signal.SIGTERM)
        assert hub.process.wait(timeout=PATIENCE_S) == ExitCode.OK
        after = recorded(hub)
        # Nothing that was shown at the stop waits for a timer.
        assert shows(after[-1:], "before the stop")
        assert shows(after, "before the kill")
        assert len({view.hub_epoch for view in after}) == 2
        day = RecordedDay(hub.paths.chronicle, kst_day(CLOCK.now_ns()))
        assert any("before the stop" in incident.text for incident in day.incidents())
        at = kst_datetime(after[-1].as_of_ns)
        known = day.view_at(day.instant(at.time()))
        assert known is not None
        assert json.loads(replayed(hub, f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}"))["seq"] == known.seq


def test_a_disk_that_takes_nothing_costs_the_hub_one_line_of_its_log(directory: Path) -> None:
    (directory / "logs").mkdir()
    (directory / "logs" / "chronicle").write_text("in the way")
    with HubProcess(directory, OBSERVER_FORCE_OPEN="true") as hub:
        first = hub.view()
        hub.view_when(lambda view: view.as_of_ns - first.as_of_ns > 7_000_000_000, "the hub goes on")
        lines = "".join(path.read_text() for path in (directory / "logs").rglob("*.jsonl"))
        assert lines.count("view not recorded") == 1
        (directory / "logs" / "chronicle").unlink()

        def is_recorded() -> list[SystemView] | None:
            try:
                return recorded(hub) or None
            except ChronicleError:
                return None

        until(is_recorded, "it records as soon as it can")


def test_none_is_made_where_no_space_is_given(directory: Path) -> None:
    with HubProcess(directory, OBSERVER_CHRONICLE_MIB="0") as hub:
        hub.process.send_signal(signal.SIGTERM)
        assert hub.process.wait(timeout=PATIENCE_S) == ExitCode.OK
        assert not hub.paths.chronicle.exists()
