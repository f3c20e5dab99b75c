"""The triggers of one sweeping shard: its quotes in, candidates out to the streaming shards.

Separate from the sweep because nothing of it may cost the sweep anything: what cannot be sent is dropped.
"""

from collections.abc import Iterable, Sequence

from observer_core.bus.candidates import CandidateSender
from observer_core.clock import NS_PER_S
from observer_core.ids import ShardName
from observer_core.messages import Record
from observer_core.scalp.triggers import TriggerWatch
from observer_core.services.scalp_config import ScalpConfig
from observer_core.services.shard import Shard
from observer_core.settings import Settings

_LOOK_NS = NS_PER_S // 2


def streaming_shards(settings: Settings) -> tuple[ShardName, ...]:
    """Return the names of the streaming shards: one for each appkey."""
    return tuple(ShardName(f"scalp-{index}") for index in range(len(settings.app_keys)))


class CandidateWatch:
    """Judges what a sweep brought and proposes what it found."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._clock = shard.clock
        self._config = ScalpConfig(shard.settings.paths.scalp_config)
        self._watch = TriggerWatch(self._config.rules.triggers)
        self._sender: CandidateSender | None = None
        """Opened with the first candidate: nothing of this may delay the first observation."""
        self._look_due_ns = 0

    def observe(self, records: Sequence[Record]) -> None:
        """Take the records of one answer."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._look_due_ns:
            self._look_due_ns = now_ns + _LOOK_NS
            if self._config.look() is not None:
                self._watch.rules = self._config.rules.triggers
        candidates = self._watch.feed(records)
        if candidates:
            if self._sender is None:
                self._sender = self._open()
            self._sender.send(candidates)

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop symbols that another shard sweeps now."""
        self._watch.forget(symbols)

    def close(self) -> None:
        """Close the socket."""
        if self._sender is not None:
            self._sender.close()

    def _open(self) -> CandidateSender:
        settings = self._shard.settings
        endpoints = [settings.paths.candidate_endpoint(shard) for shard in streaming_shards(settings)]
        return CandidateSender(self._shard.name, endpoints, self._shard.bus_context)
