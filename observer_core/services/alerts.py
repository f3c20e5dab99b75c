"""Alerts: the rules over the hub's view every few seconds, each message sent by a process of its own.

Runs beside the hub as a companion, because the hub's view is the input; its failure costs the hub nothing.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable

import msgspec

from observer_core.clock import Clock
from observer_core.services.alert_rules import Alarms, Message, QuietHours
from observer_core.services.alert_sender import Dispatch
from observer_core.settings import Settings
from observer_core.view import SystemView

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
SEND_TIMEOUT_S = 60.0
TRIES = 3
SENDER = "observer_core.services.alert_sender"


def alerts_over(settings: Settings, clock: Clock) -> Callable[[Callable[[], SystemView]], Awaitable[None]]:
    """Return the hub's companion that alarms; it ends at once where no address is configured."""

    async def companion(current_view: Callable[[], SystemView]) -> None:
        if not settings.alert_urls:
            return
        alarms = Alarms(QuietHours(*settings.alert_quiet_minutes), settings.alert_limit_per_h)
        while True:
            for message in alarms.look(current_view(), clock.now_ns()):
                await deliver(settings, message)
            await asyncio.sleep(LOOK_EVERY_S)

    return companion


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
