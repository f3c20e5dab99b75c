"""Monitoring: the vendors' own checkers are content, and every metric that a rule or a panel asks for exists."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not in the lock

from observer_core.http.metrics import exposition
from observer_core.view import BudgetRow, DiskRow, GapView, SystemView, WriterRow
from tests.fixtures.deployment import ROOT, compose
from tests.fixtures.views import at, blank_view, row

MONITORING = ROOT / "compose" / "monitoring"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "observer.json"
METRIC = re.compile(r"\b(?:observer_[a-z_]+|up)\b")
NAME = re.compile(r"^([a-z_]+)[{ ]", re.MULTILINE)


def full_view() -> SystemView:
    """Return a view in which everything that can be known is known."""
    known = {"memory_bytes": 1, "cpu_ms_total": 1, "sweep_s": 1.0, "last_record_ns": at(1), "completeness": 99.0}
    writer = WriterRow(
        name="jsonl",
        state="live",
        note="",
        records_total=1,
        errors_total=0,
        rejected_total=0,
        lag_records=0,
        lag_bytes=0,
        lag_s=0.0,
        commit_ms=1.0,
        last_commit_ns=at(1),
        catch_up_s=None,
        current_files=(),
        as_of_ns=at(1),
    )
    disk = DiskRow(
        mount="/app/data",
        purposes=("data",),
        total_bytes=2,
        free_bytes=1,
        ours_bytes=1,
        growth_bytes_per_s=1.0,
        time_to_full_s=1.0,
        as_of_ns=at(1),
    )
    return blank_view(
        processes=(row("swing-0", kind="swing", **known), row("scalp-0", kind="scalp", **known)),
        writers=(writer,),
        disk=(disk,),
        budgets=(BudgetRow(appkey=0, limit_per_s=18.0, used_last_s=1, refused_total=0, as_of_ns=at(1)),),
        gaps=GapView(
            open=1,
            today=1,
            newest=(),
            as_of_ns=at(1),
            open_by_severity={"critical": 1},
            completeness_today={"scalp": 99.0},
        ),
    )


def expressions() -> list[str]:
    """Return every query of the rules and of the dashboard."""
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [rule["expr"] for group in rules for rule in group["rules"]] + [
        target["expr"] for panel in panels for target in panel["targets"]
    ]


def test_every_metric_asked_for_is_in_a_scrape() -> None:
    offered = set(NAME.findall(exposition(full_view(), at(2)).decode())) | {"up"}
    asked = {name for expression in expressions() for name in METRIC.findall(re.sub(r"\{[^}]*\}", "", expression))}
    assert asked - offered == set()
    assert len(asked) > 20


def test_every_rule_says_what_is_wrong_and_what_to_do() -> None:
    for group in yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"warning", "critical"}
            assert set(rule["annotations"]) == {"summary", "remedy"}


def test_files_are_named_as_the_containers_see_them() -> None:
    services = compose()["services"]
    for name in ("prometheus", "alertmanager", "grafana"):
        mounted = services[name]["volumes"][0]
        assert mounted["target"] == "/etc/observer-monitoring"
        assert mounted["read_only"] is True
        words = [*services[name].get("command", []), *services[name].get("environment", {}).values()]
        for path in re.findall(r"/etc/observer-monitoring/\S+", " ".join(words)):
            assert (MONITORING / path.removeprefix("/etc/observer-monitoring/")).exists(), path
    (rule_file,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["rule_files"]
    assert (MONITORING / rule_file.rpartition("/")[2]).exists()
    source = yaml.safe_load((MONITORING / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    uids = {panel["datasource"]["uid"] for panel in json.loads(DASHBOARD.read_text())["panels"]}
    assert uids == {source["uid"]}


def checker(name: str) -> str:
    """Return a vendor's checker or skip."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: prometheus, prometheus-alertmanager)")
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [checker("promtool"), *arguments], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_is_content(tmp_path: Path) -> None:
    # Debian's amtool is older than the image's and knows no url_file; everything else is checked as it is.
    text = (MONITORING / "alertmanager.yml").read_text()
    older = tmp_path / "alertmanager.yml"
    older.write_text(text.replace("url_file: /run/secrets/alert_webhook_url", "url: http://127.0.0.1:9/hook"))
    assert older.read_text() != text
    done = subprocess.run([checker("amtool"), "check-config", str(older)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
