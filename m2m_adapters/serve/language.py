"""The language of a query: what the page shows, and what a client may correct."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from m2m_adapters._internal.detection import LONGEST, UNKNOWN, detect_scored
from m2m_adapters._internal.languages import language, normalize_tag
from m2m_adapters.errors import UserError

TAG = re.compile("[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")


class Detected(Struct):
    """tag: BCP 47. confidence: 0 to 1; 1 where the client named the language."""

    tag: str
    name: str
    confidence: float


def named(tag: str) -> Detected:
    """A language that the client chose."""
    if not TAG.fullmatch(tag):
        raise UserError(f"{tag[:40]!r} is not a language", "use a tag such as de or pt-BR")
    code = normalize_tag(tag)
    return Detected(code, name_of(code), 1.0)


@lru_cache(maxsize=1024)
def name_of(tag: str) -> str:
    return language(tag).name


def detect(text: str) -> Detected | None:
    """The most likely language; None for a text without letters."""
    return _detected(text[:LONGEST])  # what is not read need not be kept


@lru_cache(maxsize=4096)
def _detected(text: str) -> Detected | None:
    if not any(character.isalpha() for character in text):
        return None
    tag, confidence = detect_scored(text)
    if tag == UNKNOWN:
        return None
    return Detected(tag, name_of(tag), round(confidence, 3))
