"""The console's words in English and Korean. The English text is the key, so that the code reads as the screen does.

The Korean forms are data, `korean.json`, which only a Korean console reads. A test walks the source and fails for a
word without a Korean form.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class Words:
    """Looks up the form of a word in one language."""

    language: str = "en"

    def __call__(self, text: str, /, **values: object) -> str:
        """Return the text in this language with the values filled in; an unknown text stays English."""
        form = _korean_forms().get(text, text) if self.language == "ko" else text
        return form.format(**values) if values else form

    def of_core(self, text: str) -> str:
        """Return a sentence of the core in this language; one that has no form stays as it came."""
        if self.language != "ko" or not text:
            return text
        # Imported here: an English console never needs the patterns.
        from observer_tui.core_words import korean

        return korean(text)


def has_korean(text: str) -> bool:
    """Return whether a text has a Korean form."""
    return text in _korean_forms()


@cache
def _korean_forms() -> dict[str, str]:
    return msgspec.json.decode((Path(__file__).parent / "korean.json").read_bytes(), type=dict[str, str])


def language_of(environ: dict[str, str]) -> str:
    """Return the language of the locale: "ko" for a Korean one, else "en"."""
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "ko" if locale.lower().startswith("ko") else "en"
