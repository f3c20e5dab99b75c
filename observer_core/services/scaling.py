"""How many sweeping shards there shall be: the configured number until an operator orders another one.

The supervisor writes the order down, maintenance deals the universe over that many shards, a restart finds it again.
Separate from the settings because it changes while everything runs.
"""

import logging
import os
from pathlib import Path

import msgspec

from observer_core.paths import Paths
from observer_core.settings import Settings

SCALABLE_KIND = "swing"
"""The one kind whose number can change live: a scalp shard belongs to its appkey."""

SHARDS_LIMIT = 64

_logger = logging.getLogger(__name__)


class ScaleOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The order in force; the configured number it replaced tells when the configuration has changed since."""

    swing: int
    configured: int


_decoder = msgspec.json.Decoder(ScaleOrder)


def scale_file(paths: Paths) -> Path:
    """Return the file that remembers the order."""
    return paths.state / "scale.json"


def shards_in_force(settings: Settings) -> int:
    """Return how many sweeping shards there shall be now; a configuration changed after the order wins over it."""
    try:
        order = _decoder.decode(scale_file(settings.paths).read_bytes())
    except FileNotFoundError:
        return settings.swing_shards
    except (OSError, msgspec.DecodeError) as error:
        _logger.warning("scale order not readable", extra={"error": str(error)})
        return settings.swing_shards
    if order.configured != settings.swing_shards or not 1 <= order.swing <= SHARDS_LIMIT:
        return settings.swing_shards
    return order.swing


def write_order(settings: Settings, swing: int) -> None:
    """Put another number in force; not synced, because the supervisor must not wait for a slow disk.

    Raises:
        OSError: the former number stays in force.
    """
    path = scale_file(settings.paths)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(msgspec.json.encode(ScaleOrder(swing=swing, configured=settings.swing_shards)))
    temporary.replace(path)
