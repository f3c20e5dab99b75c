"""How a command ends: the exit codes, and the product's errors as words on standard error.

One home, so that every command fails alike: 1 refused or failed, 2 wrong usage or settings, 3 nobody answers.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from observer_core.errors import ConfigError, LinkError, ObserverError

FAILED = 1
USAGE = 2
NOBODY = 3


@contextmanager
def exit_codes(*failures: type[Exception]) -> Iterator[None]:
    """Turn the product's errors into words and exit codes; `failures` are answers of a peer, not wrong settings.

    Raises:
        typer.Exit: an error came; the words are written.
    """
    try:
        yield
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
        raise typer.Exit(FAILED if isinstance(error, failures) else USAGE) from error
    except LinkError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(NOBODY) from error
    except (ObserverError, OSError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(FAILED) from error
