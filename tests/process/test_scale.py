"""Scaling the real tree while it collects: symbols move, nobody else is touched, nothing is out of sight."""

import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from observer_core.clock import NS_PER_S, SystemClock
from observer_core.ids import ShardName
from observer_core.journal.files import list_segments
from observer_core.journal.reader import SegmentReader, payload_spans
from observer_core.messages import Gap, Quote, decode_batch
from observer_core.services.assignment import read_assignment
from tests.fixtures.loopback_tree import LoopbackTree
from tests.fixtures.supervised import until

pytestmark = pytest.mark.process

SYMBOLS = 240
LONGEST_HOLE_S = 10.0
"""Beyond this a hole is a gap, which needs a record."""
WHY = ("--reason", "a test", "--wait")


def test_scale_up_and_down_under_load(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", symbols=SYMBOLS, swing_shards=2) as tree:
        tree.collecting(2)
        others = tree.pids()

        up = tree.observerctl("scale", "swing", "3", *WHY)
        assert (up.returncode, "done" in up.stdout) == (0, True), (up.stdout, up.stderr, tree.log())
        assert {name: pid for name, pid in tree.pids().items() if name in others} == others
        assert _owners(tree, 3) == SYMBOLS
        tree.collecting(3)

        down = tree.observerctl("scale", "swing", "1", *WHY)
        assert (down.returncode, "done" in down.stdout) == (0, True), (down.stdout, down.stderr, tree.log())
        survivors = {name: pid for name, pid in others.items() if name != "swing-1"}
        assert {name: pid for name, pid in tree.pids().items() if name in others} == survivors
        assert _owners(tree, 1) == SYMBOLS
        until(lambda: "swing-2" not in _rows(tree), "the drained shard stays in the view", tree.log)

        assert tree.stop() == 0
        assert _holes_without_gap(tree) == []
        tree.start()
        tree.collecting(1)
        assert [name for name in tree.pids() if name.startswith("swing")] == ["swing-0"], "forgotten by a restart"


def test_what_cannot_be_scaled_is_refused(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", symbols=30) as tree:
        tree.collecting(1)
        for kind, count, words in (("scalp", "2", "only 'swing' can"), ("swing", "65", "1 to 64")):
            refused = tree.observerctl("scale", kind, count, *WHY)
            assert refused.returncode == 1
            assert words in refused.stdout + refused.stderr
        same = tree.observerctl("scale", "swing", "1", *WHY)
        assert (same.returncode, "there are 1 already" in same.stdout) == (0, True)
        running = tree.observerctl("release", "swing-0", *WHY)
        assert (running.returncode, "runs already" in running.stdout + running.stderr) == (1, True)


@pytest.mark.chaos
def test_symbols_of_a_shard_that_is_long_gone_get_a_gap_from_its_last_observation(tmp_path: Path) -> None:
    with LoopbackTree(tmp_path / "tree", symbols=60, swing_shards=2) as tree:
        tree.collecting(2)
        before = read_assignment(tree.paths)
        tree.process.kill()
        tree.process.wait()
        killed_ns = SystemClock().now_ns()
        time.sleep(LONGEST_HOLE_S + 1)
        tree.change(swing_shards=1)
        tree.start()
        tree.collecting(1)
        assert before is not None
        moved = set(before.swing[ShardName("swing-1")])
        until(lambda: _gap_covers(tree, moved, killed_ns), "no gap over what changed shards", tree.log)


def _gap_covers(tree: LoopbackTree, symbols: set[str], since_ns: int) -> bool:
    gaps = _records(tree, "swing-0")[1]
    covered = {symbol for gap in gaps if gap.from_ns <= since_ns for symbol in gap.symbols}
    return symbols <= covered


def _records(tree: LoopbackTree, shard: str) -> tuple[list[Quote], list[Gap]]:
    """Return what the shard's journal holds, in order."""
    quotes: list[Quote] = []
    gaps: list[Gap] = []
    directory = tree.paths.journals / shard
    for name in list_segments(directory):
        with SegmentReader(directory / name.file_name) as reader:
            for begin, end in payload_spans(reader)[0]:
                records = decode_batch(reader.read_span(begin, end)).records
                quotes += [record for record in records if isinstance(record, Quote)]
                gaps += [record for record in records if isinstance(record, Gap)]
    return quotes, gaps


def _rows(tree: LoopbackTree) -> list[str]:
    view = tree.view()
    return [row.name for row in view.processes] if view else ["swing-2"]


def _owners(tree: LoopbackTree, shards: int) -> int:
    """Return how many symbols the assignment in force deals, each once, to so many shards."""
    assignment = read_assignment(tree.paths)
    assert assignment is not None
    assert len(assignment.swing) == shards
    dealt = [symbol for symbols in assignment.swing.values() for symbol in symbols]
    assert len(dealt) == len(set(dealt))
    return len(dealt)


def _holes_without_gap(tree: LoopbackTree) -> list[tuple[str, float]]:
    """Return (symbol, seconds) wherever nobody observed a symbol for too long and no gap record says so."""
    seen: dict[str, list[int]] = defaultdict(list)
    gaps: list[Gap] = []
    for directory in sorted(tree.paths.journals.glob("swing-*")):
        quotes, found = _records(tree, directory.name)
        gaps += found
        for quote in quotes:
            seen[quote.symbol].append(quote.received_ns)
    assert len(seen) == SYMBOLS
    holes = []
    for symbol, times in seen.items():
        times.sort()
        for before, after in pairwise(times):
            covered = any(symbol in gap.symbols and gap.from_ns <= before for gap in gaps)
            if after - before > LONGEST_HOLE_S * NS_PER_S and not covered:
                holes.append((symbol, (after - before) / NS_PER_S))
    return holes
