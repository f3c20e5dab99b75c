"""What is wrong with an installation, judged from facts: each finding names subject, cause and remedy. Pure.

Separate from the probes, so that every rule has a row in a table test.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import chain

import msgspec

from observer_core.cli.doctor_facts import Facts, FileFact
from observer_core.clock import NS_PER_S, kst_datetime

CLOCK_BEGINS_YEAR = 2026
CLOCK_BACK_S = 120.0
LISTING_AGE_DAYS = 7
UNIVERSE_LEAST = 100
UNIVERSE_SHRINK = 0.5
CALENDAR_AHEAD = timedelta(days=14)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be."""

    check: str
    severity: str
    """"error" (it cannot work, or not for long) or "warning"."""
    subject: str
    """The variable, path or socket."""
    cause: str
    remedy: str


def examine(facts: Facts) -> list[Finding]:
    """Return every finding, errors first."""
    found = chain.from_iterable(check(facts) for check in CHECKS)
    return sorted(found, key=lambda finding: finding.severity != "error")


def _config(facts: Facts) -> Iterator[Finding]:
    for problem in facts.config_problems:
        cause, _, remedy = problem.partition("; ")
        yield _error("config", problem.split(maxsplit=1)[0].partition("=")[0], cause, remedy or "see env.template")
    for warning in facts.settings.warnings if facts.settings else ():
        yield _warning("config", warning.split(maxsplit=1)[0], warning, "rename it in the environment or the env file")


def _app_keys(facts: Facts) -> Iterator[Finding]:
    keys = [pair.key.reveal() for pair in facts.settings.app_keys] if facts.settings else []
    for place, key in enumerate(keys):
        if key in keys[:place]:
            cause = "it is the same appkey as another one: the broker allows one stream and one rate for both"
            yield _error("config", f"KIS_APP_KEY_{place + 1}", cause, "remove it, or enter the other key")


def _paths(facts: Facts) -> Iterator[Finding]:
    for problem in facts.directories:
        word = f"{problem.variable} ({problem.path})"
        make = _error if problem.fatal else _warning
        yield make("mounts" if "layer" in problem.cause else "paths", word, problem.cause, problem.remedy)


def _mounts(facts: Facts) -> Iterator[Finding]:
    for path in facts.mounted_files:
        yield _error(
            "mounts", str(path), "mounted as a single file: edits are never seen", "mount its directory instead"
        )


def _permissions(facts: Facts) -> Iterator[Finding]:
    for fact in facts.private_files:
        yield from _private(fact)


def _private(fact: FileFact) -> Iterator[Finding]:
    check = "token cache" if fact.path.name.startswith("token-") else "permissions"
    if fact.error:
        remedy = (
            "remove it; a new token is obtained within a minute" if check == "token cache" else "correct its rights"
        )
        yield _error(check, str(fact.path), fact.error, remedy)
    elif fact.mode & 0o077:
        mode = "700" if fact.path.is_dir() else "600"
        cause = f"mode {fact.mode:04o}: others than its owner may look into it"
        yield _error(check, str(fact.path), cause, f"chmod {mode} {fact.path}")


def _clock(facts: Facts) -> Iterator[Finding]:
    at = kst_datetime(facts.now_ns)
    if at.year < CLOCK_BEGINS_YEAR:
        yield _error("clock", "system clock", f"it says {at:%Y-%m-%d}", "set it, and let NTP keep it")
    if facts.newest_file is not None:
        path, mtime_ns = facts.newest_file
        ahead_s = (mtime_ns - facts.now_ns) / NS_PER_S
        if ahead_s > CLOCK_BACK_S:
            cause = f"{path} was written {ahead_s:.0f} s in the future: the clock was set back, or is wrong"
            yield _error("clock", "system clock", cause, "compare it with NTP: timedatectl, chronyc tracking")


def _disk(facts: Facts) -> Iterator[Finding]:
    if facts.settings is None:
        return
    warn, trim, _, drop = facts.settings.disk_ladder_percent
    for name, used in facts.used_percent.items():
        remedy = "free space or enlarge the volume; `observerctl status` shows what is ours"
        if used >= drop:
            yield _error("disk", name, f"{used:.0f} % used: observations are given up from {drop:g} %", remedy)
        elif used >= warn:
            measure = "payloads are trimmed" if used >= trim else "nothing is left out yet"
            yield _warning("disk", name, f"{used:.0f} % used: {measure}", remedy)


def _database(facts: Facts) -> Iterator[Finding]:
    for problem in facts.database_problems:
        cause, _, remedy = problem.partition(": ")
        yield _error("postgres", "OBSERVER_POSTGRES_DSN", cause, remedy or "see the server's log")


def _budgets(facts: Facts) -> Iterator[Finding]:
    for fact in facts.budgets:
        if fact.error:
            yield _error(
                "budgets", str(fact.path), fact.error, "give it to the service's user: shards cannot call without"
            )


def _calendar(facts: Facts) -> Iterator[Finding]:
    for problem in facts.file_problems:
        subject, _, cause = problem.partition(": ")
        check = "calendar" if "calendar" in subject else "universe"
        yield _error(check, subject, cause, "correct that line; until then the last valid form is in force")
    ends = facts.calendar_ends
    if ends is not None and kst_datetime(facts.now_ns).date() + CALENDAR_AHEAD > ends:
        cause = f"the table of exchange days ends {ends}: every weekday counts as open from then on"
        yield _warning(
            "calendar", "xkrx_days.json", cause, "update the release, or list holidays in calendar_overrides.toml"
        )


def _listing_files(facts: Facts) -> Iterator[Finding]:
    if facts.listing_error:
        yield _error(
            "listing files", "OBSERVER_DATA_DIR", facts.listing_error, "remove the file: it is downloaded again"
        )
    elif facts.listing_day is not None:
        age = (kst_datetime(facts.now_ns).date() - _date(facts.listing_day)).days
        if age > LISTING_AGE_DAYS:
            cause = f"the newest listing file is of {facts.listing_day}, {age} days old"
            yield _error("listing files", "KIS_MASTER_URL", cause, "see why the download fails: log of maintenance")


def _universe(facts: Facts) -> Iterator[Finding]:
    if facts.universe_error:
        yield _error(
            "universe", "snapshot", facts.universe_error, "restore it from a backup; shards keep what they have"
        )
    if not facts.universe_sizes:
        return
    name, size = facts.universe_sizes[0]
    before = facts.universe_sizes[1][1] if len(facts.universe_sizes) > 1 else 0
    if size < UNIVERSE_LEAST or size < before * UNIVERSE_SHRINK:
        cause = f"snapshot {name} has {size} symbols" + (f", the one before {before}" if before else "")
        yield _error("universe", "universe.toml", cause, "see `observerctl universe show`: which rule dropped them?")


def _sockets(facts: Facts) -> Iterator[Finding]:
    for text in facts.socket_errors:
        cause, _, remedy = text.partition(": ")
        yield _error("sockets", "OBSERVER_RUN_DIR", cause, remedy)
    if facts.port_error and facts.settings is not None:
        subject = f"OBSERVER_HTTP_PORT={facts.settings.http_port}"
        yield _error(
            "sockets", subject, f"cannot be listened on: {facts.port_error}", "free it (ss -ltnp), or set another"
        )
    for group in facts.missing_groups:
        cause = f"there is no group {group}: only the service's own user may connect"
        yield _warning("sockets", group, cause, f"groupadd {group}, and add the operators to it")


def _error(check: str, subject: str, cause: str, remedy: str) -> Finding:
    return Finding(check=check, severity="error", subject=subject, cause=cause, remedy=remedy)


def _warning(check: str, subject: str, cause: str, remedy: str) -> Finding:
    return Finding(check=check, severity="warning", subject=subject, cause=cause, remedy=remedy)


def _date(day: int) -> date:
    return date(day // 10_000, day // 100 % 100, day % 100)


CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _config,
    _app_keys,
    _paths,
    _mounts,
    _permissions,
    _clock,
    _disk,
    _database,
    _budgets,
    _calendar,
    _listing_files,
    _universe,
    _sockets,
)
