"""What each page asks the hub besides the view, how often, and what it has been told. Pure.

Only the open page asks. An answer carries its own time, so an old one is seen to be old.
"""

from dataclasses import dataclass, replace

from observer_core.clock import NS_PER_S
from observer_core.details import AuditTail, GapList, LogTail, SymbolDetail
from observer_core.questions import Answer, GetAudit, GetGaps, GetLog, GetSymbol, GetSymbols, Question
from observer_tui.symbols import SymbolTable
from observer_tui.ui_state import Page, UiState

# Eleven bytes a symbol: at 1.2 s, two thousand symbols stay below 20 kB/s for each console.
ASK_EVERY_NS: dict[Page, int] = {
    Page.SYMBOLS: NS_PER_S * 6 // 5,
    Page.SLOTS: 2 * NS_PER_S,
    Page.SYMBOL: NS_PER_S,
    Page.GAPS: 2 * NS_PER_S,
    Page.LOGS: NS_PER_S,
    Page.PROCESS: 2 * NS_PER_S,
    Page.AUDIT: 2 * NS_PER_S,
}
SLOW_HZ = 0.5
"""At this refresh rate, meant for slow lines, everything is asked half as often."""


@dataclass(frozen=True, slots=True)
class Replies:
    """The newest answers."""

    symbols: SymbolTable | None = None
    symbol: SymbolDetail | None = None
    gaps: GapList | None = None
    log: LogTail | None = None
    audit: AuditTail | None = None
    refused: str = ""
    """Why the last question was not answered."""

    def with_answer(self, answer: Answer) -> "Replies":
        """Return the replies with what an answer brought."""
        if answer.error is not None:
            return replace(self, refused=answer.error)
        found = replace(
            self,
            symbol=answer.symbol or self.symbol,
            gaps=answer.gaps or self.gaps,
            log=answer.log or self.log,
            audit=answer.audit or self.audit,
            refused="",
        )
        if answer.symbols is None:
            return found
        if found.symbols is not None:
            return replace(found, symbols=found.symbols.renewed(answer.symbols) or found.symbols)
        if answer.symbols.listing is None:
            return found
        return replace(found, symbols=SymbolTable(answer.symbols, answer.symbols.listing))

    @property
    def known_symbols(self) -> str:
        """Return the version of the list that need not be sent again."""
        return "" if self.symbols is None else self.symbols.columns.version


NOTHING_ASKED = Replies()


def question_of(ui: UiState, process: str, replies: Replies, request_id: str) -> Question | None:
    """Return what the open page wants to know; None when the view is enough."""
    match ui.page:
        case Page.SYMBOLS | Page.SLOTS:
            return GetSymbols(request_id=request_id, known=replies.known_symbols)
        case Page.SYMBOL:
            return GetSymbol(request_id=request_id, code=ui.symbol) if ui.symbol else None
        case Page.GAPS:
            return GetGaps(request_id=request_id)
        case Page.LOGS | Page.PROCESS if process:
            level = "WARNING" if ui.severe_only else ""
            kind = ui.log_kind if ui.page is Page.LOGS else "log"
            contains = ui.log_filter if ui.page is Page.LOGS else ""
            return GetLog(request_id=request_id, process=process, kind=kind, level=level, contains=contains)
        case Page.AUDIT:
            return GetAudit(request_id=request_id, contains=ui.audit_filter)
        case _:
            return None


def subject_of(question: Question) -> tuple[object, ...]:
    """Return what a question is about: another subject is asked at once, the same one when it is due."""
    match question:
        case GetSymbols():
            return ("symbols",)
        case GetSymbol():
            return ("symbol", question.code)
        case GetLog():
            return ("log", question.process, question.kind, question.level, question.contains)
        case GetAudit():
            return ("audit", question.contains)
        case _:
            return (type(question).__name__,)


def due_after_ns(ui: UiState) -> int:
    """Return how long an answer to the open page's question is young enough."""
    every_ns = ASK_EVERY_NS.get(ui.page, NS_PER_S)
    return 2 * every_ns if ui.hz <= SLOW_HZ else every_ns
