"""`python -m observer_core.services.alert_sender`: send one message to the addresses, and end.

A process of its own, because the notification library is large and slow, and its network calls block: neither may
happen in a process that lives. Standard input is JSON: title, body, urls. Exit code 0 sent, 1 not, 2 bad input.
"""

import logging
import sys

import msgspec

SENT, FAILED, USAGE = 0, 1, 2


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in on standard input; the addresses hold credentials and never stand in argv."""

    title: str
    body: str
    urls: tuple[str, ...]


def main() -> int:
    """Send what standard input says and return the exit code."""
    try:
        dispatch = msgspec.json.decode(sys.stdin.buffer.read(), type=Dispatch)
    except msgspec.DecodeError:
        return USAGE
    # Its log lines would carry addresses.
    logging.disable(logging.CRITICAL)
    from apprise import Apprise

    targets = Apprise()
    accepted = [targets.add(url) for url in dispatch.urls]
    if not accepted or not all(accepted):
        return USAGE
    return SENT if targets.notify(title=dispatch.title, body=dispatch.body) else FAILED


if __name__ == "__main__":
    sys.exit(main())
