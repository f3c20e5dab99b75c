"""`observerctl dlq`: what was refused and why, and another try with today's code.

Two kinds: refusals by parsing and rules (their payload never became a record) and letters (a record that Postgres did
not take; the archive has it). Showing reads files only: nothing has to run.
"""

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from observer_core.cli.exits import FAILED, exit_codes
from observer_core.cli.output import table
from observer_core.cli.replay import day_range_ns
from observer_core.clock import SystemClock, kst_datetime
from observer_core.settings import ClientSettings, load_client_settings

if TYPE_CHECKING:
    from observer_core.services.refusals import Refusal
    from observer_core.sinks.dead_letters import DeadLetter

REFUSAL, LETTER = "refusal", "letter"
_RAW_SHOWN = 60

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What was refused, and another try.")

Day = Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="Refused on this Korean day; today by default.")]
Shard = Annotated[str, typer.Option("--shard", help="Only of this shard.")]
Symbol = Annotated[str, typer.Option("--symbol", help="Only of this symbol.")]
Stage = Annotated[str, typer.Option("--stage", metavar="frame|decode|validate|guard|NAME", help="Only by this sink.")]
Reason = Annotated[str, typer.Option("--reason", help="Only with a reason that contains this text.")]
Number = Annotated[str, typer.Option("--number", metavar="SHARD/EPOCH/SEQ", help="Only this one.")]
Raw = Annotated[bool, typer.Option("--raw", help="The payload below each line.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would be done, do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON; with the whole payload.")]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was refused, of either kind."""

    kind: str
    number: str
    received_ns: int
    shard: str
    stage: str
    """Of a refusal: frame, decode, validate or guard; of a letter: the sink."""
    symbol: str | None
    reasons: tuple[str, ...]
    repaired: bool
    raw: str


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are meant; "" = all."""

    shard: str
    symbol: str
    stage: str
    reason: str
    number: str

    def admit(self, entry: Entry) -> bool:
        """Return whether an entry is meant."""
        return (
            self.shard in {"", entry.shard}
            and self.symbol in {"", entry.symbol}
            and self.stage in {"", entry.stage}
            and self.number in {"", entry.number}
            and (not self.reason or any(self.reason in reason for reason in entry.reasons))
        )


class RetryFigures(msgspec.Struct, kw_only=True):
    """What a retry did, or in a dry run would have done."""

    dry_run: bool
    refusals: int = 0
    repaired: int = 0
    records: int = 0
    """Of the repaired ones."""
    repaired_before: int = 0
    still_refused: dict[str, int] = {}
    """By their first reason at the time."""
    letters: int = 0
    inserted: int = 0
    there_already: int = 0
    still_rejected: int = 0
    letters_left: str = ""
    """Why letters were not tried."""


@app.command("show")
def show_command(
    day: Day = "",
    shard: Shard = "",
    symbol: Symbol = "",
    stage: Stage = "",
    reason: Reason = "",
    number: Number = "",
    raw: Raw = False,
    as_json: AsJson = False,
) -> None:
    """List what was refused, with the reason; the payload on demand."""
    filters = Filters(shard=shard, symbol=symbol, stage=stage, reason=reason, number=number)
    with exit_codes():
        entries, damaged = _entries(load_client_settings(os.environ), day, filters)
        if as_json:
            for entry in entries:
                print(msgspec.json.encode(entry).decode())
        else:
            _print(entries, with_raw=raw)
        if damaged:
            print("\n".join(damaged), file=sys.stderr)
            raise typer.Exit(FAILED)


@app.command("retry")
def retry_command(
    day: Day = "",
    shard: Shard = "",
    symbol: Symbol = "",
    stage: Stage = "",
    reason: Reason = "",
    number: Number = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Parse and judge again; what is good now is recorded once, the rest stays. Run it as often as you like."""
    filters = Filters(shard=shard, symbol=symbol, stage=stage, reason=reason, number=number)
    with exit_codes():
        settings = load_client_settings(os.environ)
        figures = RetryFigures(dry_run=dry_run)
        entries, _ = _entries(settings, day, filters)
        _retry_refusals(settings, day, {entry.number for entry in entries if entry.kind == REFUSAL}, figures)
        _retry_letters(settings, {entry.number for entry in entries if entry.kind == LETTER}, figures)
    if as_json:
        print(msgspec.json.encode(figures).decode())
        return
    would = "would be " if dry_run else ""
    print(
        f"{figures.refusals:,} refusals: {figures.repaired:,} {would}repaired ({figures.records:,} records), "
        f"{figures.repaired_before:,} repaired before, {sum(figures.still_refused.values()):,} still refused"
    )
    for why, count in sorted(figures.still_refused.items()):
        print(f"  {count:,} {why}")
    print(
        f"{figures.letters:,} letters: {figures.inserted:,} {would}inserted, {figures.there_already:,} there already, "
        f"{figures.still_rejected:,} still rejected{figures.letters_left and f'; {figures.letters_left}'}"
    )


def _retry_refusals(settings: ClientSettings, day: str, numbers: set[str], figures: RetryFigures) -> None:
    from observer_core.services.refusals import find_repairs, read_refusals, repair
    from observer_core.sinks.replay_sources import Range

    clock = SystemClock()
    wanted = Range(*_range(day))
    chosen = [refusal for refusal in read_refusals(settings.paths, wanted) if str(refusal.key) in numbers]
    keys = {refusal.key for refusal in chosen}
    repairs = list(find_repairs(chosen)) if figures.dry_run else repair(settings.paths, wanted, keys, clock)
    done = {entry.refusal.key for entry in repairs}
    figures.refusals = len(chosen)
    figures.repaired = len(repairs)
    figures.records = sum(len(entry.records) for entry in repairs)
    figures.repaired_before = sum(refusal.repaired for refusal in chosen)
    figures.still_refused = dict(
        Counter(
            refusal.rejection.reasons[0] if refusal.rejection.reasons else refusal.rejection.stage
            for refusal in chosen
            if refusal.key not in done and not refusal.repaired
        )
    )


def _retry_letters(settings: ClientSettings, numbers: set[str], figures: RetryFigures) -> None:
    from observer_core.services.refusals import read_all_letters
    from observer_core.sinks.replay import replay
    from observer_core.sinks.replay_sources import Portion, Source

    letters = read_all_letters(settings.paths.dead_letters).letters
    batches = [letter.decode() for letter in letters if _letter_number(letter) in numbers]
    figures.letters = len(batches)
    if not batches:
        return
    if settings.postgres_dsn is None:
        figures.letters_left = "OBSERVER_POSTGRES_DSN is empty, so they were not tried"
        return
    source = Source(0, lambda: iter([Portion(batches, 0, 0)]))
    done = replay(settings.postgres_dsn, source, SystemClock(), dry_run=figures.dry_run)
    figures.inserted, figures.there_already, figures.still_rejected = done.inserted, done.existing, done.rejected


def _range(day: str) -> tuple[int, int]:
    return day_range_ns(day or f"{kst_datetime(SystemClock().now_ns()):%Y-%m-%d}")


def _entries(settings: ClientSettings, day: str, filters: Filters) -> tuple[list[Entry], list[str]]:
    """Return what is meant, by time, and the letter files that are damaged."""
    # Imported here: journals and archive would cost every other command its quick start.
    from observer_core.services.refusals import read_all_letters, read_refusals
    from observer_core.sinks.replay_sources import Range

    wanted = Range(*_range(day))
    letters, damaged = read_all_letters(settings.paths.dead_letters)
    found = [_of_refusal(refusal) for refusal in read_refusals(settings.paths, wanted)]
    found += [_of_letter(letter) for letter in letters if wanted.holds(letter.at_ns)]
    found.sort(key=lambda entry: entry.received_ns)
    return [entry for entry in found if filters.admit(entry)], damaged


def _of_refusal(refusal: "Refusal") -> Entry:
    rejection = refusal.rejection
    return Entry(
        kind=REFUSAL,
        number=str(refusal.key),
        received_ns=rejection.received_ns,
        shard=refusal.key.shard,
        stage=rejection.stage,
        symbol=rejection.symbol,
        reasons=rejection.reasons,
        repaired=refusal.repaired,
        raw=rejection.raw,
    )


def _of_letter(letter: "DeadLetter") -> Entry:
    return Entry(
        kind=LETTER,
        number=_letter_number(letter),
        received_ns=letter.at_ns,
        shard=letter.shard,
        stage=letter.sink,
        symbol=letter.symbol,
        reasons=(f"{letter.code} {letter.reason.splitlines()[0] if letter.reason else ''}".strip(),),
        repaired=False,
        raw=letter.text,
    )


def _letter_number(letter: "DeadLetter") -> str:
    return f"{letter.shard}/{letter.epoch}/{letter.seq}"


def _print(entries: list[Entry], *, with_raw: bool) -> None:
    head = ("received", "kind", "number", "stage", "symbol", "state", "reason")
    rows = [
        (
            f"{kst_datetime(entry.received_ns):%m-%d %H:%M:%S}",
            entry.kind,
            entry.number,
            entry.stage,
            entry.symbol or "",
            "repaired" if entry.repaired else "",
            ", ".join(entry.reasons),
        )
        for entry in entries
    ]
    first, *lines = table(head, rows)
    print(first)
    for entry, line in zip(entries, lines, strict=True):
        print(line)
        if with_raw:
            print(f"    {entry.raw}")
    by_stage = Counter(entry.stage for entry in entries)
    print(f"{len(entries):,} refused" + "".join(f", {count:,} by {stage}" for stage, count in sorted(by_stage.items())))
