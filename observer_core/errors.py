"""The exception tree.

    ObserverError
    ├── ConfigError            settings, env file, config file: what, where, remedy
    ├── MalformedMessage       bytes that no decoder accepts; carries them
    ├── JournalError           the journal cannot be written or read
    ├── ChronicleError         what the hub recorded of its view cannot be replayed
    ├── FeedError              the broker
    │   ├── TransientFeedError   try again after a pause
    │   │   └── UnreachableFeedError  nobody listens at its address
    │   ├── ReauthenticateError  the token or approval key is no longer accepted
    │   ├── RateRefusedError     the broker refused the call for its rate
    │   ├── SymbolRefusedError   the broker does not accept this symbol
    │   └── FatalFeedError       trying again cannot help: stop and alarm
    ├── SinkError
    │   ├── TransientSinkError   keep the batch, try again
    │   │   └── UnreachableSinkError  nobody accepts connections at its address
    │   └── FatalSinkError       trying again cannot help
    ├── LinkError              a peer process does not answer
    └── ProcessError           starting, locking or ending a process

Adapters translate driver errors once, at their edge; services decide by class, never by message text.
"""


class ObserverError(Exception):
    """Anything the product raises on purpose."""


class ConfigError(ObserverError):
    """A setting is missing or wrong; `problems` lists every one found, each with its remedy."""

    def __init__(self, problems: "list[str] | str") -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.problems))


class MalformedMessage(ObserverError):
    """Bytes that the typed decoder refused."""

    def __init__(self, raw: bytes, reason: str) -> None:
        self.raw = raw
        self.reason = reason
        super().__init__(f"{reason} ({len(raw)} bytes)")


class JournalError(ObserverError):
    """The journal of a shard cannot be opened, written or read."""


class ChronicleError(ObserverError):
    """What the hub recorded of its view is missing, or no recording, or of a later release."""


class FeedError(ObserverError):
    """The broker failed or refused; `code` is its msg_cd or error_code, "" when it gave none."""

    def __init__(self, message: str, *, code: str = "") -> None:
        self.code = code
        super().__init__(message)


class TransientFeedError(FeedError):
    """Try again after a pause."""


class UnreachableFeedError(TransientFeedError):
    """No connection: nobody listens at the broker's address, or there is no way to it."""


class ReauthenticateError(FeedError):
    """The access token or approval key is no longer accepted: get a new one, once."""


class RateRefusedError(FeedError):
    """The broker counted too many calls in its window."""


class SymbolRefusedError(FeedError):
    """The broker does not accept this symbol or registration; the others are unharmed."""


class FatalFeedError(FeedError):
    """Trying again cannot help (wrong key, wrong host): stop and alarm."""


class SinkError(ObserverError):
    """A sink did not take a batch."""


class TransientSinkError(SinkError):
    """Keep the batch and try again."""


class UnreachableSinkError(TransientSinkError):
    """Nobody accepts connections at the store's address: it is down, or not up yet."""


class FatalSinkError(SinkError):
    """Trying again cannot help."""


class LinkError(ObserverError):
    """A peer process cannot be reached or does not answer in time."""


class VersionMismatch(LinkError):
    """The hub speaks a protocol that this program does not: asking again changes nothing."""


class ProcessError(ObserverError):
    """A process cannot be started, locked or ended."""
