"""Who gives an order: the login name, where the operator does not say otherwise."""

import os
import pwd


def login_name() -> str:
    """Return the name of this process's user, or its number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
