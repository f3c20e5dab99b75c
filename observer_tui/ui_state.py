"""What the operator has chosen: page, selection, sort order, filters, window, rate, language. Pure values.

One frozen struct that is replaced, so that a frame is a function of (view, meters, this, time) and tests can build any.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from observer_core.details import AuditRow
from observer_core.messages import Event
from observer_core.view import LeaseView
from observer_tui.lines import Role
from observer_tui.options import RATES_HZ as RATES_HZ


class Page(StrEnum):
    """The pages; the number keys are those of `bindings`."""

    OVERVIEW = "overview"
    PROCESS = "process"
    SYMBOLS = "symbols"
    SLOTS = "slots"
    GAPS = "gaps"
    STORAGE = "storage"
    LOGS = "logs"
    EVENTS = "events"
    AUDIT = "audit"
    SYMBOL = "symbol"
    """One symbol; opened from the lists, without a number."""
    HELP = "help"


FILTERED: dict[Page, str] = {
    Page.OVERVIEW: "row_filter",
    Page.SYMBOLS: "symbol_filter",
    Page.SLOTS: "slot_filter",
    Page.GAPS: "gap_filter",
    Page.LOGS: "log_filter",
    Page.EVENTS: "event_filter",
    Page.AUDIT: "audit_filter",
}
"""The field of `UiState` that holds the filter of a page."""


GAP_TABLES = ("gaps", "symbols", "days")
"""The tables of the page of gaps; one of them has the selection, and a small screen shows only that one."""
STORAGE_TABLES = ("tasks", "days", "backups", "disk")
"""The tables of the page of storage that can be scrolled, and of which a small screen shows one."""
WINDOWS_S = (60, 300, 900)
LANGUAGES = ("en", "ko")
NOTICE_S = 8
BRIEF_S = 2
"""What a key has changed is told more briefly: the second line shows it, too, where there is room."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the operator that goes away by itself."""

    text: str
    role: Role
    until_ns: int
    """Monotonic: it is for the operator, whatever time is shown."""


@dataclass(frozen=True, slots=True)
class UiState:
    """Everything the operator can change on the screen."""

    page: Page = Page.OVERVIEW
    back: tuple[Page, ...] = ()
    selected: str = ""
    sort: str = "severity"
    inverted: bool = False
    row_filter: str = ""
    event_filter: str = ""
    symbol: str = ""
    """Code of the selected symbol."""
    symbol_sort: str = "why"
    symbol_inverted: bool = False
    symbol_filter: str = ""
    symbol_map: bool = False
    """Whether a small screen shows the map instead of the table."""
    slot_filter: str = ""
    gap_filter: str = ""
    gap: str = ""
    """Id of the selected gap."""
    gap_table: str = GAP_TABLES[0]
    storage_table: str = STORAGE_TABLES[0]
    log_kind: str = "log"
    """What the page of logs shows, "log" or "stacks"; stacks are of one visit."""
    log_filter: str = ""
    audit_filter: str = ""
    severe_only: bool = False
    scroll: int = 0
    """Lines that the scrolling part of the page (help, logs) is moved from its start."""
    read: Event | AuditRow | None = None
    """The event or the line of the audit trail under the cursor; None = the newest."""
    window_s: int = 900
    hz: float = 2.0
    frozen_ns: int | None = None
    language: str = "en"
    theme: str = "dark"
    notice: Notice | None = None
    lease: LeaseView | None = None
    """This console's own lease."""
    tracked: tuple[str, ...] = ()
    """Tickets of this console's own commands that are not finished."""

    def opened(self, page: Page) -> "UiState":
        """Return the state on another page, the present one remembered for going back."""
        if page is self.page:
            return replace(self, log_kind="log")
        return self._on(page, (*self.back, self.page)[-8:])

    def returned(self) -> "UiState":
        """Return the state one page back; on the first page nothing changes."""
        if not self.back:
            return self._on(Page.OVERVIEW, ())
        return self._on(self.back[-1], self.back[:-1])

    def _on(self, page: Page, back: tuple[Page, ...]) -> "UiState":
        """Return the state on a page, from its top; good news of before make room for the names of the pages."""
        notice = self.notice if self.notice is not None and self.notice.role in ("warn", "bad") else None
        return replace(self, page=page, back=back, scroll=0, log_kind="log", notice=notice)

    @property
    def filter_text(self) -> str:
        """Return the filter of the open page."""
        field = FILTERED.get(self.page)
        return str(getattr(self, field)) if field is not None else ""

    def noticed(self, text: str, monotonic_ns: int, role: Role = "plain", *, for_s: int = NOTICE_S) -> "UiState":
        """Return the state with a notice for the next seconds."""
        return replace(self, notice=Notice(text, role, monotonic_ns + for_s * 1_000_000_000))

    def may_order(self, now_ns: int) -> bool:
        """Return whether this console's lease is live."""
        return self.lease is not None and self.lease.until_ns > now_ns


def stepped(value: float, choices: tuple[float, ...], step: int) -> float:
    """Return the next choice up or down; at the end it stays."""
    index = min(range(len(choices)), key=lambda place: abs(choices[place] - value))
    return choices[max(0, min(len(choices) - 1, index + step))]
