"""Korean forms of the sentences that the core makes: events, notes, causes of death, results of orders.

The core speaks English, in logs and archives too; here its sentences are recognised by pattern. Separate from `words`
because nothing of it is needed for an English console. A sentence without a pattern stays English.
"""

import re
from functools import lru_cache
from typing import NamedTuple


class _Form(NamedTuple):
    pattern: re.Pattern[str]
    korean: str


_SENTENCES: tuple[tuple[str, str], ...] = (
    ("({a}) {b}", "({a}) {b}"),
    ("{a} [ticket {b}]", "{a} [명령 {b}]"),
    # processes
    ("ready after {a} ms", "{a} ms 뒤 준비됨"),
    ("process {a} ended: {b}", "프로세스 {a} 종료: {b}"),
    ("runs as process {a}, start {b}", "프로세스 {a}로 실행, {b}번째 시작"),
    ("stable after {a} failures", "{a}번 실패 뒤 안정"),
    ("no progress for {a} s; stacks saved, then killed", "{a}초 동안 진행 없음; 스택 저장 뒤 강제 종료"),
    ("killed by signal {a}", "신호 {a}로 종료됨"),
    ("silent since {a}", "{a}부터 보고 없음"),
    ("figures are from before it ended", "종료 전의 값"),
    ("universe {a}: {b} symbols; {c}", "종목군 {a}: {b} 종목; {c}"),
    ("universe {a}: {b} symbols", "종목군 {a}: {b} 종목"),
    ("it is started at once", "곧바로 시작함"),
    ("passed on to the supervisor", "감독 프로세스에 전달됨"),
    ("the supervisor is stopping", "감독 프로세스가 종료 중"),
    ("{a} runs already; to renew it, restart it", "{a}은(는) 이미 실행 중; 새로 하려면 재시작"),
    ("{a} is being restarted by ticket {b}; wait for it", "{a}은(는) 명령 {b}로 재시작 중; 기다리세요"),
    ("{a} is ending already; it starts again by itself", "{a}은(는) 이미 종료 중; 스스로 다시 시작함"),
    ("the new process is not up ({a}): {b}", "새 프로세스가 시작되지 않음 ({a}): {b}"),
    ("paused by an operator", "운영자가 일시정지함"),
    ("stopped as ordered ({a})", "명령대로 종료 ({a})"),
    ("no progress, killed ({a})", "진행 없음, 강제 종료 ({a})"),
    ("out of memory ({a})", "메모리 부족 ({a})"),
    ("signal {a}", "신호 {a}"),
    ("exit code {a}", "종료 코드 {a}"),
    ("process {a} is told to end", "프로세스 {a}에 종료를 알림"),
    ("accepted", "접수됨"),
    ("slot {a}: {b} ({c} {d}) takes the place of {e}: {f}",
     "슬롯 {a}: {b} ({c} {d})이(가) {e} 자리를 차지: {f}"),
    ("slot {a}: {b} takes the place of {c}: {d}", "슬롯 {a}: {b}이(가) {c} 자리를 차지: {d}"),
    ("dwell", "보장 시간"),
    ("lower score", "낮은 점수"),
    ("pinned", "고정됨"),
    ("refused by broker", "증권사 거부"),
    ("late", "늦음"),
    ("over {a} {b}", "{a} {b}보다 높음"),
    ("rank", "순위"),
    ("pin", "고정"),
    ("volume_surge", "거래량 급증"),
    ("trade_velocity", "체결 속도"),
    ("volatility_spike", "변동성 급등"),
    ("price_spike", "가격 급등"),
    ("{a} of {b} slots are held: {c}", "슬롯 {b}개 중 {a}개 사용: {c}"),
    ("at most {a} books a second of each symbol are recorded", "종목당 호가를 초당 최대 {a}건 기록"),
    ("no observation after epoch {a} seq {b}", "{a}기 {b}번 뒤 관측 없음"),
    ("done", "완료"),
    ("failed", "실패"),
    ("refused", "거부됨"),
    ("pinned by an operator", "운영자가 고정"),
    ("universe reload {a} -> {b} symbols (+{c} -{d}), {e} moved, shards touched: {f}, {g} restarts; {h}",
     "종목군 다시 적용 {a} → {b} 종목 (+{c} -{d}), 이동 {e}, 관련 샤드: {f}, 재시작 {g}; {h}"),
    ("universe {a} of {b} listings by {c}: {d} -> {e} symbols (+{f} -{g})",
     "종목군 {a}: 상장 {b} 중 {e} 종목 (+{f} -{g}), {c}"),
    # gaps
    ("{a} restart {b} symbols {c}", "{a} 재시작 {b} 종목 {c}"),
    ("{a} stream_cut {b} symbols {c}", "{a} 스트림 끊김 {b} 종목 {c}"),
    ("{a} paused {b} symbols {c}", "{a} 일시정지 {b} 종목 {c}"),
    ("{a} call_failed {b} symbols {c}", "{a} 호출 실패 {b} 종목 {c}"),
    ("{a} journal_fault {b} symbols {c}", "{a} 저널 장애 {b} 종목 {c}"),
    ("{a} reassigned {b} symbols {c}", "{a} 샤드 이동 {b} 종목 {c}"),
    ("{a} continuity {b} {c}", "{a} 누락 체결 {b} {c}"),
    ("restart of {a} symbols since {b} ended after {c} s ({d})", "재시작 공백 {a} 종목, {b}부터 {c}초 ({d})"),
    ("restart of {a} symbols since {b} is {c}", "재시작 공백 {a} 종목, {b}부터: {c}"),
    ("paused of {a} symbols since {b} ended after {c} s ({d})", "일시정지 공백 {a} 종목, {b}부터 {c}초 ({d})"),
    ("paused of {a} symbols since {b} is {c}", "일시정지 공백 {a} 종목, {b}부터: {c}"),
    ("stream_cut of {a} symbols since {b} ended after {c} s ({d})", "스트림 끊김 {a} 종목, {b}부터 {c}초 ({d})"),
    ("{a} gap of {b} symbols since {c} ended after {d} s ({e})", "{a} 공백 {b} 종목, {c}부터 {d}초 ({e})"),
    ("{a} gap of {b} symbols since {c} is {d}", "{a} 공백 {b} 종목, {c}부터: {d}"),
    ("{a} gap of {b} since {c} ended after {d} s ({e})", "{b} {a} 공백, {c}부터 {d}초 ({e})"),
    ("{a} gap of {b} since {c} is {d}", "{b} {a} 공백, {c}부터: {d}"),
    ("restart", "재시작"),
    ("paused", "일시정지"),
    ("stream_cut", "스트림 끊김"),
    ("call_failed", "호출 실패"),
    ("journal_fault", "저널 장애"),
    ("reassigned", "샤드 이동"),
    ("continuity", "누락 체결"),
    ("stale", "멈춘 값"),
    ("open", "열림"),
    ("minor", "경미"),
    ("major", "중대"),
    ("critical", "치명"),
    ("restart since {a}", "재시작, {a}부터"),
    ("stream_cut since {a}", "스트림 끊김, {a}부터"),
    ("paused since {a}", "일시정지, {a}부터"),
    ("call_failed since {a}", "호출 실패, {a}부터"),
    # symbols
    ("it is observed as expected", "예상대로 관측됨"),
    ("nothing is expected: the market's phase is {a}", "관측 예정 없음: 시장 상태 {a}"),
    ("it is observed as expected, but does not trade: illiquid, or not traded today",
     "예상대로 관측되나 체결 없음: 거래가 뜸하거나 오늘 거래 없음"),
    ("trading in it is halted", "거래정지 종목"),
    ("volatility interruption (VI) since about {a}", "변동성 완화장치(VI), 약 {a}부터"),
    ("its shard {a} was paused by an operator", "샤드 {a}를 운영자가 일시정지함"),
    ("not seen yet: the hub has just begun to watch", "아직 관측 전: 허브가 막 시작함"),
    ("an open gap covers it: {a}", "열린 공백에 속함: {a}"),
    ("its shard {a} is {b}: {c}", "샤드 {a} 상태 {b}: {c}"),
    ("its shard {a} is {b}", "샤드 {a} 상태 {b}"),
    ("nothing explains it: {a} runs and does not observe it; look at its log",
     "설명되지 않음: {a}은(는) 실행 중이나 관측하지 않음; 로그를 보세요"),
    ("last observed {a}, expected every {b}", "마지막 관측 {a}, 예상 간격 {b}"),
    ("not observed since the hub began at {a}", "허브가 시작한 {a}부터 관측 없음"),
    ("its volume last grew at {a}", "마지막 거래량 증가 {a}"),
    ("its volume has not grown since the hub began at {a}", "허브가 시작한 {a}부터 거래량 증가 없음"),
    ("open gap: {a}", "열린 공백: {a}"),
    ("{a} is not collected: {b}", "{a}은(는) 수집 대상이 아님: {b}"),
    # orders and errands
    ("begun", "시작됨"),
    ("maintenance was asked", "관리 프로세스에 요청함"),
    ("maintenance does not answer: look at it; the request stays on its desk",
     "관리 프로세스가 답하지 않음: 확인 필요; 요청은 남아 있음"),
    ("working out what would change", "무엇이 바뀔지 계산 중"),
    ("noted; it stays in the list until it is over", "확인됨; 끝날 때까지 목록에 남음"),
    ("applied: {a}", "적용됨: {a}"),
    ("unchanged: {a}", "변경 없음: {a}"),
    ("{a} -> {b} symbols (+{c} -{d}), {e} moved, shards touched: {f}, {g} restarts",
     "{a} → {b} 종목 (+{c} -{d}), 이동 {e}, 관련 샤드: {f}, 재시작 {g}"),
    ("{a} by {b} refused: {c}", "{b}의 {a} 거부됨: {c}"),
    ("restart by {b} ({c}) {d}: {e}", "{b}의 재시작 ({c}) {d}: {e}"),
    ("pause by {b} ({c}) {d}: {e}", "{b}의 일시정지 ({c}) {d}: {e}"),
    ("resume by {b} ({c}) {d}: {e}", "{b}의 재개 ({c}) {d}: {e}"),
    ("pin by {b} ({c}) {d}: {e}", "{b}의 고정 ({c}) {d}: {e}"),
    ("given back", "반납"),
    # upkeep
    ("kept for {a} days after an anomaly", "이상일이라 {a}일 보존"),
    ("kept for {a} days", "{a}일 보존"),
    ("{a} days old, a verified copy lies elsewhere", "{a}일 지남, 다른 곳에 검증된 사본 있음"),
    ("{a} days old, more than {b}, but {c}: pull the backups", "{a}일 지나 {b}일 초과, 그러나 {c}: 백업을 가져가세요"),
    ("{a} days old, but {b}", "{a}일 지남, 그러나 {b}"),
    ("no verified copy lies elsewhere", "다른 곳에 검증된 사본 없음"),
    ("not all of its files are sealed", "아직 봉인 안 된 파일 있음"),
    ("the disk demands it; a verified copy lies elsewhere", "디스크 부족; 다른 곳에 검증된 사본 있음"),
    ("packed and verified: {a}; {b} bytes", "묶고 검증함: {a}; {b} 바이트"),
    ("every sealed day is packed already", "봉인된 날은 모두 묶여 있음"),
    ("{a} of {b} days removed, {c} bytes freed; database: {d} partitions and {e} rows of other tables older than {f}",
     "{b}일 중 {a}일 삭제, {c} 바이트 확보; DB: {f} 이전 파티션 {d}개, 다른 표 {e}행"),
    ("{a} of {b} days removed, {c} bytes freed", "{b}일 중 {a}일 삭제, {c} 바이트 확보"),
    ("not wanted: OBSERVER_DAILY_PARQUET is false", "꺼져 있음: OBSERVER_DAILY_PARQUET=false"),
    ("{a} days, {b} rows", "{a}일, {b}행"),
    ("all is well", "이상 없음"),
    ("{a} problems: see `observerctl doctor`", "문제 {a}건: `observerctl doctor` 참고"),
    ("the newest backup is old: of {a}, {b} days ago, at most {c} are allowed{d}",
     "최신 백업이 오래됨: {a}, {b}일 전, 최대 {c}일"),
    ("make room: nothing is left out yet", "공간을 확보하세요: 아직 빠지는 것 없음"),
    ("raw payloads and deep book levels are left out", "원문과 깊은 호가는 저장하지 않음"),
    ("also: logs from WARNING on only, archive files are sealed at once",
     "추가로 로그는 WARNING부터, 보관 파일은 곧바로 봉인"),
    ("observations are given up and covered by gap records; the reserve is released",
     "관측을 포기하고 공백으로 기록; 예비 공간 해제"),
    # hub, disks, alarms
    ("no report for 5 s: processes may start and end unseen",
     "5초 동안 보고 없음: 프로세스의 시작과 끝을 놓칠 수 있음"),
    ("{a} % used: {b}; {c}", "{a} % 사용: {b}; {c}"),
    ("{a} symbols are silent without a reason; {b}", "이유 없이 조용한 종목 {a}개; {b}"),
    ("every symbol is heard again", "모든 종목이 다시 관측됨"),
    ("{a} is backoff", "{a}: 재시도 대기"),
    ("{a} is paused", "{a}: 일시정지"),
    ("{a} is quarantined", "{a}: 격리"),
    ("{a} is starting", "{a}: 시작 중"),
    ("{a} is stopping", "{a}: 종료 중"),
    ("{a} is stopped", "{a}: 멈춤"),
    ("{a} has not reported for {b} s", "{a}: {b}초 동안 보고 없음"),
    ("{a} has no record yet", "{a}: 아직 기록 없음"),
    ("{a}: newest record is {b} s old, expected within {c} s", "{a}: 최신 기록이 {b}초 지남, {c}초 이내여야 함"),
    ("{a} cannot write: {b}", "{a}: 저장할 수 없음: {b}"),
    ("{a}: oldest record not yet durable is {b} s old", "{a}: 저장되지 않은 가장 오래된 기록이 {b}초 지남"),
    ("trades: {a}", "체결: {a}"),
    # a recording
    ("gap {a}", "공백 {a}"),
    ("the recording stops", "기록이 끊김"),
    ("{a} is recorded from {b} to {c}: {d} lies outside", "{a}의 기록은 {b}부터 {c}까지: {d}은(는) 밖임"),
)  # fmt: skip


def _compiled(english: str, korean: str) -> _Form:
    pattern = re.escape(english)
    # The last part may be anything, also nothing; the others stop at the sentence's next fixed words.
    pattern = re.sub(r"\\\{([a-z])\\\}", r"(?P<\1>.+?)", pattern)
    return _Form(re.compile(f"^{pattern}$", re.DOTALL), korean)


@lru_cache(maxsize=1)
def _forms() -> tuple[_Form, ...]:
    return tuple(_compiled(english, korean) for english, korean in _SENTENCES)


@lru_cache(maxsize=1024)
def korean(text: str) -> str:
    """Return the Korean form of a sentence of the core, the sentence itself where there is none."""
    for pattern, form in _forms():
        found = pattern.match(text)
        if found is not None:
            return form.format(**{name: korean(part) for name, part in found.groupdict().items()})
    return text
