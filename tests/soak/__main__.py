"""`python -m tests.soak [LEG …] --duration S`: the budgets over a long time; exit 0 only when every leg holds."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.legs import LEGS


def main() -> int:
    """Run the legs one after the other and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("legs", nargs="*", metavar="LEG", help=f"of {', '.join(LEGS)}; none = all")
    parser.add_argument("--duration", type=float, default=600.0, help="seconds of each leg")
    options = parser.parse_args()
    if unknown := set(options.legs) - set(LEGS):
        parser.error(f"no such leg: {', '.join(sorted(unknown))}")
    failed = False
    for name in options.legs or LEGS:
        with tempfile.TemporaryDirectory(prefix="observer-soak-") as directory:
            try:
                line = LEGS[name](Path(directory) / "tree", options.duration)
            except AssertionError as error:
                line, failed = f"FAILED: {error}", True
        sys.stdout.write(f"{name}: {line}\n")
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
