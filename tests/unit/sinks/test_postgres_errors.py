"""The table of SQLSTATEs, and which of the driver's own errors blame a row."""

import struct
import subprocess
import sys

import psycopg
import pytest

from observer_core.sinks.postgres_errors import Verdict, judge
from observer_core.sinks.postgres_load import verdict_of
from tests.fixtures.patience import PATIENCE_S


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (None, Verdict.RETRY),
        ("08006", Verdict.RETRY),
        ("57P01", Verdict.RETRY),
        ("57P03", Verdict.RETRY),
        ("57014", Verdict.RETRY),
        ("53100", Verdict.RETRY),
        ("53300", Verdict.RETRY),
        ("55P03", Verdict.RETRY),
        ("40001", Verdict.RETRY),
        ("40P01", Verdict.RETRY),
        ("25006", Verdict.RECONNECT),
        ("22003", Verdict.POISON),
        ("22P05", Verdict.POISON),
        ("23502", Verdict.POISON),
        ("23505", Verdict.DUPLICATE),
        ("42P01", Verdict.NO_PARTITION),
        ("23514", Verdict.NO_PARTITION),
        ("42703", Verdict.ALARM),
        ("28P01", Verdict.ALARM),
        ("XX000", Verdict.ALARM),
    ],
)
def test_each_state_has_its_verdict(state: str | None, verdict: Verdict) -> None:
    assert judge(state) is verdict


def test_values_the_client_refuses_blame_the_row_and_a_lost_connection_does_not() -> None:
    assert verdict_of(psycopg.DataError("text fields cannot contain NUL")) is Verdict.POISON
    assert verdict_of(struct.error("out of range")) is Verdict.POISON
    assert verdict_of(psycopg.OperationalError("server closed the connection")) is Verdict.RETRY


def test_the_writer_carries_no_migration_library() -> None:
    program = "import sys, observer_core.sinks.postgres, observer_core.sinks.embedded; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert {"alembic", "sqlalchemy"} & set(done.stdout.split()) == set()
