"""The rate budgets as the view shows them: read from the shared files, never taken from.

Separate because the files belong to the shards; a budget that nobody opened yet is shown as unused, not made.
"""

import logging
from collections.abc import Sequence

from observer_core.clock import Clock
from observer_core.pacing.rate import RateBudget, budget_path, effective_limit
from observer_core.settings import Settings
from observer_core.view import BudgetRow, ProcessRow

logger = logging.getLogger(__name__)


class BudgetWatch:
    """One row an appkey."""

    def __init__(self, settings: Settings) -> None:
        self._paths = [budget_path(settings.paths.budgets, ordinal) for ordinal in range(len(settings.app_keys))]
        self._limit_per_s = effective_limit(settings.rest_limit_per_s, settings.virtual_host)
        self._open: dict[int, RateBudget] = {}

    def rows(self, processes: Sequence[ProcessRow], clock: Clock) -> tuple[BudgetRow, ...]:
        """Return the budgets as of now; refusals are counted by the shards, so `processes` tell them."""
        return tuple(self._row(ordinal, processes, clock) for ordinal in range(len(self._paths)))

    def _row(self, ordinal: int, processes: Sequence[ProcessRow], clock: Clock) -> BudgetRow:
        used, limit_per_s = 0, self._limit_per_s
        try:
            budget = self._budget(ordinal)
            if budget is not None:
                monotonic_ns = clock.monotonic_ns()
                used, limit_per_s = budget.used_last_second(monotonic_ns), budget.limit_per_s(monotonic_ns)
        except OSError as error:
            logger.warning("budget not read", extra={"appkey": ordinal, "error": str(error)})
        return BudgetRow(
            appkey=ordinal,
            limit_per_s=round(limit_per_s, 3),
            used_last_s=used,
            refused_total=sum(
                row.refused_total for row in processes if _ordinal(row.name, len(self._paths)) == ordinal
            ),
            as_of_ns=clock.now_ns(),
        )

    def _budget(self, ordinal: int) -> RateBudget | None:
        if ordinal not in self._open:
            if not self._paths[ordinal].exists():
                return None
            self._open[ordinal] = RateBudget(self._paths[ordinal], self._limit_per_s)
        return self._open[ordinal]


def _ordinal(process: str, keys: int) -> int | None:
    """Return the appkey that a shard uses: shards are dealt out over the keys by their number."""
    number = process.rpartition("-")[2]
    return int(number) % keys if number.isdigit() else None
