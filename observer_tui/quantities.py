"""Numbers as an operator reads them. What is not known is `-`, never 0."""

from observer_core.clock import NS_PER_S, kst_datetime

UNKNOWN = "-"


def count(value: float | None) -> str:
    """Return a whole number with separators; above ten million in short form."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) < 10_000_000 else short(value)


def rate(value: float | None) -> str:
    """Return something per second: one decimal below ten."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if 0 < value < 9.95 else count(value)


def short(value: float | None) -> str:
    """Return a number in at most five characters."""
    if value is None:
        return UNKNOWN
    for factor, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.1f}{suffix}" if abs(value) < 100 * factor else f"{value / factor:.0f}{suffix}"
    return f"{value:.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.1f}"


def size(value: float | None) -> str:
    """Return bytes with a decimal unit."""
    if value is None:
        return UNKNOWN
    for factor, suffix in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= factor:
            scaled = value / factor
            return f"{scaled:.2f} {suffix}" if scaled < 10 else f"{scaled:,.1f} {suffix}"
    return f"{value:.0f} B"


def duration(seconds: float | None) -> str:
    """Return a span of time in at most six characters: 38ms, 1.9s, 42s, 4m12s, 3h04m, 12d04h, 340d."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    days = whole // 86400
    return f"{days}d{whole % 86400 // 3600:02d}h" if days < 100 else f"{days}d"


def age(seconds: float | None) -> str:
    """Return how old something is, to a tenth of a second while it is young."""
    if seconds is None:
        return UNKNOWN
    return f"{max(0.0, seconds):.1f}s" if seconds < 9.95 else duration(seconds)


def age_ns(since_ns: int | None, now_ns: int) -> str:
    """Return the age of an instant; `-` when it never was."""
    return UNKNOWN if not since_ns else age((now_ns - since_ns) / NS_PER_S)


def percent(share: float | None) -> str:
    """Return a share between 0 and 1 as whole percent."""
    return UNKNOWN if share is None else f"{share * 100:.0f}%"


def clock_time(at_ns: int | None) -> str:
    """Return the Korean time of day."""
    return UNKNOWN if not at_ns else kst_datetime(at_ns).strftime("%H:%M:%S")


def date_time(at_ns: int | None) -> str:
    """Return Korean date and time."""
    return UNKNOWN if not at_ns else kst_datetime(at_ns).strftime("%Y-%m-%d %H:%M:%S")
