"""What acknowledgements do not show: frames that come to nothing, sessions that keep ending, and registrations that
bring no data. Pure.

Separate from the session's loop so that both are driven by instants and counts alone. A registration can be
acknowledged and silent for ever (KIS protocol notes §9.7 and §9.11); only the volume that another path reports
proves that there was something to hear.
"""

from collections import deque
from collections.abc import Collection

from observer_core.clock import NS_PER_S
from observer_core.market.phases import Phase
from observer_core.messages import Event

UNREADABLE_FRAMES = 20
"""So many frames in a row without one record are no accident."""
CUTS = 5
CUTS_WITHIN_S = 300.0
"""So many sessions that end within that time are one incident, which is over when none ended for so long."""
LOOK_EVERY_S = 5.0
"""Between two questions about one silent symbol, and between two about any."""
GROWTHS = 2
"""So many looks in a row must find more volume: a single growth can be a block trade, which no stream carries."""
_LOOKS = 6
"""Within the time after which a symbol is doubted; with a short one, looks come faster."""
_NEVER_NS = -(1 << 62)
AFTER_CLOSE_S = 2.0
"""The last prints are in so long after the market closed."""
AGAIN_AFTER_S = 60.0
"""A registration that was renewed has so long to bring data before it is doubted again."""


class FrameAlarm:
    """Notices that frames arrive and nothing in them can be read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._barren = 0
        self._raised = False

    def feed(self, frames: int, accepted: int, now_ns: int) -> list[Event]:
        """Take how many data frames a burst had and how many records came of them; return the events due."""
        if accepted:
            self._barren = 0
            if self._raised:
                self._raised = False
                return [Event(now_ns, "frames_readable", "info", self._name, "records come of the frames again")]
            return []
        self._barren += frames
        if self._barren < UNREADABLE_FRAMES or self._raised:
            return []
        self._raised = True
        text = f"{self._barren} frames arrived and not one record came of them"
        return [Event(now_ns, "frames_unreadable", "critical", self._name, text)]


class CutAlarm:
    """Notices a session that keeps ending. Instants are monotonic nanoseconds, except that of the event."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._cuts_ns: deque[int] = deque()
        self._raised = False

    def cut(self, cause: str, monotonic_ns: int, now_ns: int) -> list[Event]:
        """Take the end of a session; return the event due, once until the stream has held for a while."""
        self._forget(monotonic_ns)
        self._cuts_ns.append(monotonic_ns)
        if self._raised or len(self._cuts_ns) < CUTS:
            return []
        self._raised = True
        text = f"{len(self._cuts_ns)} sessions ended within {CUTS_WITHIN_S / 60:.0f} min, the last one by {cause}"
        return [Event(now_ns, "stream_unstable", "error", self._name, text)]

    def look(self, monotonic_ns: int, now_ns: int) -> list[Event]:
        """Return the event that the stream holds again, when it is due."""
        self._forget(monotonic_ns)
        if not self._raised or self._cuts_ns:
            return []
        self._raised = False
        text = f"no session ended for {CUTS_WITHIN_S / 60:.0f} min"
        return [Event(now_ns, "stream_stable", "info", self._name, text)]

    def _forget(self, monotonic_ns: int) -> None:
        while self._cuts_ns and monotonic_ns - self._cuts_ns[0] > CUTS_WITHIN_S * NS_PER_S:
            self._cuts_ns.popleft()


class Close:
    """Says once, a moment after the market closed, that the day can be compared. Instants are monotonic."""

    def __init__(self) -> None:
        # A life that begins after the close does not know whether the one before it compared.
        self._was_open = True
        self._closed_ns: int | None = None

    def due(self, phase: Phase, now_ns: int) -> bool:
        """Return whether the day is over by now and was not compared yet."""
        if phase is not Phase.CLOSED:
            self._was_open, self._closed_ns = True, None
            return False
        if not self._was_open:
            return False
        self._closed_ns = now_ns if self._closed_ns is None else self._closed_ns
        if now_ns - self._closed_ns < AFTER_CLOSE_S * NS_PER_S:
            return False
        self._was_open = False
        return True


class SilenceProof:
    """Which registered symbols trade without our hearing it. Instants are monotonic nanoseconds."""

    def __init__(self, after_s: float) -> None:
        self._after_ns = int(after_s * NS_PER_S)
        self._every_ns = int(min(LOOK_EVERY_S, after_s / _LOOKS) * NS_PER_S)
        self._heard_ns: dict[str, int] = {}
        self._looked_ns: dict[str, int] = {}
        self._any_look_ns = -(1 << 62)
        self._volume: dict[str, int] = {}
        self._growths: dict[str, int] = {}

    def restart(self, symbols: Collection[str], now_ns: int) -> None:
        """Begin the silence of these symbols now and forget all others: a session began or they changed."""
        before = self._heard_ns
        self._heard_ns = {symbol: max(now_ns, before.get(symbol, 0)) for symbol in symbols}
        self._looked_ns = {}
        self._volume = {}
        self._growths = {}

    def change(self, symbols: Collection[str], now_ns: int) -> None:
        """Follow other symbols in the same session: the silence of new ones begins now, that of others goes on."""
        for symbol in self._heard_ns.keys() - set(symbols):
            for memory in (self._heard_ns, self._looked_ns, self._volume, self._growths):
                memory.pop(symbol, None)
        for symbol in symbols:
            self._heard_ns.setdefault(symbol, now_ns)

    def heard(self, symbol: str, now_ns: int) -> None:
        """Take a trade."""
        if symbol in self._heard_ns:
            self._heard_ns[symbol] = now_ns
            if symbol in self._volume:
                del self._volume[symbol]
                self._growths.pop(symbol, None)

    def doubtful(self, now_ns: int) -> str | None:
        """Return the symbol to ask the other path about now, the longest silent first; None = nobody."""
        if now_ns - self._any_look_ns < self._every_ns:
            return None
        waiting = [
            (heard_ns, symbol)
            for symbol, heard_ns in self._heard_ns.items()
            if now_ns - heard_ns >= self._after_ns and now_ns - self._looked_ns.get(symbol, _NEVER_NS) >= self._every_ns
        ]
        if not waiting:
            return None
        # Who was looked at once and grew is looked at again before others: two looks make the proof. Else in turn.
        _, symbol = min(
            waiting, key=lambda item: (item[1] not in self._growths, self._looked_ns.get(item[1], _NEVER_NS), item)
        )
        self._any_look_ns = self._looked_ns[symbol] = now_ns
        return symbol

    def quoted(self, symbol: str, cumulative_volume: int, now_ns: int) -> bool:
        """Take what the other path says; return whether the symbol is now proved to be deaf."""
        heard_ns = self._heard_ns.get(symbol)
        if heard_ns is None or now_ns - heard_ns < self._after_ns:
            return False
        before = self._volume.get(symbol)
        self._volume[symbol] = cumulative_volume
        if before is None or cumulative_volume <= before:
            self._growths.pop(symbol, None)
            return False
        self._growths[symbol] = self._growths.get(symbol, 0) + 1
        if self._growths[symbol] < GROWTHS:
            return False
        self._growths.pop(symbol)
        del self._volume[symbol]
        self._heard_ns[symbol] = now_ns + int(AGAIN_AFTER_S * NS_PER_S) - self._after_ns
        return True
