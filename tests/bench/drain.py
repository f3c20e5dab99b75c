"""A process that takes batches and throws them away: `python -m tests.bench.drain <endpoint> <parent>`."""

import os
import sys

from observer_core.bus.subscriber import BatchSubscriber


def main() -> None:
    """Take until terminated or orphaned."""
    subscriber = BatchSubscriber(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while os.getppid() == int(sys.argv[2]):
        subscriber.drain(1000, 200)


if __name__ == "__main__":
    main()
