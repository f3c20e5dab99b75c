"""Initial consonants of Korean names (초성): what people type to find one. Pure."""

_FIRST = 0xAC00
_LAST = 0xD7A3
_PER_INITIAL = 588
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"


def initials(text: str) -> str:
    """Return the text with every syllable replaced by its initial consonant."""
    return "".join(
        _INITIALS[(ord(letter) - _FIRST) // _PER_INITIAL] if _FIRST <= ord(letter) <= _LAST else letter
        for letter in text
    )


def is_initials(text: str) -> bool:
    """Return whether a text consists of initial consonants only."""
    return bool(text) and all(letter in _INITIALS for letter in text)
