"""Captions: the same meaning in thirteen languages, from declarative grammars."""

from __future__ import annotations

import importlib
import random
from functools import cache
from typing import Any

from m2m_tiny.captions.grammar import Language

LANGUAGES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian",
    "pl": "Polish", "tr": "Turkish", "ru": "Russian", "zh": "Chinese", "ja": "Japanese",
    "ko": "Korean", "ar": "Arabic", "hi": "Hindi",
}  # fmt: skip


@cache
def language(code: str) -> Language:
    """The grammar of one language."""
    if code not in LANGUAGES:
        raise KeyError(f"no captions in '{code}'; there are {', '.join(LANGUAGES)}")
    grammar: Language = importlib.import_module(f"m2m_tiny.captions.{code}").LANGUAGE
    return grammar


def caption(spec: dict[str, Any], lang: str, rng: random.Random) -> str:
    """A sentence in ``lang`` that says what the spec of a scene or a sound says."""
    return language(lang).caption(spec, rng)
