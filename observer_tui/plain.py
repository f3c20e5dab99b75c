"""The console without a screen, for scripts: the state once, or at every change. Never imports Textual."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from observer_core.bus.request import new_request_id
from observer_core.clock import NS_PER_S, Clock
from observer_core.errors import LinkError
from observer_core.questions import GetHistory
from observer_core.view import SystemView
from observer_tui.conditions import Condition, condition_of, tally, verdict_of
from observer_tui.feed import Feed, LinkFacts
from observer_tui.meters import COLLECTING_KINDS, Meters
from observer_tui.quantities import age, clock_time, count, date_time, duration, percent, rate, size
from observer_tui.words import Words

if TYPE_CHECKING:
    from observer_tui.replay_feed import ReplayFeed

Print = Callable[[str], None]

_COUNTING_S = 2.5
"""Longest wait for the second report of every process: they come twice a second, late ones a little later."""


async def print_once(
    feed: Feed, clock: Clock, emit: Print, *, as_json: bool, wait_s: float, words: Words
) -> str | None:
    """Print the state when there is one; return why there is none.

    The text form takes rates from what the core kept, as the console does that attaches; a core that has just begun is
    given a moment to count: the rate of a process needs two of its reports.
    """
    meters = Meters()
    await feed.start()
    try:
        try:
            async with asyncio.timeout(wait_s):
                while feed.view is None:
                    await feed.wait_change()
        except TimeoutError:
            return feed.link.reason or words("no news from the core")
        view = feed.view
        if as_json:
            emit(msgspec.json.encode(view).decode())
            return None
        meters.observe(view)
        with contextlib.suppress(TimeoutError, LinkError):
            async with asyncio.timeout(min(wait_s, _COUNTING_S)):
                await _recall(feed, meters, clock)
                while not meters.has_counted_all(clock.now_ns()):
                    await feed.wait_change()
                    view = view if feed.view is None else feed.view
                    meters.observe(view)
        for line in status_lines(view, feed.link, meters, clock.now_ns(), words):
            emit(line)
        return None
    finally:
        await feed.close()


async def _recall(feed: Feed, meters: Meters, clock: Clock) -> None:
    answer = await feed.ask(GetHistory(request_id=new_request_id()))
    if answer.history is not None:
        meters.recall(answer.history, clock.now_ns())


def print_instant(feed: "ReplayFeed", emit: Print, *, as_json: bool, words: Words) -> str | None:
    """Print the state of a recorded instant; return why there is none."""
    view, link = feed.view, feed.link
    if view is None or link.reason:
        return words(link.reason)
    if as_json:
        emit(msgspec.json.encode(view).decode())
        return None
    for line in status_lines(view, link, feed.meters, view.as_of_ns, words):
        emit(line)
    return None


async def print_changes(feed: Feed, clock: Clock, emit: Print, words: Words) -> None:
    """Print one JSON object for every change of view or link until cancelled."""
    meters = Meters()
    await feed.start()
    try:
        while True:
            await feed.wait_change()
            emit(msgspec.json.encode(change_line(feed, meters, clock.now_ns(), words)).decode())
    finally:
        await feed.close()


def change_line(feed: Feed, meters: Meters, now_ns: int, words: Words) -> dict[str, object]:
    """Return one line of `--watch`: verdict, rates, what is wrong, the processes' states."""
    view, link = feed.view, feed.link
    if view is not None:
        meters.observe(view)
    verdict = verdict_of(view, link, now_ns, words)
    return {
        "at_ns": now_ns,
        "verdict": verdict.word,
        "reason": verdict.reason,
        "link": link.state.value,
        "age_s": link.age_s,
        "seq": view.seq if view is not None else None,
        "records_per_s": meters.records_per_s(now_ns),
        "problems": [f"{problem.subject} {problem.text}" for problem in verdict.problems],
        "states": {row.name: row.state for row in view.processes} if view is not None else {},
    }


def status_lines(view: SystemView, link: LinkFacts, meters: Meters, now_ns: int, words: Words) -> list[str]:
    """Return the state in five lines."""
    verdict = verdict_of(view, link, now_ns, words)
    conditions = [condition_of(row, view.market, now_ns) for row in view.processes]
    worst = [
        f"{row.name} {row.state}"
        for row, one in zip(view.processes, conditions, strict=True)
        if one is not Condition.OK
    ]
    market = words(view.market.phase.replace("_", " "))
    symbols = sum(row.symbols for row in view.processes if row.kind in COLLECTING_KINDS)
    writers = [f"{writer.name} {words(writer.state)} {duration(writer.lag_s)}" for writer in view.writers]
    disks = [
        f"{disk.mount} {percent(1 - disk.free_bytes / disk.total_bytes if disk.total_bytes else None)}"
        + (f" ({words('full in {time}', time=duration(disk.time_to_full_s))})" if disk.time_to_full_s else "")
        for disk in view.disk
    ]
    up = duration((now_ns - view.started_ns) / NS_PER_S) if view.started_ns else "-"
    reason = f" - {verdict.reason}" if verdict.reason else ""
    standing = f"{verdict.word} {age(link.age_s)}{reason}  KRX {market}  KST {clock_time(now_ns)}"
    if link.replay is not None:
        word = "" if verdict.word == "REPLAY" else f" {verdict.word}"
        standing = f"{words('REPLAY')} {date_time(link.replay.at_ns)}{word}{reason}  KRX {market}"
    return [
        f"OBSERVER {view.host} {view.version}  {standing}  {words('up')} {up}",
        f"{words('Processes')}: {tally(conditions, words)}" + (f" ({', '.join(worst)})" if worst else ""),
        f"{words('records/s')}: {rate(meters.records_per_s(now_ns))}  {words('symbols')}: {count(symbols)}"
        f"  {words('errors')}: {count(sum(row.errors_total for row in view.processes))}"
        f"  {words('bytes/s written')}: {size(meters.written_bytes_per_s(now_ns))}",
        f"{words('Writers')}: {', '.join(writers) or '-'}",
        f"{words('Disk')}: {', '.join(disks) or '-'}  {words('Gaps')}: {view.gaps.open} {words('open')},"
        f" {view.gaps.today} {words('today')}",
    ]
