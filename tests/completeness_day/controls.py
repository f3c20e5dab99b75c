"""The controls: spoil the account in one small way; the judgement must turn red each time."""

import copy
from collections.abc import Callable

from tests.completeness_day.judge import Case, gaps_of, judge, missing_of


def _without_a_gap(case: Case) -> None:
    gap = max(
        (gap for gap in gaps_of(case, "continuity") if gap["missed_volume"]), key=lambda gap: gap["missed_volume"]
    )
    del case.archive.gaps[gap["gap_id"]]


def _one_share_more(case: Case) -> None:
    next(gap for gap in gaps_of(case, "continuity") if gap["missed_volume"])["missed_volume"] += 1


def _an_invented_gap(case: Case) -> None:
    gap = next(gap for gap in gaps_of(case, "continuity") if gap["missed_volume"])
    before_ns = gap["from_ns"] - 3_600_000_000_000
    invented = {**gap, "gap_id": "invented", "from_ns": before_ns, "until_ns": before_ns + 1, "missed_volume": 1}
    case.archive.gaps["invented"] = invented


def _a_trade_lost_silently(case: Case) -> None:
    arrived = [execution for execution, _ in case.archive.trades if execution not in missing_of(case)]
    lost = arrived[len(arrived) // 2]
    case.archive.trades[:] = [entry for entry in case.archive.trades if entry[0] != lost]


def _without_a_mark(case: Case) -> None:
    place = next(place for place, (_, reasons) in enumerate(case.archive.trades) if "duplicate" in reasons)
    case.archive.trades[place] = case.archive.trades[place][0], ()


def _without_a_cut(case: Case) -> None:
    for gap in gaps_of(case, "stream_cut"):
        del case.archive.gaps[gap["gap_id"]]


def _without_silence(case: Case) -> None:
    for gap in gaps_of(case, "stale", track="scalp")[:1]:
        del case.archive.gaps[gap["gap_id"]]


CONTROLS: tuple[tuple[str, Callable[[Case], None]], ...] = (
    ("a continuity gap removed", _without_a_gap),
    ("one share more reported", _one_share_more),
    ("a gap without a missing trade", _an_invented_gap),
    ("an archived trade removed", _a_trade_lost_silently),
    ("a duplicate without its mark", _without_a_mark),
    ("the gaps of the cuts removed", _without_a_cut),
    ("a staleness gap removed", _without_silence),
)


def red_controls(case: Case) -> list[tuple[str, bool]]:
    """Return for each control whether it turns the judgement red."""
    verdicts = []
    for name, spoil in CONTROLS:
        spoiled = copy.deepcopy(case)
        spoil(spoiled)
        verdicts.append((name, not all(finding.good for finding in judge(spoiled))))
    return verdicts
