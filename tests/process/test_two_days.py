"""Two days through the life of the archive: collected, sealed, packed, pulled over a cut line, lost, brought back.

The real tree on the simulated exchange with a real Postgres; its wall clock is whole days off, so that a day takes
seconds. Everything is judged by counts and hashes, read by another path than the one that wrote.
"""
# ruff: noqa: F811 - fixtures are imported and then named by the parameters that ask for them

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from observer_core.archive.manifest import read_manifest
from observer_core.audit.symbols import archive_sums, postgres_sums
from observer_core.backup.form import packages_in
from observer_core.cli.backup import write_tool
from observer_core.ids import DayNumber
from observer_core.services.timetable import TASKS
from observer_core.settings import Secret
from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.postgres import EmbeddedServer, postgres_server, query  # noqa: F401 - fixtures
from tests.fixtures.supervised import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

DAY_S = 86_400.0
RECORDS_A_DAY = 1_500
SIDE_TABLES = ("gaps", "events", "ingest_errors", "usage_metrics")
CUT_AFTER_BYTES = 30_000


def days_of(tree: LoopbackTree) -> list[DayNumber]:
    """Return the days of which there is an archive."""
    names = {"".join(path.parts[-3:]) for path in tree.paths.data.glob("s*/????/??/??")}
    return sorted(DayNumber(int(name)) for name in names)


def collect_a_day(tree: LoopbackTree) -> None:
    """Let the tree collect, stop it, and wait until the database has everything."""

    def enough() -> bool:
        view = tree.view()
        rows = {row.name: row for row in view.processes} if view else {}
        scalp, swing, postgres = (rows.get(name) for name in ("scalp-0", "swing-0", "postgres"))
        if scalp is None or swing is None or postgres is None:
            return False
        return min(scalp.records_total, swing.records_total) > 300 and postgres.records_total > RECORDS_A_DAY

    until(enough, "too little is collected", tree.log)
    assert tree.stop() == 0, tree.log()


def sealed_by_the_tree(tree: LoopbackTree, days: list[DayNumber]) -> None:
    """Let a tree of the present day, for which both days are over, seal them."""
    tree.change(clock_offset_s=0.0)
    tree.start()
    manifests = {day: tree.paths.manifest(day) for day in days}
    until(
        lambda: all(read_manifest(path, day).complete for day, path in manifests.items()),
        "the days are not sealed",
        tree.log,
    )
    assert tree.stop() == 0, tree.log()


def side_counts(dsn: Secret) -> dict[str, int]:
    return {table: query(dsn, f"SELECT count(*) FROM {table}")[0][0] for table in SIDE_TABLES}


def figures(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr + done.stdout
    return dict(json.loads(done.stdout))


def sealed_hashes(tree: LoopbackTree, days: list[DayNumber]) -> dict[str, str]:
    """Return the SHA-256 of every sealed file of some days, as it is on the disk."""
    found: dict[str, str] = {}
    for day in days:
        for path in read_manifest(tree.paths.manifest(day), day).files:
            found[path] = hashlib.sha256((tree.paths.data / path).read_bytes()).hexdigest()
    return found


def on_pc(tool: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the PC's program as plain Python would."""
    command = [sys.executable, "-I", "-S", str(tool), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def lines(directory: Path, cut: bool) -> Path:
    """Return an `ssh` that runs the remote command here, over a line that breaks in the middle of the files or not."""
    program = directory / f"line-{'cut' if cut else 'whole'}"
    limit = (
        f"case $2 in *'while read'*) sh -c \"$2\" 2>/dev/null | {{ head -c {CUT_AFTER_BYTES}; kill $$; }}; esac\n"
        if cut
        else ""
    )
    program.write_text(f'#!/bin/sh\n{limit}exec sh -c "$2"\n')
    program.chmod(0o755)
    return program


def test_two_days_end_to_end(postgres_server: EmbeddedServer, tmp_path: Path) -> None:
    dsn = postgres_server.dsn(postgres_server.make_database())
    tool, pc = tmp_path / "observer-backup.pyz", tmp_path / "pc"
    write_tool(tool)
    plan = {"environment": {"OBSERVER_POSTGRES_DSN": dsn.reveal()}, "clock_offset_s": -3 * DAY_S}
    with LoopbackTree(tmp_path / "tree", **plan) as tree:
        collect_a_day(tree)
        tree.change(clock_offset_s=-2 * DAY_S)
        tree.start()
        collect_a_day(tree)
        days = days_of(tree)
        assert len(days) == 2 or days[0] != days[-1]
        before = (archive_sums(tree.paths.data), side_counts(dsn))
        assert sum(one.observations for one in before[0].values()) > 2 * RECORDS_A_DAY
        assert postgres_sums(dsn.reveal()) == before[0]

        sealed_by_the_tree(tree, days)
        hashes = sealed_hashes(tree, days)
        for day in days:
            assert figures(tree.observerctl("backup", "create", "--day", str(day), "--json"))["complete"]

        pull = ("pull", "--from", f"server:{tree.paths.backups}", "--to", str(pc), "--name", "pc", "--json", "--ssh")
        broken = on_pc(tool, *pull, str(lines(tmp_path, cut=True)))
        assert (broken.returncode, "the connection broke" in broken.stdout) == (1, True), broken.stdout
        assert on_pc(tool, "verify", "--store", str(pc)).returncode == 1, "half a package is none"
        pulled = on_pc(tool, *pull, str(lines(tmp_path, cut=False)))
        assert pulled.returncode == 0, pulled.stdout
        transfers = [json.loads(line) for line in pulled.stdout.splitlines()]
        assert sum(transfer["resumed_bytes"] for transfer in transfers) > 0
        assert packages_in(pc) == days
        assert on_pc(tool, "verify", "--store", str(pc)).returncode == 0
        assert on_pc(tool, "drill", "--store", str(pc), "--max-age", "5").returncode == 0

        # The server is lost: data and database.
        shutil.rmtree(tree.paths.data)
        dsn = postgres_server.dsn(postgres_server.make_database())
        restored = tree.observerctl("backup", "restore", "--store", str(pc), "--in-place")
        assert restored.returncode == 0, restored.stderr
        assert (archive_sums(tree.paths.data), sealed_hashes(tree, days)) == (before[0], hashes)

        address = {"OBSERVER_POSTGRES_DSN": dsn.reveal()}
        span = ("replay", "--from", _iso(days[0]), "--to", _iso(days[-1], end=True), "--json")
        dry = figures(tree.observerctl(*span, "--source", "jsonl", "--dry-run", **address))
        assert (dry["existing"], dry["rejected"], dry["unreadable"]) == (0, 0, 0)
        assert postgres_sums(dsn.reveal()) == {}
        done = figures(tree.observerctl(*span, "--source", "jsonl", **address))
        assert done["inserted"] == dry["inserted"]
        assert (postgres_sums(dsn.reveal()), side_counts(dsn)) == before

        # Collection goes on, on the restored archive, and a replay out of the packages beside it inserts nothing.
        tree.change(environment={"OBSERVER_POSTGRES_DSN": dsn.reveal()})
        tree.start()
        tree.collecting(1)
        again = figures(tree.observerctl(*span, "--source", "backup", "--store", str(pc), **address))
        assert (again["inserted"], again["existing"]) == (0, done["records"])
        view = tree.view()
        assert view is not None
        assert [row.restarts for row in view.processes if row.restarts] == []
        assert [row.name for row in view.tasks] == [task.name for task in TASKS]
        shown = tree.observerctl("status").stdout
        assert "00:20, 20:30" in shown
        assert "backup: no package yet" in shown
        assert tree.stop() == 0
    _check_damage(tool, pc, days)


def _check_damage(tool: Path, pc: Path, days: list[DayNumber]) -> None:
    """A flipped byte, a missing file and an old backup: red, each with its words."""
    old = on_pc(tool, "drill", "--store", str(pc), "--max-age", "1")
    assert (old.returncode, "the newest backup is old: of " in old.stdout) == (1, True), old.stdout
    newest = pc / str(days[-1])
    victim = max((newest / "data" / "swing").rglob("*.zst"), key=lambda path: path.stat().st_size)
    content = victim.read_bytes()
    victim.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    for words in ("damaged: its SHA-256 differs from the list", "missing"):
        for command in (("verify",), ("drill", "--max-age", "5")):
            red = on_pc(tool, *command, "--store", str(pc))
            assert (red.returncode, f"{victim.name}: {words}" in red.stdout) == (1, True), red.stdout
        victim.unlink(missing_ok=True)


def _iso(day: DayNumber, *, end: bool = False) -> str:
    text = f"{day:08d}"
    return f"{text[:4]}-{text[4:6]}-{text[6:]}T{'23:59:59.999999' if end else '00:00'}"
