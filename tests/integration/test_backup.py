"""Backup packages on real files: packed, pulled by the PC's own program, broken off, damaged, restored, drilled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from observer_core.archive.manifest import read_manifest
from observer_core.archive.packing import Packer, packer_for
from observer_core.archive.standing import backup_view, newest_drill
from observer_core.archive.standing import receipts as standing_receipts
from observer_core.backup.form import BackupError, decode_sums, packages_in, safe_path
from observer_core.backup.restore import below, drill, restore
from observer_core.backup.verify import success_digest, verify
from observer_core.cli.backup import write_tool
from observer_core.clock import kst_day
from observer_core.ids import DayNumber
from tests.fixtures.archive_store import DAY, SWING, Store
from tests.fixtures.patience import PATIENCE_S
from tests.fixtures.ssh_server import available, ssh_server

pytestmark = pytest.mark.integration

LOG_LINES = (
    '{"time": "2026-07-24T09:00:00.000+09:00", "level": "INFO", "event": "of the day"}\n'
    '{"time": "2026-07-25T00:00:00.000+09:00", "level": "INFO", "event": "of the next"}\n'
)


class Server:
    """A server with one day sealed, and the program for a PC."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root / "server")
        self.paths = self.store.paths
        self.store.store(1, 30)
        self.paths.logs.mkdir(parents=True)
        (self.paths.logs / "swing-0.jsonl").write_text(LOG_LINES)
        self.seal()
        self.tool = root / "observer-backup.pyz"
        write_tool(self.tool)
        self.pc = root / "pc"

    def seal(self) -> None:
        self.store.rest()
        self.store.keeper().run_pass()

    def end_of_day(self) -> None:
        self.store.clock.advance(86_400)
        self.store.keeper().run_pass()

    @property
    def packer(self) -> Packer:
        return packer_for(self.paths, self.store.clock)

    def pack(self) -> list[DayNumber]:
        packer = self.packer
        return [packer.pack(day).day for day in packer.days_to_pack()]  # type: ignore[misc]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the PC's program as plain Python: no site packages, no environment of ours."""
        command = [sys.executable, "-I", "-S", str(self.tool), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd="/")

    def pull(self, *more: str) -> "subprocess.CompletedProcess[str]":
        return self.run("pull", "--from", str(self.paths.backups), "--to", str(self.pc), "--name", "pc-7", *more)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def receipts(server: Server) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in server.paths.receipts.glob("*.json")]


def test_a_package_holds_the_day_and_is_made_anew_when_the_day_goes_on(server: Server) -> None:
    assert server.pack() == [DAY]
    package = server.paths.backup(DAY)
    assert verify(package).problems == []
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=package, check=True)
    manifest = json.loads((package / "manifest.json").read_text())
    assert (manifest["day"], manifest["complete"]) == (DAY, False)
    sealed = read_manifest(server.paths.manifest(DAY), DAY)
    assert {path for path in manifest["files"] if path.endswith(".jsonl.zst") and path.startswith("data/")} == {
        f"data/{path}" for path in sealed.files
    }
    assert manifest["files"]["logs/swing-0.jsonl.zst"]["rows"] == 1, "only the lines of the day"
    # It costs no space: its files are the archive's own.
    assert (package / "data" / f"{SWING}.zst").samefile(server.paths.data / f"{SWING}.zst")
    assert server.pack() == [], "nothing changed"
    # Late lines, then the end of the day: both make the package outdated.
    server.store.store(31, 4)
    server.seal()
    first = success_digest(package)
    assert server.pack() == [DAY]
    server.end_of_day()
    (server.paths.logs / "swing-0.jsonl").write_text("")
    assert server.pack() == [DAY]
    assert success_digest(package) != first
    verdict = verify(package)
    assert (verdict.problems, verdict.complete) == ([], True)
    assert verdict.rows == sum(f.rows for f in read_manifest(server.paths.manifest(DAY), DAY).files.values())
    again = json.loads((package / "manifest.json").read_text())
    assert again["files"]["logs/swing-0.jsonl.zst"]["rows"] == 1, "lines that rotation took stay in the package"
    assert [path.name for path in server.paths.backups.iterdir() if path.name.startswith(".")] == []


def test_the_program_of_a_pc_pulls_what_is_missing_and_leaves_a_receipt(server: Server) -> None:
    server.pack()
    dry = server.pull("--dry-run")
    assert (dry.returncode, packages_in(server.pc)) == (0, [])
    assert "would be pulled" in dry.stdout
    pulled = server.pull("--json")
    assert pulled.returncode == 0, pulled.stderr
    transfer = json.loads(pulled.stdout)
    assert (transfer["day"], transfer["result"], transfer["problems"]) == (DAY, "pulled", [])
    assert verify(server.pc / str(DAY)).whole
    assert [receipt["machine"] for receipt in receipts(server)] == ["pc-7"]
    assert receipts(server)[0]["sums_sha256"] == success_digest(server.paths.backup(DAY))
    again = server.pull()
    assert (again.returncode, again.stdout) == (0, f"{DAY}: there already\n")
    # The package of the night replaces the one of the evening; only what changed travels.
    server.store.store(31, 4)
    server.seal()
    server.end_of_day()
    server.pack()
    night = json.loads(server.pull("--json").stdout)
    assert night["kept_files"] >= 1
    assert verify(server.pc / str(DAY)).complete
    log = [json.loads(line)["result"] for line in (server.pc / "transfer.jsonl").read_text().splitlines()]
    assert log == ["pulled", "pulled"]
    assert server.run("verify", "--store", str(server.pc)).returncode == 0


def test_a_pull_that_broke_off_goes_on_from_its_byte(server: Server) -> None:
    server.pack()
    source = server.paths.backup(DAY) / "data" / f"{SWING}.zst"
    half = source.read_bytes()[: source.stat().st_size // 2]
    part = server.pc / str(DAY) / "data" / f"{SWING}.zst.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(half)
    assert not verify(server.pc / str(DAY)).whole
    transfer = json.loads(server.pull("--json").stdout)
    assert transfer["resumed_bytes"] == len(half)
    assert verify(server.pc / str(DAY)).whole
    assert not list(server.pc.rglob("*.part"))


def test_a_wrong_beginning_is_found_and_loaded_anew(server: Server) -> None:
    server.pack()
    part = server.pc / str(DAY) / "data" / f"{SWING}.zst.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"something else")
    failed = server.pull()
    assert failed.returncode == 1
    assert "differs from the list; pull again" in failed.stdout
    assert server.pull().returncode == 0
    assert verify(server.pc / str(DAY)).whole


def test_no_answer_is_told_apart_from_damage(server: Server) -> None:
    absent = server.run("pull", "--from", "/nowhere/at/all", "--to", str(server.pc))
    assert (absent.returncode, "cannot be read" in absent.stderr) == (3, True)
    refused = server.run("pull", "--from", "nobody:/x", "--to", str(server.pc), "--ssh", "false")
    assert (refused.returncode, "Traceback" in refused.stderr) == (3, False)
    assert server.run("pull", "--to", str(server.pc)).returncode == 2


@pytest.mark.skipif(not available(), reason="needs sshd, ssh and ssh-keygen")
def test_over_ssh_with_an_interruption(server: Server, tmp_path: Path) -> None:
    server.pack()
    part = server.pc / str(DAY) / "data" / f"{SWING}.zst.part"
    part.parent.mkdir(parents=True)
    part.write_bytes((server.paths.backup(DAY) / "data" / f"{SWING}.zst").read_bytes()[:100])
    with ssh_server(tmp_path / "ssh") as ssh:
        arguments = ("pull", "--from", f"127.0.0.1:{server.paths.backups}", "--to", str(server.pc), "--ssh", ssh)
        pulled = server.run(*arguments, "--json")
        assert pulled.returncode == 0, pulled.stderr + pulled.stdout
        assert json.loads(pulled.stdout)["resumed_bytes"] == 100
        assert json.loads(server.run(*arguments, "--json").stdout)["result"] == "there already"
    assert verify(server.pc / str(DAY)).whole
    assert len(receipts(server)) == 1
    gone = server.run(*arguments)
    assert gone.returncode == 3


def harm(package: Path, how: str) -> str:
    """Damage a pulled package; return what must be said about it."""
    victim = package / "data" / f"{SWING}.zst"
    if how == "flipped byte":
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
        return f"data/{SWING}.zst: damaged: its SHA-256 differs from the list"
    if how == "missing file":
        victim.unlink()
        return f"data/{SWING}.zst: missing"
    if how == "cut file":
        victim.write_bytes(victim.read_bytes()[:-1])
        return "the package lists"
    if how == "no marker":
        (package / "SUCCESS").unlink()
        return "SUCCESS marker is missing"
    sums = package / "SHA256SUMS"
    sums.write_bytes(sums.read_bytes() + b"0" * 64 + b"  another\n")
    return "was changed after the SUCCESS marker"


@pytest.mark.parametrize("how", ["flipped byte", "missing file", "cut file", "no marker", "changed list"])
def test_damage_is_named_by_verify_and_drill(server: Server, how: str) -> None:
    server.pack()
    assert server.pull().returncode == 0
    words = harm(server.pc / str(DAY), how)
    verified = server.run("verify", "--store", str(server.pc))
    assert (verified.returncode, words in verified.stdout) == (1, True), verified.stdout
    drilled = server.run("drill", "--store", str(server.pc), "--day", str(DAY))
    assert (drilled.returncode, drilled.stdout.startswith("RED"), words in drilled.stdout) == (1, True, True)
    # What was verified once is believed by a plain pull; `--check` reads it again and loads what is damaged.
    assert server.pull("--check").returncode == 0
    assert verify(server.pc / str(DAY)).whole


def test_an_old_backup_is_red_with_its_age(server: Server) -> None:
    server.pack()
    server.pull()
    old = server.run("drill", "--store", str(server.pc), "--max-age", "2")
    assert old.returncode == 1
    assert "the newest backup is old: of 2026-07-24" in old.stdout
    assert server.run("verify", "--store", str(server.pc), "--max-age", "2").returncode == 1
    young = drill(server.pc, kst_day(server.store.clock.now_ns()), days_allowed=2)
    assert (young.problems, young.files > 3) == ([], True)
    assert [entry.name for entry in server.pc.iterdir() if entry.name.startswith(".drill")] == []


def test_the_server_knows_of_drills_by_the_next_pull_and_of_its_own_at_once(server: Server) -> None:
    server.pack()
    server.pull()
    assert newest_drill(server.paths) is None
    assert server.run("drill", "--store", str(server.pc), "--day", str(DAY)).returncode == 0
    assert newest_drill(server.paths) is None, "nobody told it yet"
    assert server.pull("--dry-run").returncode == 0
    assert newest_drill(server.paths) is None
    assert server.pull().returncode == 0
    mark = newest_drill(server.paths)
    assert mark is not None
    assert (mark.drilled_day, mark.problems) == (DAY, ())
    assert backup_view(server.paths).drilled_by == mark.machine
    # Where nothing can be noted, it is drilled all the same.
    (server.pc / "receipts").rename(server.pc / "kept")
    (server.pc / "receipts").touch()
    drilled = server.run("drill", "--store", str(server.pc), "--day", str(DAY))
    assert (drilled.returncode, "the outcome is not noted" in drilled.stderr) == (0, True)
    # A red one on the server itself: the newer word counts, whoever said it.
    assert server.run("drill", "--store", str(server.paths.backups), "--max-age", "2").returncode == 1
    view = backup_view(server.paths)
    assert view.drill_problems[0].startswith("the newest backup is old")
    assert (view.drilled_ns or 0) > mark.drilled_ns
    assert [receipt.machine for receipt in standing_receipts(server.paths)] == ["pc-7"], "a mark is no receipt"


def test_a_restore_overwrites_nothing(server: Server, tmp_path: Path) -> None:
    server.pack()
    package = server.paths.backup(DAY)
    target = tmp_path / "restored"
    dry = restore(package, below(target), dry_run=True)
    assert (dry.files > 3, target.exists()) == (True, False)
    first = restore(package, below(target))
    assert (first.files, first.conflicts) == (dry.files, [])
    for path in (server.paths.data / "swing").rglob("*.zst"):
        assert (target / "data" / path.relative_to(server.paths.data)).read_bytes() == path.read_bytes()
    (target / "data" / f"{SWING}.zst").write_bytes(b"mine")
    again = restore(package, below(target))
    assert (again.files, again.existing) == (0, first.files - 1)
    assert again.conflicts == [str(target / "data" / f"{SWING}.zst")]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", "C:/x", "a\\b", "", "a/ /b"])
def test_no_path_leads_out_of_a_package(path: str) -> None:
    with pytest.raises(BackupError):
        safe_path(path)
    with pytest.raises(BackupError):
        decode_sums(f"{'0' * 64}  {path}\n".encode())
