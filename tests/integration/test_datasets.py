"""Datasets read back with pyarrow: every record once, typed, with quality; in row groups, so that memory is bounded."""

import json
from pathlib import Path

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from observer_core.archive.manifest import read_manifest
from observer_core.cli.observerctl import app
from observer_core.errors import ObserverError
from observer_core.ids import DayNumber
from observer_core.sinks import datasets
from observer_core.sinks.datasets import export_day
from tests.fixtures.archive_store import DAY, SWING, Store

pytestmark = pytest.mark.integration


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "data")
    made.store(1, 60)
    made.rest()
    made.keeper().run_pass()
    return made


def test_every_record_is_there_once_with_schema_and_quality(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "ROW_GROUP", 25)
    manifest = export_day(store.paths, DAY, tmp_path / "out")
    assert not manifest.complete
    quotes = pyarrow.parquet.ParquetFile(tmp_path / "out" / "quotes.parquet")
    assert (quotes.metadata.num_rows, quotes.num_row_groups) == (60, 3)
    table = quotes.read()
    assert table.column("seq").to_pylist() == list(range(1, 61))
    assert set(table.column("quality").to_pylist()) == {"normal"}
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["received_ns"], types["price"], types["symbol"]) == ("timestamp[ns, tz=UTC]", "int64", "string")
    assert "list" in types["reasons"]
    assert "raw" not in types
    assert table.schema.metadata[b"observer.units"].startswith(b"prices KRW")
    written = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert written["files"]["quotes.parquet"]["normal"] == 60
    trades = pyarrow.parquet.read_table(tmp_path / "out" / "trades.parquet")
    assert trades.num_rows == manifest.files["trades.parquet"].rows == 40
    assert {"shard", "epoch", "seq", "session_id", "source", "schema_version"} <= set(trades.column_names)
    # The same data gives the same export; the payload comes when asked for.
    again = export_day(store.paths, DAY, tmp_path / "out", with_raw=True)
    assert again.sealed_sha256 == manifest.sealed_sha256
    assert "raw" in pyarrow.parquet.read_schema(tmp_path / "out" / "quotes.parquet").names


def test_a_damaged_or_absent_day_writes_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ObserverError, match="nothing of 20260101 is sealed"):
        export_day(store.paths, DayNumber(20260101), tmp_path / "out")
    sealed = store.paths.data / f"{SWING}.zst"
    sealed.write_bytes(sealed.read_bytes()[:-9])
    with pytest.raises(ObserverError, match="is damaged"):
        export_day(store.paths, DAY, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []


def test_the_command(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "RUN", "LOG", "CONFIG"):
        monkeypatch.setenv(f"OBSERVER_{name}_DIR", str(store.paths.data))
    runner = CliRunner()
    dry = runner.invoke(app, ["export", "--day", "2026-07-24", "--dry-run"])
    assert (dry.exit_code, "would be read" in dry.output) == (0, True)
    assert not store.paths.datasets(DAY).exists()
    done = runner.invoke(app, ["export", "--day", "2026-07-24", "--format", "parquet", "--json"])
    rows = sum(file.rows for file in read_manifest(store.paths.manifest(DAY), DAY).files.values())
    events = 20
    assert sum(file["rows"] for file in json.loads(done.stdout)["files"].values()) == rows - events
    assert store.paths.datasets(DAY).joinpath("trades.parquet").exists()
    assert runner.invoke(app, ["export", "--day", "2026-07-24", "--format", "csv"]).exit_code == 2
    assert runner.invoke(app, ["export", "--day", "2026-01-01"]).exit_code == 1
    for command in (["maintenance", "show"], ["maintenance", "retention"], ["maintenance", "show", "--json"]):
        assert runner.invoke(app, command).exit_code == 0
