"""The broker's error codes of REST, each with its HTTP status, its body shape and its text.

Data and the shapes of bodies only, so that every code can be produced at will (KIS protocol notes §1, §4). Where the
status is not known, 500 is what every recording of a refusal shows.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class RestError(NamedTuple):
    """One error: HTTP status, text, and whether its body has the OAuth shape."""

    status: int
    text: str
    oauth: bool = False


RATE_REFUSED: Final = "EGW00201"
NO_SUCH_SERVICE: Final = "OPSQ0002"
INVALID_INPUT: Final = "OPSQ2001"

REST_ERRORS: Final[dict[str, RestError]] = {
    "EGW00001": RestError(500, "일시적 오류가 발생했습니다."),
    "EGW00002": RestError(500, "서버 에러가 발생했습니다."),
    "EGW00103": RestError(403, "유효하지 않은 AppKey입니다.", oauth=True),
    "EGW00105": RestError(403, "유효하지 않은 AppSecret입니다.", oauth=True),
    "EGW00121": RestError(500, "유효하지 않은 token 입니다."),
    "EGW00123": RestError(500, "기간이 만료된 token 입니다."),
    "EGW00133": RestError(403, "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)", oauth=True),
    RATE_REFUSED: RestError(500, "초당 거래건수를 초과하였습니다."),
    "EGW00202": RestError(500, "GW라우팅 중 오류가 발생했습니다."),
    "EGW00203": RestError(500, "OPS라우팅 중 오류가 발생했습니다."),
    "EGW00300": RestError(500, "Gateway 라우팅 오류가 발생했습니다."),
    "EGW00301": RestError(500, "연결 시간이 초과되었습니다. 직전 거래를 반드시 확인하세요."),
    "EGW00302": RestError(500, "거래시간이 초과되었습니다. 직전 거래를 반드시 확인하세요."),
    "EGW00316": RestError(500, "일시적 오류가 발생했습니다."),
    "EGW02004": RestError(500, "실전투자 모의투자 구분이 올바르지 않은 AppKey입니다."),
    "OPSQ0001": RestError(500, "호출 전처리 오류 입니다."),
    NO_SUCH_SERVICE: RestError(500, "없는 서비스 코드 입니다."),
    "OPSQ0003": RestError(500, "호출 오류 입니다."),
    "OPSQ1002": RestError(500, "세션 연결 오류"),
    INVALID_INPUT: RestError(500, "ERROR : INPUT INVALID_CHECK_MRKT_DIV_CODE"),
    "OPSQ2002": RestError(500, "ERROR : INPUT INVALID_CHECK_FIELD_LENGTH"),
}
"""By code. `OPSQ` codes arrive as 500 or 200: `rest_error_status` switches."""


def error_body(code: str, text: str) -> dict[str, str]:
    """Return the body of a refusal: the OAuth shape for key errors, else the quotation envelope."""
    known = REST_ERRORS.get(code)
    if known is not None and known.oauth:
        return {"error_description": text, "error_code": code}
    return {"rt_cd": "1", "msg_cd": code, "msg1": text}
