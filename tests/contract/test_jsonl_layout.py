"""Where records lie in the archive: the paths as readers and other tools know them."""

from hypothesis import given
from hypothesis import strategies as st

from observer_core.archive.layout import parse_path, shard_track, window_of
from observer_core.clock import NS_PER_S
from observer_core.ids import ShardName
from observer_core.messages import Track
from tests.fixtures.journals import NINE_OCLOCK_NS


def path(track: Track, shard: str, minutes: int = 0) -> str:
    return window_of(track, ShardName(shard), NINE_OCLOCK_NS + minutes * 60 * NS_PER_S).path


def test_swing_and_system_are_hourly_and_scalp_is_in_five_minutes() -> None:
    assert path(Track.SWING, "swing-0", 59) == "swing/2026/07/24/09/swing-0.jsonl"
    assert path(Track.SYSTEM, "swing-0", 60) == "system/2026/07/24/10/swing-0.jsonl"
    assert path(Track.SCALP, "scalp-0") == "scalp/2026/07/24/09/scalp-0-0900.jsonl"
    assert path(Track.SCALP, "scalp-0", 9) == "scalp/2026/07/24/09/scalp-0-0905.jsonl"


def test_hours_are_korean() -> None:
    assert path(Track.SWING, "swing-0", -540) == "swing/2026/07/24/00/swing-0.jsonl"
    assert path(Track.SWING, "swing-0", -541) == "swing/2026/07/23/23/swing-0.jsonl"


def test_a_shards_track_is_in_its_name() -> None:
    assert [shard_track(ShardName(name)) for name in ("swing-3", "scalp-0", "hub", "maintenance")] == [
        Track.SWING,
        Track.SCALP,
        Track.SYSTEM,
        Track.SYSTEM,
    ]


@given(
    track=st.sampled_from(Track),
    shard=st.from_regex(r"[a-z]{1,8}(-\d{1,2})?", fullmatch=True),
    at_ns=st.integers(0, 4_000_000_000 * NS_PER_S),
    sealed=st.booleans(),
)
def test_a_path_says_what_the_file_holds(track: Track, shard: str, at_ns: int, sealed: bool) -> None:
    window = window_of(track, ShardName(shard), at_ns)
    assert window.begins_ns <= at_ns < window.ends_ns
    assert parse_path(window.path + (".zst" if sealed else "")) == window
    assert window_of(track, ShardName(shard), window.ends_ns).begins_ns == window.ends_ns


def test_other_paths_are_not_ours() -> None:
    good = "scalp/2026/07/24/09/scalp-0-0905.jsonl"
    assert parse_path(good) is not None
    for other in (
        good + ".torn",
        good.replace("0905", "1005"),
        good.replace("0905", "0907"),
        good.replace("/07/", "/13/"),
        good.replace("scalp/", "other/"),
        good.replace("-0905", ""),
    ):
        assert parse_path(other) is None, other
