"""Keeping the timetable: what is due runs, one task after the other, and every run is an event with its duration.

Part of the maintenance process. Heavy tasks are children (`chore`); a disk on its last steps calls retention at once.
"""

import asyncio
import logging
import pickle
import sys
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec.structs import replace

from observer_core.archive.day_retention import Action
from observer_core.archive.disk_ladder import Level
from observer_core.clock import NS_PER_S, Clock, kst_day
from observer_core.errors import ObserverError
from observer_core.journal.files import replace_durably
from observer_core.services.chore import CHORES, ChoreOrder, ChoreReport
from observer_core.services.shard_disk import watch_over
from observer_core.services.timetable import TASKS, Book, Run, Task, due
from observer_core.settings import Settings

logger = logging.getLogger(__name__)

LOOK_S = 5.0
PRESSED_EVERY_NS = 60 * NS_PER_S
"""How often retention is called while the disk is on its last steps."""
CHORE_LIMIT_S = 3_600.0
OVERDUE = f"retention_{Action.OVERDUE}"
CHORE = "observer_core.services.chore"

Tell = Callable[[str, str, str, str], Awaitable[None]]
Inline = Callable[[], Awaitable[str]]
"""A task that maintenance does itself; returns what it did, raises ObserverError or OSError when it failed."""

_decoder = msgspec.json.Decoder(Book)


class Upkeep:
    """The timetable of one maintenance process."""

    def __init__(self, settings: Settings, clock: Clock, tell: Tell, inline: Mapping[str, Inline]) -> None:
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._inline = inline
        self._file = settings.paths.timetable
        self._book = self._read()
        self._watch = watch_over(settings)
        self._pressed_ns: int | None = None

    def _read(self) -> Book:
        try:
            return _decoder.decode(self._file.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("timetable not read: it begins anew", extra={"error": str(error)})
        book = Book(since_ns=self._clock.now_ns())
        self._write(book)
        return book

    def _write(self, book: Book) -> None:
        self._book = book
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_durably(self._file, msgspec.json.encode(book))
        except OSError as error:
            logger.warning("timetable not written", extra={"error": str(error)})

    async def run(self) -> None:
        """Keep the timetable until cancelled."""
        while True:
            try:
                for task, due_ns in due(TASKS, self._book, self._clock.now_ns()):
                    await self._carry_out(task, due_ns)
                await self._relieve()
            except Exception:
                # Edge of the task: whatever one run meets must not end the timetable.
                logger.exception("timetable failed")
            await asyncio.sleep(LOOK_S)

    async def _carry_out(self, task: Task, due_ns: int) -> None:
        begun_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        try:
            text = await self._do(task.name)
            outcome = "done"
        except (ObserverError, OSError) as error:
            text, outcome = str(error), "failed"
        duration_s = round((self._clock.monotonic_ns() - monotonic_ns) / NS_PER_S, 3)
        run = Run(due_ns=due_ns, begun_ns=begun_ns, duration_s=duration_s, outcome=outcome, text=text)
        before = self._book.runs.get(task.name)
        self._write(replace(self._book, runs={**self._book.runs, task.name: run}))
        # A failure that goes on is told once; trying again does not repeat it.
        if outcome == "done" or before is None or (before.outcome, before.text) != (outcome, text):
            severity = "info" if outcome == "done" else "error"
            # The name by which the rules of anomalous days know a failed backup.
            name = "backup_failed" if (task.name, outcome) == ("package", "failed") else "maintenance_run"
            await self._tell(name, severity, task.name, f"{outcome} in {duration_s:.1f} s: {text}")

    async def _do(self, name: str) -> str:
        inline = self._inline.get(name)
        return await (inline() if inline is not None else self._chore(name))

    async def _chore(self, name: str, level: Level = Level.NORMAL) -> str:
        """Run a chore in a child and record what it has to tell.

        Raises:
            ObserverError: it failed; the text is its own.
        """
        assert name in CHORES  # noqa: S101 - the tables are constants
        order = ChoreOrder(name, self._settings, kst_day(self._clock.now_ns()), level)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", CHORE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(CHORE_LIMIT_S):
                output, _ = await child.communicate(pickle.dumps(order))
        except TimeoutError:
            raise ObserverError(f"{name} took longer than {CHORE_LIMIT_S:.0f} s and was ended") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode:
            raise ObserverError(output.decode(errors="replace").strip() or f"{name} ended with {child.returncode}")
        report = msgspec.json.decode(output, type=ChoreReport)
        for notice in report.notices:
            if level >= Level.SEAL and notice.name == OVERDUE:
                # Told once a day, not at every call of a pressed disk.
                continue
            await self._tell(notice.name, notice.severity, notice.subject, notice.text)
        return report.text

    async def _relieve(self) -> None:
        """Call retention while the disk is on a step at which it may take more than usual."""
        self._watch.look()
        now_ns = self._clock.monotonic_ns()
        if self._watch.worst < Level.SEAL:
            self._pressed_ns = None
        elif self._pressed_ns is None or now_ns - self._pressed_ns >= PRESSED_EVERY_NS:
            self._pressed_ns = now_ns
            try:
                text = await self._chore("retention", self._watch.worst)
                logger.info("retention for the disk", extra={"text": text})
            except ObserverError as error:
                logger.error("retention for the disk failed", extra={"error": str(error)})
