"""Sentences of the core in Korean: what is known is translated whole, what is not stays as it came."""

import re
from pathlib import Path

import pytest

from observer_tui.core_words import _SENTENCES, korean

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("english", "expected"),
    [
        ("ready after 852 ms", "852 ms 뒤 준비됨"),
        ("process 13796 ended: signal 9 SIGKILL", "프로세스 13796 종료: 신호 9 SIGKILL"),
        ("stopped as ordered (exit code 0)", "명령대로 종료 (종료 코드 0)"),
        ("01:13:24 restart 500 symbols 11.5 s", "01:13:24 재시작 500 종목 11.5 s"),
        ("restart of 500 symbols since 01:13:24 is minor", "재시작 공백 500 종목, 01:13:24부터: 경미"),
        (
            "slot 22: 315500 (price_spike 1.32) takes the place of 0091W0: over rank 0.97",
            "슬롯 22: 315500 (가격 급등 1.32)이(가) 0091W0 자리를 차지: 순위 0.97보다 높음",
        ),
        ("36 of 36 slots are held: 000660 005930", "슬롯 36개 중 36개 사용: 000660 005930"),
        ("at most 2 books a second of each symbol are recorded", "종목당 호가를 초당 최대 2건 기록"),
        ("no observation after epoch 1 seq 20", "1기 20번 뒤 관측 없음"),
        ("lower score", "낮은 점수"),
        (
            "restart by root (uid 0, pid 6276) (test) done: runs as process 8888, start 2 [ticket eaa4]",
            "root의 재시작 (uid 0, pid 6276) (test) 완료: 프로세스 8888로 실행, 2번째 시작 [명령 eaa4]",
        ),
        ("paused gap of 497 symbols since 04:36:24 is minor", "일시정지 공백 497 종목, 04:36:24부터: 경미"),
        ("stale gap of 005930 since 04:36:24 is major", "005930 멈춘 값 공백, 04:36:24부터: 중대"),
        ("its shard swing-2 is backoff: signal 9 SIGKILL", "샤드 swing-2 상태 backoff: 신호 9 SIGKILL"),
        ("삼성전자 상한가 도달", "삼성전자 상한가 도달"),
        ("something new {a}", "something new {a}"),
        ("", ""),
    ],
)
def test_sentences_in_korean(english: str, expected: str) -> None:
    assert korean(english) == expected


def test_every_form_keeps_the_parts_of_its_sentence() -> None:
    for english, form in _SENTENCES:
        assert set(re.findall(r"{(\w)}", form)) <= set(re.findall(r"{(\w)}", english)), english


def test_the_sentences_about_symbols_are_those_of_the_hub() -> None:
    source = (ROOT / "observer_core/services/hub_freshness.py").read_text(encoding="utf-8")
    for opening in (
        "it is observed as expected",
        "trading in it is halted",
        "nothing explains it",
        "an open gap covers",
    ):
        assert opening in source
        assert any(english.startswith(opening) for english, _ in _SENTENCES)
