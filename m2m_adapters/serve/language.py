"""The language of a query: what the page shows, and what a client may correct."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from msgspec import Struct

from m2m_adapters._internal.languages import language, normalize_tag
from m2m_adapters.errors import UserError

# Of the 97 that py3langid knows: with all of them short queries are read as rare languages.
LANGUAGES = (
    "ar bg bn ca cs da de el en es fa fi fr he hi hr hu id it ja ko nl no pl pt ro ru sk sr sv sw "
    "ta te th tr uk ur vi zh"
).split()
READ = 300  # characters that are looked at
HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
TAG = re.compile("[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
KANA = re.compile("[\u3040-\u30ff]")


class Detected(Struct):
    """tag: BCP 47. confidence: 0 to 1; 1 where the client named the language."""

    tag: str
    name: str
    confidence: float


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier


def named(tag: str) -> Detected:
    """A language that the client chose."""
    if not TAG.fullmatch(tag):
        raise UserError(f"{tag[:40]!r} is not a language", "use a tag such as de or pt-BR")
    code = normalize_tag(tag)
    return Detected(code, language(code).name, 1.0)


@lru_cache(maxsize=4096)
def detect(text: str) -> Detected | None:
    """The most likely language; None for a text without letters."""
    text = text[:READ]
    if not any(c.isalpha() for c in text):
        return None
    tag, confidence = _identifier().classify(text)
    if confidence < 2 / len(LANGUAGES):  # it has not seen any of these letters
        if not HAN.search(text):
            return None
        tag, confidence = ("ja" if KANA.search(text) else "zh"), 0.5
    return Detected(tag, language(tag).name, round(float(confidence), 3))
