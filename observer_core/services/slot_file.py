"""Who held the tick slots of a streaming shard, in a small file that outlives it.

A killed shard goes on with the very same slots: a restart must neither lose nor flap them. The file is written before
the broker is told, so that what may still be on its way is always known to the next life. It is replaced as a whole
and not synced: what a power loss takes of it costs a choice, never an observation.
"""

import logging
from pathlib import Path

import msgspec

from observer_core.journal.files import replace_unsynced
from observer_core.scalp.slots import Holder

logger = logging.getLogger(__name__)


class HeldSlots(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file."""

    day: int = 0
    """Of the assignment it was made under."""
    holders: tuple[Holder, ...] = ()
    leaving: tuple[str, ...] = ()
    """Symbols that were given up and may still be sent: the broker has not confirmed it."""


_decoder = msgspec.json.Decoder(HeldSlots)


def read_slots(path: Path) -> HeldSlots:
    """Return what was written last; nothing when there is no readable file."""
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return HeldSlots()
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("slots of the former life not read", extra={"file": str(path), "error": str(error)})
        return HeldSlots()


def write_slots(path: Path, held: HeldSlots) -> None:
    """Replace the file; a disk that refuses is reported."""
    try:
        replace_unsynced(path, msgspec.json.encode(held))
    except OSError as error:
        logger.warning("slots not remembered", extra={"file": str(path), "error": str(error)})
