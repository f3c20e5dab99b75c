"""Loader of the SQL files: Python never concatenates SQL, it names a file.

Separate from the sink so that migrations and the writer read the same texts.
"""

from functools import cache
from importlib import resources
from typing import LiteralString


@cache
def statement(name: str) -> LiteralString:
    """Return the text of `sql/<name>.sql`.

    Raises:
        FileNotFoundError: the package carries no such file.
    """
    # The text is part of the package, which is what LiteralString is there to guarantee.
    return (resources.files(__package__) / f"{name}.sql").read_text(encoding="utf-8")
