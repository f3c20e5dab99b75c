"""Well-known shares and the syllables invented company names are made of.

Data only, apart from the generator: the figures are rounded from public listing files of July 2026, so that
the simulated turnover has the shape of the real one.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class KnownShare(NamedTuple):
    """State one well-known ordinary share: price in KRW, volume and listed shares in pieces."""

    code: str
    name: str
    market: str
    base_price: int
    previous_volume: int
    listed_shares: int


KNOWN_SHARES: Final = (
    KnownShare("005930", "삼성전자", "KOSPI", 259_000, 20_386_896, 5_846_278_608),
    KnownShare("000660", "SK하이닉스", "KOSPI", 1_836_000, 4_639_208, 712_702_365),
    KnownShare("402340", "SK스퀘어", "KOSPI", 1_253_000, 686_825, 131_958_000),
    KnownShare("009150", "삼성전기", "KOSPI", 1_310_000, 649_462, 74_693_000),
    KnownShare("005380", "현대차", "KOSPI", 399_000, 1_118_030, 204_757_000),
    KnownShare("475150", "SK이터닉스", "KOSPI", 55_900, 7_139_502, 34_067_000),
    KnownShare("000250", "삼천당제약", "KOSDAQ", 167_800, 1_343_843, 23_457_000),
    KnownShare("028260", "삼성물산", "KOSPI", 343_500, 654_894, 162_167_000),
    KnownShare("032830", "삼성생명", "KOSPI", 316_000, 638_066, 200_000_000),
    KnownShare("036930", "주성엔지니어링", "KOSDAQ", 169_200, 1_186_223, 46_481_000),
    KnownShare("066570", "LG전자", "KOSPI", 173_200, 1_151_424, 162_884_000),
    KnownShare("105560", "KB금융", "KOSPI", 174_000, 1_022_673, 354_687_000),
    KnownShare("034020", "두산에너빌리티", "KOSPI", 66_800, 2_611_452, 640_561_000),
    KnownShare("035420", "NAVER", "KOSPI", 193_000, 876_385, 156_944_000),
    KnownShare("042700", "한미반도체", "KOSPI", 224_000, 741_706, 95_312_000),
    KnownShare("012450", "한화에어로스페이스", "KOSPI", 899_000, 173_928, 51_563_000),
    KnownShare("012330", "현대모비스", "KOSPI", 479_500, 324_162, 90_732_000),
    KnownShare("006400", "삼성SDI", "KOSPI", 416_500, 343_674, 80_585_000),
    KnownShare("353200", "대덕전자", "KOSPI", 120_500, 1_145_305, 49_416_000),
    KnownShare("006340", "대원전선", "KOSPI", 11_840, 11_624_979, 78_414_000),
    KnownShare("240810", "원익IPS", "KOSDAQ", 116_100, 1_175_051, 49_083_000),
    KnownShare("010120", "LS ELECTRIC", "KOSPI", 189_100, 705_339, 150_000_000),
    KnownShare("086790", "하나금융지주", "KOSPI", 132_600, 962_672, 274_367_000),
    KnownShare("000270", "기아", "KOSPI", 144_600, 870_748, 390_412_000),
    KnownShare("011070", "LG이노텍", "KOSPI", 629_000, 196_338, 23_667_000),
    KnownShare("329180", "HD현대중공업", "KOSPI", 451_500, 263_320, 104_961_000),
    KnownShare("298040", "효성중공업", "KOSPI", 2_578_000, 45_410, 9_324_000),
    KnownShare("055550", "신한지주", "KOSPI", 104_700, 1_095_045, 474_654_000),
    KnownShare("042660", "한화오션", "KOSPI", 81_900, 1_356_492, 306_413_000),
    KnownShare("080220", "제주반도체", "KOSDAQ", 78_300, 1_381_522, 34_442_000),
    KnownShare("267260", "HD현대일렉트릭", "KOSPI", 778_000, 133_521, 36_047_000),
    KnownShare("034730", "SK", "KOSPI", 596_000, 172_472, 72_502_000),
    KnownShare("403870", "HPSP", "KOSDAQ", 39_100, 2_316_087, 82_300_000),
    KnownShare("004310", "현대약품", "KOSPI", 6_830, 13_207_836, 32_000_000),
    KnownShare("277810", "레인보우로보틱스", "KOSDAQ", 411_500, 215_177, 19_399_000),
    KnownShare("0126Z0", "삼성에피스홀딩스", "KOSPI", 378_500, 37_630, 24_883_000),
)
"""Ordered by turnover of the previous day; every one passes the default universe rule."""

_FIRST: Final = (
    "가온", "나래", "다온", "라온", "마루", "바른", "새빛", "아라", "자람", "차오", "태산", "푸른", "하늘",
    "고운", "늘봄", "도담", "미르", "별하", "서해", "온누리", "우림", "은하", "청솔", "한빛", "해솔", "혜윰",
)  # fmt: skip
_SECOND: Final = (
    "바이오", "반도체", "에너지", "전자", "화학", "제약", "건설", "물산", "식품", "로보틱스", "소재", "정밀",
    "테크", "네트웍스", "시스템", "모빌리티", "머티리얼즈", "솔루션", "홀딩스", "인더스트리", "메디칼", "게임즈",
    "엔터", "금속", "해운", "통신", "디스플레이", "에코", "사이언스", "파워텍",
)  # fmt: skip

LONGEST_NAME: Final = "한빛글로벌반도체 커버드콜밸런스액티브(H)"
"""A name that fills the 40 bytes of the listing file to the brim."""


def invented_name(ordinal: int) -> str:
    """Return the company name number `ordinal`; names repeat never below `len(first) * len(second) * 9`."""
    first = _FIRST[ordinal % len(_FIRST)]
    ordinal //= len(_FIRST)
    second = _SECOND[ordinal % len(_SECOND)]
    generation = ordinal // len(_SECOND)
    return f"{first}{second}" if generation == 0 else f"{first}{second}{generation + 1}"
