"""`python -m observer_core.kis.check_master FILE...`: what listing files hold, to compare with the broker's own counts.

Separate from the parser because it is run by hand, when the broker changes its files, and it prints.
"""

import sys
from collections import Counter
from pathlib import Path

from observer_core.kis.master import MasterFileError, parse_master
from observer_core.market.listings import Listing

_FLAGS = ("spac", "halted", "administrative", "liquidation", "preferred", "kosdaq150")


def describe(listings: list[Listing]) -> str:
    """Return the counts of a board as one line."""
    groups = Counter(listing.group for listing in listings)
    flags = {name: sum(getattr(listing, name) for listing in listings) for name in _FLAGS}
    members = sum(bool(listing.kospi200_sector) for listing in listings)
    parts = [f"{len(listings)} listings", " ".join(f"{group}={count}" for group, count in groups.most_common())]
    parts += [" ".join(f"{name}={count}" for name, count in flags.items()), f"kospi200={members}"]
    return " | ".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Print the counts of each file; return 0 if all could be read, else 1."""
    code = 0
    for name in sys.argv[1:] if arguments is None else arguments:
        path = Path(name)
        board = "kosdaq" if "kosdaq" in path.name else "kospi"
        try:
            listings = parse_master(path.read_bytes(), board, path.name)
        except (MasterFileError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - a command
            code = 1
        else:
            print(f"{path.name}: {describe(listings)}")  # noqa: T201 - a command
    return code


if __name__ == "__main__":
    sys.exit(main())
