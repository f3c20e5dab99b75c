"""`python -m observer_core.kis.simulator`."""

import sys

from observer_core.kis.simulator.cli import main

if __name__ == "__main__":
    sys.exit(main())
