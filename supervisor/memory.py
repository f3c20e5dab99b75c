"""What a supervisor restart must not forget: back-off, quarantine, pauses, generations and the tally of deaths.

One small file, replaced whole. It is not synced to the disk: losing it in a power cut costs some patience, and a
supervisor must never wait for a slow disk. A file that cannot be read is as good as none.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from supervisor.causes import Cause, Death
from supervisor.limits import Limits, ns
from supervisor.orders import Moment
from supervisor.policy import Child
from supervisor.specs import ChildSpec
from supervisor.states import State

VERSION = 1

_logger = logging.getLogger(__name__)


class RememberedChild(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One child; wall-clock times, because the monotonic clock begins anew with the machine."""

    generation: int = 0
    paused: bool = False
    failures: int = 0
    delay_s: float = 0.0
    next_start_ns: int | None = None
    reason: str = ""
    unstable_ns: tuple[int, ...] = ()
    deaths: tuple[tuple[int, str, str], ...] = ()


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    version: int
    children: dict[str, RememberedChild]


_decoder = msgspec.json.Decoder(Memory)


def remember(children: Iterable[Child], now: Moment) -> bytes:
    """Return the file's new content."""
    offset_ns = now.wall_ns - now.monotonic_ns
    remembered = {
        child.name: RememberedChild(
            generation=child.generation,
            paused=child.paused,
            failures=child.failures,
            delay_s=child.delay_s,
            next_start_ns=_held_until(child, offset_ns),
            reason=child.reason,
            unstable_ns=tuple(at + offset_ns for at in child.unstable_ns),
            deaths=tuple((death.at_ns, death.cause.value, death.text) for death in child.deaths),
        )
        for child in children
    }
    return msgspec.json.encode(Memory(version=VERSION, children=remembered))


def recall(content: bytes, specs: Sequence[ChildSpec], limits: Limits, now: Moment) -> dict[str, Child]:
    """Return the children as remembered; those that no longer exist are left out, unreadable content gives none.

    A quarantine for wrong configuration is not kept: the configuration has just been read anew.
    """
    try:
        memory = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _logger.warning("supervisor memory is unreadable and left aside", extra={"reason": str(error)})
        return {}
    if memory.version != VERSION:
        return {}
    known: Mapping[str, RememberedChild] = memory.children
    return {spec.name: _recalled(spec, known[spec.name], limits, now) for spec in specs if spec.name in known}


def load(path: Path) -> bytes:
    """Return the file's content, b"{}" where there is none to read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return msgspec.json.encode(Memory(version=VERSION, children={}))
    except OSError as error:
        _logger.warning("supervisor memory cannot be read", extra={"reason": str(error)})
        return msgspec.json.encode(Memory(version=VERSION, children={}))


def save(path: Path, content: bytes) -> None:
    """Replace the file; a full disk is logged and costs nothing else."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        _logger.warning("supervisor memory cannot be written", extra={"reason": str(error)})


def _held_until(child: Child, offset_ns: int) -> int | None:
    if child.next_start_ns is None or child.state not in {State.BACKOFF, State.QUARANTINED, State.STOPPED}:
        return None
    return child.next_start_ns + offset_ns


def _recalled(spec: ChildSpec, known: RememberedChild, limits: Limits, now: Moment) -> Child:
    deaths = tuple(Death(at, Cause(cause), text) for at, cause, text in known.deaths if cause in set(Cause))
    kept = Child(spec=spec, generation=known.generation, paused=known.paused, deaths=deaths)
    if deaths and deaths[-1].cause is Cause.CONFIG:
        return kept
    longest_ns = ns(limits.probe_after_s * 2 if known.reason else max(limits.backoff_cap_s, limits.fleet_pause_cap_s))
    next_start_ns = None
    if known.next_start_ns is not None and known.next_start_ns > now.wall_ns:
        # Bounded, because the wall clock may have been set back since.
        next_start_ns = now.monotonic_ns + min(known.next_start_ns - now.wall_ns, longest_ns)
    window_ns = ns(limits.crash_window_s)
    ages = (now.wall_ns - at for at in known.unstable_ns)
    return Child(
        spec=spec,
        generation=known.generation,
        paused=known.paused,
        failures=known.failures,
        delay_s=known.delay_s,
        next_start_ns=next_start_ns,
        reason=known.reason,
        unstable_ns=tuple(now.monotonic_ns - age for age in ages if 0 <= age < window_ns),
        deaths=deaths,
    )
