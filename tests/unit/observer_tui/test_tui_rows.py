"""Filters, sort orders, selection, bindings, typed commands, orders in words."""

import ast
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer_core.clock import NS_PER_S
from observer_core.messages import Event
from observer_tui.bindings import BINDINGS, PAGE_KEYS, available, binding_of
from observer_tui.cells import width_of, wrapped
from observer_tui.command_line import Intent, parse
from observer_tui.feed import LinkFacts, LinkState
from observer_tui.frame import Frame
from observer_tui.glyphs import BLOCKS
from observer_tui.lines import line_width
from observer_tui.looks import THEMES, style_of
from observer_tui.options import THEME_NAMES, parse_options
from observer_tui.orders import PlannedOrder, plan
from observer_tui.pages import draw_page
from observer_tui.rows import (
    SORTS,
    facts_of,
    foremost,
    in_order,
    matching_events,
    moved,
    passes,
    visible_rows,
    window_top,
)
from observer_tui.store import Store
from observer_tui.terminal import column_of
from observer_tui.ui_state import RATES_HZ, Page, UiState, stepped
from observer_tui.words import Words, has_korean, language_of
from tests.fixtures.console_feed import OPENING_NS, shard, view_at

LIVE = LinkFacts(LinkState.LIVE, "", OPENING_NS, 0.2)


def frame_of(ui: UiState | None = None, seconds: int = 3, **changes: object) -> Frame:
    store = Store(BLOCKS, "0.1.0")
    for second in range(seconds):
        view = view_at(second)
        if second == seconds - 1:
            view = msgspec.structs.replace(view, **changes)
        store.accept(view, LIVE, view.as_of_ns)
    return store.frame(ui or UiState(), OPENING_NS + (seconds - 1) * NS_PER_S)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", 9),
        ("swing", 4),
        ("!swing", 5),
        ("writer", 2),
        ("swing-1", 1),
        ("kind=scalp", 1),
        ("state=running !kind=writer", 7),
        ("lag>0.16", 2),
        ("lag>0.09 swing", 4),
        ("lag>", 9),
        ("records<140 swing", 1),
        ("-f sw3", 1),
        ("symbols=41", 1),
    ],
)
def test_filters(text: str, names: int) -> None:
    frame = frame_of(UiState(row_filter=text))
    assert len(frame.rows) == names


def test_letters_in_order() -> None:
    assert in_order("sg1", "swing-1")
    assert not in_order("gs", "swing-1")


def test_troubled_rows_come_first_and_equals_keep_their_order() -> None:
    rows = (*view_at(2).processes[:2], shard(2, 2, open_gaps=1), *view_at(2).processes[3:])
    names = [facts.row.name for facts in frame_of(processes=rows).rows]
    assert names == ["swing-2", "swing-0", "swing-1", "swing-3", "scalp-0", "jsonl", "postgres", "hub", "maintenance"]


@pytest.mark.parametrize("name", list(SORTS))
def test_every_sort_order_sorts_and_inverts(name: str) -> None:
    frame = frame_of()
    assert frame.view is not None
    down = visible_rows(frame.view, frame.meters, UiState(sort=name), frame.now_ns)
    up = visible_rows(frame.view, frame.meters, UiState(sort=name, inverted=True), frame.now_ns)
    assert {facts.row.name for facts in down} == {facts.row.name for facts in up}
    keys = [SORTS[name](facts) for facts in down]
    assert keys == sorted(keys, reverse=not isinstance(keys[0], str))
    assert [SORTS[name](facts) for facts in up] == sorted(keys, reverse=isinstance(keys[0], str))


def test_shards_sort_by_number() -> None:
    view = view_at(2, processes=tuple(shard(0, 2, name=f"swing-{index}") for index in (10, 9, 1)))
    rows = visible_rows(view, frame_of().meters, UiState(), view.as_of_ns)
    assert [facts.row.name for facts in rows] == ["swing-1", "swing-9", "swing-10"]


def test_moving_holds_at_the_ends_and_a_lost_selection_starts_at_the_top() -> None:
    rows = frame_of().rows
    assert moved(rows, "swing-0", -1) == "swing-0"
    assert moved(rows, "swing-0", 100) == "maintenance"
    assert moved(rows, "gone", 1) == "swing-1"
    assert moved((), "swing-0", 1) == "swing-0"
    assert [window_top(index, 20, 6) for index in (0, 10, 19)] == [0, 7, 14]


def test_events_are_filtered_newest_first() -> None:
    events = view_at(0).events
    assert [event.subject for event in matching_events(events, UiState())][:2] == ["005930", "postgres"]
    assert len(matching_events(events, UiState(severe_only=True))) == 1
    assert len(matching_events(events, UiState(event_filter="!info"))) == 1
    assert len(matching_events(events, UiState(), "scalp-0")) == 1


def _told(at_ns: int, name: str, severity: str = "info") -> Event:
    return Event(at_ns, name, severity, "scalp-0", f"{name} {at_ns}")


@given(st.lists(st.integers(0, 9)))
def test_events_stand_in_their_own_order_whenever_they_came(times: list[int]) -> None:
    events = [_told(at_ns, f"n{place}") for place, at_ns in enumerate(times)]
    shown = matching_events(events, UiState())
    wanted = sorted(((at_ns, place) for place, at_ns in enumerate(times)), reverse=True)
    assert [(event.at_ns, int(event.name[1:])) for event in shown] == wanted


def test_routine_pushes_out_neither_warnings_nor_orders() -> None:
    old = [_told(1, "exit", "error"), _told(2, "order"), _told(3, "process_ready")]
    events = matching_events([*old, *(_told(at_ns, "slot_changed") for at_ns in range(4, 40))], UiState())
    assert [event.at_ns for event in foremost(events, 5)] == [39, 38, 3, 2, 1]
    assert [event.at_ns for event in foremost(events, 2)] == [2, 1]
    assert foremost(events, 100) == events
    assert foremost(events, -1) == []


@given(st.text("ab 가나 한", max_size=80), st.integers(2, 20))
def test_a_text_is_wrapped_without_loss(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_every_binding_is_unique_and_explained() -> None:
    keys = [key for binding in BINDINGS for key in binding.keys.split(",")]
    assert len(keys) == len(set(keys))
    assert len({binding.id for binding in BINDINGS}) == len(BINDINGS)
    assert all(binding.help and binding.label and binding.shown for binding in BINDINGS)


def test_no_lowercase_key_gives_an_order() -> None:
    for binding in BINDINGS:
        # Acknowledging an alert is the one exception: it is audited, and undoes itself when the alert is over.
        if (binding.orders or binding.id == "write") and binding.id != "acknowledge":
            assert all(key.isupper() for key in binding.keys.split(","))


def test_number_keys_are_those_of_the_pages() -> None:
    assert [key for key, _, _ in PAGE_KEYS] == [*"123456789"]
    assert {page for _, page, _ in PAGE_KEYS} == set(Page) - {Page.HELP, Page.SYMBOL}


def test_orders_are_greyed_and_other_pages_keys_absent() -> None:
    restart = binding_of("order('restart')")
    assert restart is not None
    assert available(restart, Page.OVERVIEW, may_order=False) is None
    assert available(restart, Page.OVERVIEW, may_order=True) is True
    assert available(restart, Page.EVENTS, may_order=True) is False


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("ov", Intent("page", "overview")),
        ("sh swing-1", Intent("page", "process swing-1")),
        ("restart swing-1", Intent("order", "restart swing-1")),
        ("resume swing-1", Intent("order", "pause swing-1")),
        ("q", Intent("detach")),
        ("rate 4/s", Intent("rate", "4")),
        ("window 5m", Intent("window", "5")),
        ("lang ko", Intent("language", "ko")),
        ("f lag>5 swing", Intent("filter", "lag>5 swing")),
    ],
)
def test_typed_commands(text: str, intent: Intent) -> None:
    assert parse(text) == intent


@pytest.mark.parametrize("text", ["", "fly", "rate 3", "window 7", "lang fr"])
def test_wrong_commands_say_what_is_known(text: str) -> None:
    assert isinstance(parse(text), str)


def test_a_restart_names_what_stops_and_for_how_long() -> None:
    frame = frame_of()
    assert frame.view is not None
    facts = facts_of(frame.view.processes[1], frame.view, frame.meters, frame.now_ns)
    order = plan("restart", facts, frame)
    assert isinstance(order, PlannedOrder)
    assert (order.verb, order.target, order.generation) == ("restart", "swing-1", 1)
    assert order.consequences[0].startswith("500 symbols, without data until its next sweep of 3.4s")
    facts.meter.outage_s = 0.025
    order = plan("restart", facts, frame)
    assert isinstance(order, PlannedOrder)
    assert order.consequences[0] == "500 symbols, about 25ms without data (its last restart)"


def test_other_kinds_say_what_a_restart_means_for_them() -> None:
    frame = frame_of()
    said = {}
    for facts in frame.rows:
        order = plan("restart", facts, frame)
        assert isinstance(order, PlannedOrder)
        said[facts.row.kind] = order.consequences
    assert "catches up from the journal" in said["writer"][0]
    assert "leases end" in said["hub"][0]
    assert said["swing"][-1] == "THE MARKET IS OPEN."
    assert len(said["maintenance"]) == 1


def test_every_word_on_the_screen_has_a_korean_form() -> None:
    missing: set[str] = set()
    for path in (Path(__file__).parents[3] / "observer_tui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name in {"words", "notice"} and isinstance(first, ast.Constant) and isinstance(first.value, str):
                missing |= set() if has_korean(first.value) else {first.value}
    missing |= {text for binding in BINDINGS for text in (binding.label, binding.help) if not has_korean(text)}
    assert not missing


def test_words_keep_their_values_in_both_languages() -> None:
    for language in ("en", "ko"):
        assert "12s" in Words(language)("starts again in {time}", time="12s")
    assert language_of({"LANG": "ko_KR.UTF-8"}) == "ko"
    assert language_of({"LC_ALL": "C", "LANG": "ko_KR.UTF-8"}) == "en"


@pytest.mark.parametrize(
    "size", [(60, 15), (61, 17), (79, 24), (80, 24), (100, 31), (119, 60), (120, 32), (160, 48), (250, 80)]
)
@pytest.mark.parametrize("page", list(Page))
@pytest.mark.parametrize("language", ["en", "ko"])
def test_panes_tile_every_screen(size: tuple[int, int], page: Page, language: str) -> None:
    width, height = size
    covered = [[0] * width for _ in range(height)]
    for pane in draw_page(frame_of(UiState(page=page, language=language)), width, height):
        assert len(pane.lines) == pane.height, pane.name
        assert {line_width(line) for line in pane.lines} <= {pane.width}, pane.name
        for y in range(pane.y, pane.y + pane.height):
            for x in range(pane.x, pane.x + pane.width):
                covered[y][x] += 1
    assert {count for row in covered for count in row} == {1}


def test_themes_know_every_role_and_none_has_colour() -> None:
    roles = set(THEMES["dark"])
    assert set(THEMES) == set(THEME_NAMES)
    for theme, styles in THEMES.items():
        assert set(styles) == roles
        for role in roles:
            style = style_of(theme, role)
            assert theme != "none" or (style.color is None and style.bgcolor is None)


def test_rates_step_and_hold() -> None:
    assert stepped(2.0, RATES_HZ, 1) == 4.0
    assert stepped(4.0, RATES_HZ, 1) == 4.0
    assert stepped(0.5, RATES_HZ, -1) == 0.5


def test_cursor_reports() -> None:
    assert column_of(b"\x1b[12;3R") == 3
    assert column_of(b"junk\x1b[1;2R") == 2
    assert column_of(b"\x1b[12R") is None
    assert column_of(b"") is None


def test_options_follow_the_environment() -> None:
    options = parse_options([], {"OBSERVER_RUN_DIR": "/x", "SSH_CONNECTION": "a", "NO_COLOR": "", "LANG": "ko_KR"}, "1")
    assert (str(options.run_dir), options.mouse, options.theme, options.language) == ("/x", False, "none", "ko")
    options = parse_options(["--lang", "en", "--theme", "light"], {"OBSERVER_OPERATOR": "park"}, "1")
    assert (str(options.run_dir), options.mouse, options.theme, options.operator) == (
        "/run/observer",
        True,
        "light",
        "park",
    )
    assert not passes(frame_of().rows[0], "nothing-like-it")


def test_directories_stand_in_the_env_file_too(tmp_path: Path) -> None:
    env_file = tmp_path / "observer.env"
    env_file.write_text("OBSERVER_LOG_DIR=/srv/logs\nOBSERVER_RUN_DIR=/srv/run\n")
    environ = {"OBSERVER_ENV_FILE": str(env_file), "OBSERVER_RUN_DIR": "/x"}
    options = parse_options([], environ, "1")
    assert (str(options.run_dir), str(options.log_dir)) == ("/x", "/srv/logs")
    assert str(parse_options(["--log-dir", "/y"], environ, "1").log_dir) == "/y"
    env_file.unlink()
    assert str(parse_options([], environ, "1").log_dir) == "/app/logs"
