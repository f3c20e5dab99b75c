"""Balances the books: sent = archived + covered by gap records, and JSONL = Postgres = journal, record by record."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from observer_core.audit.archive import (
    Archive,
    Archived,
    Covered,
    Journalled,
    Key,
    Row,
    read_journals,
    read_jsonl,
    read_postgres,
)
from observer_core.audit.ledger import OBSERVATIONS, Identity, Ledger, Sent, read_ledger

EXAMPLES_SHOWN = 5
FAR_FUTURE_NS = 1 << 63
NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class Books:
    """The result; `balanced` is the verdict, `faults` says in words what is wrong."""

    sent: Counter[str] = field(default_factory=Counter)
    archived: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)
    sampled: int = 0
    """Books that were left out at the rate that the archive's own events say."""
    gaps: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    lost_ns: list[int] = field(default_factory=list)
    """When each observation was sent that is neither archived nor in a gap record."""
    doubled_ns: list[int] = field(default_factory=list)
    """When each record was received that is archived more than once or more often than sent."""
    outages: list[Covered] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Return whether nothing is missing, doubled, invented or different."""
        return not self.faults

    def table(self) -> str:
        """Return the summary as text."""
        head = f"{'':<8}{'sent':>12}{'JSONL':>12}{'Postgres':>12}{'in gaps':>12}{'missing':>12}"
        lines = [head]
        for kind in OBSERVATIONS:
            missing = self.sent[kind] - self.archived[kind] - self.covered[kind]
            missing -= self.sampled if kind == "book" else 0
            counts = (self.sent[kind], self.archived[kind], self.rows[kind], self.covered[kind], missing)
            lines.append(f"{kind:<8}" + "".join(f"{count:>12,}" for count in counts))
        if self.sampled:
            lines.append(f"books left out by sampling {self.sampled:,}")
        lines.append(f"gap records {self.gaps:,}   calls refused by the exchange {self.refused:,}")
        lines += [f"FAULT {fault}" for fault in self.faults]
        lines.append("the books balance" if self.balanced else "THE BOOKS DO NOT BALANCE")
        return "\n".join(lines)


def balance(ledger_file: Path, data_dir: Path, dsn: str | None) -> Books:
    """Read everything and compare. `dsn=None` leaves Postgres out."""
    ledger = read_ledger(ledger_file)
    archive = read_jsonl(data_dir, ledger.identities)
    books = Books(gaps=len(archive.gaps), refused=ledger.refused, outages=list(archive.gaps.values()))
    compare_sent(ledger, archive, books)
    compare_keys(archive, read_journals(data_dir), books)
    if dsn is not None:
        compare_rows(archive, read_postgres(dsn), books)
    return books


def compare_sent(ledger: Ledger, archive: Archive, books: Books) -> None:
    """Match every observation sent with one archived; what is left must lie in a gap record of its symbol."""
    sent_by: dict[Identity, list[Sent]] = defaultdict(list)
    archived_by: dict[Identity, list[Archived]] = defaultdict(list)
    for sent in ledger.sent:
        sent_by[sent.identity].append(sent)
        books.sent[sent.identity.kind] += 1
    for archived in archive.observations:
        archived_by[archived.identity].append(archived)
        books.archived[archived.identity.kind] += 1
    gaps_of: dict[str, list[Covered]] = defaultdict(list)
    for gap in archive.gaps.values():
        for symbol in gap.symbols:
            gaps_of[symbol].append(gap)
    kept: dict[str, list[tuple[int, int]]] = defaultdict(list)
    missing: list[Sent] = []
    for identity, sent_list in sent_by.items():
        missing += _unmatched(sent_list, archived_by.pop(identity, []), books, kept)
    for pairs in kept.values():
        pairs.sort()
    lost: list[Sent] = []
    for sent in missing:
        if any(covers(gap, sent.sent_ns) for gap in gaps_of[sent.symbol]):
            books.covered[sent.identity.kind] += 1
        elif _is_left_out(sent, kept[sent.symbol], archive.books_hz):
            books.sampled += 1
        else:
            lost.append(sent)
    books.lost_ns += [sent.sent_ns for sent in lost]
    _fault(books, "sent, neither archived nor in a gap record", lost)
    _fault(books, "archived, never sent", [entry for entries in archived_by.values() for entry in entries])


def covers(gap: Covered, at_ns: int) -> bool:
    """Return whether an instant lies in a gap record."""
    return gap.from_ns <= at_ns and (gap.until_ns is None or at_ns <= gap.until_ns)


def _is_left_out(sent: Sent, kept: list[tuple[int, int]], hz: float | None) -> bool:
    """Return whether a book was left out by sampling: the one recorded before it came within the interval.

    By the time it was received, because that is what the shard samples by; a book received later than it was sent
    was received later than that.
    """
    if sent.identity.kind != "book" or hz is None:
        return False
    position = bisect_right(kept, (sent.sent_ns, FAR_FUTURE_NS)) - 1
    return position >= 0 and kept[position][1] > sent.sent_ns - NS_PER_S / hz


def _unmatched(
    sent: list[Sent], archived: list[Archived], books: Books, kept: dict[str, list[tuple[int, int]]]
) -> list[Sent]:
    """Pair each archived observation with the latest equal one sent before its receipt; return the rest.

    Of paired books, `kept` gets (sent, received) by symbol.
    """
    sent = sorted(sent, key=lambda entry: entry.sent_ns)
    free = [entry.sent_ns for entry in sent]
    for entry in sorted(archived, key=lambda entry: entry.received_ns):
        position = bisect_right(free, entry.received_ns) - 1
        if position < 0:
            books.doubled_ns.append(entry.received_ns)
            _fault(books, "archived more often than sent", [entry])
            continue
        if entry.identity.kind == "book":
            kept[entry.identity.symbol].append((free[position], entry.received_ns))
        del free[position], sent[position]
    return sent


def compare_keys(archive: Archive, journalled: Journalled, books: Books) -> None:
    """Check that the archive holds every journalled record exactly once, in undamaged lines."""
    _fault(books, "damaged archive lines", archive.damaged_lines)
    doubled = {key for key, count in archive.keys.items() if count > 1}
    books.doubled_ns += sorted(
        {entry.key: entry.received_ns for entry in archive.observations if entry.key in doubled}.values()
    )
    _fault(books, "doubled in the archive", doubled)
    _fault(books, "journalled, not in the archive", (key for key in journalled if key not in archive.keys))
    _fault(books, "archived, not journalled", (key for key in archive.keys if journalled.lacks(key)))


def compare_rows(archive: Archive, rows: Iterable[tuple[Key, Row]], books: Books) -> None:
    """Check that Postgres holds exactly the observations of the archive, with the same content."""
    wanted = {entry.key: entry.identity for entry in archive.observations}
    strange: list[Key] = []
    different: list[Key] = []
    for key, row in rows:
        books.rows[row[0]] += 1
        identity = wanted.pop(key, None)
        if identity is None:
            strange.append(key)
        elif not _same(identity, row):
            different.append(key)
    _fault(books, "archived, no row in Postgres", wanted)
    _fault(books, "row in Postgres, not archived", strange)
    _fault(books, "different in Postgres", different)


def _same(identity: Identity, row: Row) -> bool:
    kind, symbol, price, cumulative = row
    if (kind, symbol) != (identity.kind, identity.symbol) or (cumulative or 0) != identity.cumulative_volume:
        return False
    return kind == "book" or price == identity.price


def _fault(books: Books, what: str, entries: Iterable[object]) -> None:
    found = list(entries)
    if found:
        shown = "; ".join(str(entry) for entry in found[:EXAMPLES_SHOWN])
        books.faults.append(f"{len(found):,} {what}: {shown}")
