"""`observerctl slots`: the slots as text, and the file of its rules."""

from pathlib import Path

from typer.testing import CliRunner

from observer_core.cli.slots import app, slot_lines
from observer_core.clock import NS_PER_S
from observer_core.scalp.config import TEMPLATE
from observer_core.view import OverflowRow, SlotRow, SlotView

NOW_NS = 10**18


def _row(**changes: object) -> SlotRow:
    fields: dict[str, object] = {
        "appkey": 0,
        "slot": 3,
        "symbol": "005930",
        "trigger": "volume_surge",
        "score": 7.25,
        "since_ns": NOW_NS - 30 * NS_PER_S,
        "dwell_until_ns": NOW_NS + 90 * NS_PER_S,
        "pinned": False,
        "last_record_ns": NOW_NS - NS_PER_S // 2,
        **changes,
    }
    return SlotRow(**fields)  # type: ignore[arg-type]  # a test's shorthand


def _view(**changes: object) -> SlotView:
    fields: dict[str, object] = {
        "slots": (_row(), _row(slot=4, symbol="000660", pinned=True, dwell_until_ns=0, last_record_ns=None)),
        "capacity": 41,
        "candidates_total": 1200,
        "overflow_total": 1000,
        "newest_overflow": (
            OverflowRow(symbol="035720", trigger="price_spike", score=1.5, reason="dwell", at_ns=NOW_NS),
        ),
        "mitigation_level": 0,
        "mitigation_reason": "",
        "as_of_ns": NOW_NS,
        **changes,
    }
    return SlotView(**fields)  # type: ignore[arg-type]  # a test's shorthand


def test_slots_and_losers_for_people() -> None:
    lines = slot_lines(_view(), NOW_NS)
    assert lines[0] == "2 of 41 slots held; 1,200 candidates, 1,000 got none; as of 0 ms ago"
    assert lines[1] == "mitigation level 0"
    assert [line.split() for line in lines if line.startswith("0/")] == [
        ["0/3", "005930", "volume_surge", "7.25", "30.0", "s", "1m30s", "500", "ms"],
        ["0/4", "000660", "pin", "7.25", "30.0", "s", "-", "-"],
    ]
    assert lines[-1].split()[1:] == ["035720", "price_spike", "1.50", "dwell"]


def test_the_reason_of_a_mitigation_is_said() -> None:
    lines = slot_lines(
        _view(mitigation_level=2, mitigation_reason="CPU 97 % of 90 allowed", newest_overflow=()), NOW_NS
    )
    assert lines[1] == "mitigation level 2: CPU 97 % of 90 allowed"
    assert not any(line.startswith("GOT NONE") for line in lines)


def test_the_template_is_valid_and_a_mistake_is_named(tmp_path: Path) -> None:
    runner = CliRunner()
    printed = runner.invoke(app, ["template"])
    assert (printed.exit_code, printed.stdout) == (0, TEMPLATE)
    file = tmp_path / "scalp.toml"
    file.write_text(TEMPLATE)
    assert runner.invoke(app, ["check", str(file)]).stdout == "scalp.toml is valid\n"
    file.write_text(TEMPLATE.replace("dwell_s = 120", "dwell_s = -1"))
    checked = runner.invoke(app, ["check", str(file)])
    assert checked.exit_code == 2
    assert "scalp.toml:4: slots.dwell_s" in checked.output
    assert runner.invoke(app, ["check", str(tmp_path / "none")]).exit_code == 1
