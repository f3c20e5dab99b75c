"""Alerts: the rules over the hub's view every few seconds, each message sent by a process of its own.

Runs beside the hub as a companion, because the hub's view is the input; its failure costs the hub nothing.
A message is sent at least once: a hub that dies while it sends leaves it to the next.
"""

import asyncio
import logging
import sys
from collections.abc import Callable

import msgspec

from observer_core.clock import Clock
from observer_core.journal.files import replace_durably
from observer_core.services.alert_rules import Alarms, AlertMemory, Message, QuietHours
from observer_core.services.alert_sender import Dispatch
from observer_core.settings import Settings
from observer_core.view import AlertRow, SystemView

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
SEND_TIMEOUT_S = 60.0
TRIES = 3
SENDER = "observer_core.services.alert_sender"


class _Kept(AlertMemory, frozen=True, kw_only=True):
    """The form of the file: a message stays in it until it went or was given up."""

    unsent: tuple[Message, ...] = ()


class AlertDesk:
    """The incidents, kept over restarts of the hub; messages go out only where an address is configured."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._alarms = Alarms(
            QuietHours(*settings.alert_quiet_minutes), settings.alert_limit_per_h, settings.backup_age_s
        )
        self._unsent: tuple[Message, ...] = ()
        """The first one is being sent."""
        self._arrived = asyncio.Event()
        self._written: object = None

    async def run(self, current_view: Callable[[], SystemView]) -> None:
        """Look at the view every few seconds, for ever; sending waits for nothing and holds up nothing."""
        self._recall()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_all())
            while True:
                messages = self._alarms.look(current_view(), self._clock.now_ns())
                if messages and self._settings.alert_urls:
                    self._unsent += tuple(messages)
                    self._arrived.set()
                await self._remember()
                await asyncio.sleep(LOOK_EVERY_S)

    def rows(self) -> tuple[AlertRow, ...]:
        """Return the incidents for the view."""
        return self._alarms.rows()

    def knows(self, key: str) -> bool:
        """Return whether an incident of that key is there."""
        return any(row.key == key for row in self._alarms.rows())

    def acknowledge(self, key: str, who: str, reason: str) -> bool:
        """Note who knows of an incident; return whether there is one."""
        return self._alarms.acknowledge(key, who, reason)

    async def _send_all(self) -> None:
        while True:
            while self._unsent:
                await deliver(self._settings, self._unsent[0])
                self._unsent = self._unsent[1:]
            self._arrived.clear()
            await self._arrived.wait()

    def _recall(self) -> None:
        path = self._settings.paths.alerts
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("incidents not recalled; begun anew", extra={"file": str(path), "error": str(error)})
            return
        self._alarms.recall(kept, self._clock.now_ns())
        self._unsent = kept.unsent

    async def _remember(self) -> None:
        """Write the file when something changed that a later life has to know; words and instants alone do not."""
        memory = self._alarms.memory()
        known = {key: (one.told, one.acknowledged_by, one.reason) for key, one in memory.incidents.items()}
        wanted = (known, memory.waiting, self._unsent)
        if wanted == self._written or (self._written is None and not any(wanted)):
            return
        kept = _Kept(incidents=memory.incidents, waiting=memory.waiting, sent_ns=memory.sent_ns, unsent=self._unsent)
        try:
            await asyncio.to_thread(replace_durably, self._settings.paths.alerts, msgspec.json.encode(kept))
        except OSError as error:
            logger.warning("incidents not written: a new hub would tell them again", extra={"error": str(error)})
        else:
            self._written = wanted


async def deliver(settings: Settings, message: Message, tries: int = TRIES) -> bool:
    """Send a message to every address; return whether it went. What cannot be sent is logged in full."""
    urls = tuple(url.reveal() for url in settings.alert_urls)
    dispatch = msgspec.json.encode(Dispatch(title=message.title, body=message.body, urls=urls))
    for _ in range(tries):
        code = await _send(dispatch)
        if code == 0:
            logger.info("alert sent", extra={"title": message.title})
            return True
    logger.error("alert not sent: see OBSERVER_ALERT_URLS", extra={"title": message.title, "body": message.body})
    return False


async def _send(dispatch: bytes) -> int | None:
    sender = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        SENDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await sender.communicate(dispatch)
    except TimeoutError:
        logger.warning("alert sender took too long")
    finally:
        if sender.returncode is None:
            sender.kill()
            await sender.wait()
    return sender.returncode
