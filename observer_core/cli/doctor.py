"""`observerctl doctor`: what is wrong with this installation, why, and what to do about it.

Exit codes: 0 in order (warnings allowed), 1 something must be corrected. It needs no running supervisor.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from observer_core.cli.doctor_checks import Finding, examine
from observer_core.cli.doctor_facts import gather
from observer_core.cli.exits import FAILED
from observer_core.clock import SystemClock
from observer_core.settings import Secret


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What --json prints."""

    healthy: bool
    running: bool | None
    """None = not known."""
    findings: tuple[Finding, ...]


def diagnose(*, as_json: bool) -> int:
    """Examine this installation, print the findings, and return the exit code."""
    with _quiet():
        facts = gather(os.environ, SystemClock(), _database_problems)
        findings = tuple(examine(facts))
    failed = any(finding.severity == "error" for finding in findings)
    if as_json:
        diagnosis = Diagnosis(
            healthy=not failed, running=None if facts.supervisor is None else bool(facts.supervisor), findings=findings
        )
        print(msgspec.json.format(msgspec.json.encode(diagnosis), indent=2).decode())
    else:
        print("\n".join([*finding_lines(findings), summary(findings, _standing(facts.supervisor))]))
    return FAILED if failed else 0


def _standing(supervisor: str | None) -> str:
    if supervisor is None:
        return "whether a supervisor runs is not known: its data directory is not known, or not readable"
    return "a supervisor runs here" if supervisor else "no supervisor runs on this data directory"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep a probe's own warnings from standing among the findings."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Return three lines a finding: what, why, and what to do."""
    return [
        line
        for finding in findings
        for line in (
            f"{finding.severity.upper():<7} {finding.check}: {finding.subject}",
            f"        cause:  {finding.cause}",
            f"        remedy: {finding.remedy}",
        )
    ]


def summary(findings: Sequence[Finding], state: str) -> str:
    """Return the last line."""
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    if not findings:
        return f"everything is in order; {state}"
    return f"{errors} to correct, {warnings} to look at; {state}"


def _database_problems(dsn: Secret) -> list[str]:
    # Imported here: Alembic and SQLAlchemy only where a database is configured.
    from observer_core.cli.db import check

    return check(dsn)
