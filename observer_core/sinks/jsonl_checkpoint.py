"""What the JSONL sink knows for certain: durable offsets, and how far each file in use reaches.

The files themselves hold the truth; the checkpoint only says from where on they have to be read again after a crash.
"""

import logging
from pathlib import Path

import msgspec

from observer_core.ids import Epoch, Seq, ShardName
from observer_core.journal.files import replace_durably
from observer_core.sinks.jsonl_files import Extent
from observer_core.sinks.port import Offset

logger = logging.getLogger(__name__)

CHECKPOINT_VERSION = 1


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file in use, as far as it was durable."""

    shard: ShardName
    size_bytes: int
    epoch: Epoch
    seq: Seq

    @property
    def extent(self) -> Extent:
        """Return size and last record."""
        return Extent(self.size_bytes, Offset(self.epoch, self.seq))


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything up to `offsets` is in the archive, durably; `files` is where lines beyond may follow."""

    version: int = CHECKPOINT_VERSION
    offsets: dict[ShardName, Offset] = {}
    files: dict[str, FileEntry] = {}
    """By path relative to the archive."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Checkpoint)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read the checkpoint; one that is missing or damaged is an empty one: everything is compared anew.

    Raises:
        OSError: the file exists but cannot be read now.
    """
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return Checkpoint()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        logger.error("checkpoint not readable: starting from the files", extra={"error": str(error)})
        return Checkpoint()


def store_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint durably.

    Raises:
        OSError: the former one is unharmed.
    """
    replace_durably(path, msgspec.json.format(_encoder.encode(checkpoint), indent=1))
