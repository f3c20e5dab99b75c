"""What each SQLSTATE means for a batch: wait, set a row aside, make a partition, or wait and call for a human.

Pure, so that the table can be read and tested without a server (PostgreSQL documentation, appendix A).
"""

from enum import Enum


class Verdict(Enum):
    """What to do with the batch that failed."""

    RETRY = "retry"
    """The store is away or busy: keep the batch, back off."""
    RECONNECT = "reconnect"
    """As RETRY, but this session can never succeed (it is read-only): take a new one, perhaps of another server."""
    POISON = "poison"
    """Some row is not acceptable, now or ever: find it, set it aside."""
    DUPLICATE = "duplicate"
    """Some row is there already (a replay was faster): insert what is missing."""
    NO_PARTITION = "no_partition"
    """The day's partition is missing: make it, try again."""
    ALARM = "alarm"
    """Nothing the writer can repair (schema, rights, password): keep the batch, tell the operator, try again later."""


_BY_STATE = {
    "23505": Verdict.DUPLICATE,
    "42P01": Verdict.NO_PARTITION,
    "23514": Verdict.NO_PARTITION,
    "25006": Verdict.RECONNECT,
    "40001": Verdict.RETRY,
    "40P01": Verdict.RETRY,
    "55P03": Verdict.RETRY,
    "57014": Verdict.RETRY,
    "25P03": Verdict.RETRY,
    "25P04": Verdict.RETRY,
}

_BY_PREFIX = {
    "08": Verdict.RETRY,
    "53": Verdict.RETRY,
    "57P0": Verdict.RETRY,
    "58": Verdict.RETRY,
    "22": Verdict.POISON,
    "23": Verdict.POISON,
}


def judge(sqlstate: str | None) -> Verdict:
    """Return what to do after an error; None is an error without a state: the connection failed."""
    if sqlstate is None:
        return Verdict.RETRY
    exact = _BY_STATE.get(sqlstate)
    if exact is not None:
        return exact
    for prefix, verdict in _BY_PREFIX.items():
        if sqlstate.startswith(prefix):
            return verdict
    return Verdict.ALARM
