"""Exit codes of every process, shared by those who exit and those who wait."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the end of a process means; the supervisor's policy decides by it."""

    OK = 0
    """Stopped as asked, everything read is durable."""
    FAILED = 1
    """An error that a restart may cure."""
    USAGE = 2
    """Wrong command-line arguments."""
    CONFIG = 64
    """Settings or files are wrong: a restart cannot cure it."""
    CONNECT = 65
    """The broker, the database or a peer refused for good."""
    LOCKED = 66
    """Another process holds the lock of this role or data directory."""
    STALLED = 67
    """The process itself found that it makes no progress."""
    UNCLEAN = 68
    """Stopped as asked, but the deadline passed before everything was durable."""
