"""The words of the tiny world's captions in each language: how they sound, which follow which.

From text and eSpeak's transcriptions alone; no sound is used.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from m2m_tiny.captions import LANGUAGES
from m2m_tiny.phones import NASAL, coarse
from m2m_tiny.speaking import KANA, synthesizer
from m2m_tiny.zoo.speech_data import held_out_keys, random_caption

CAPTIONS = 2500  # of each language
VARIANTS = 2  # pronunciations of a word that are kept
_JAPANESE = re.compile(
    "|".join(sorted(KANA, key=len, reverse=True)) + r"|[ァ-ヶー]+|[ぁ-ゖ]+|[^\s、]"
)


def words_of(line: str, lang: str) -> list[str]:
    """What a caption is made of: words; Chinese characters; Japanese runs of one script."""
    if lang == "ja":
        return _JAPANESE.findall(line)
    if lang == "zh":
        return [c for c in line if c not in "，、"]
    return [word.strip(",:;،") for word in line.split()]


def lexicon(lang: str, n: int = CAPTIONS) -> dict[str, Any]:
    """words: as they are written; sounds: (word, phones) pairs; follows: word -> next -> count.

    In ``follows`` -1 stands for the beginning and the end of a caption.
    """
    says, held_out, rng = synthesizer(), held_out_keys(), random.Random(f"words {lang}")
    spaced = lang not in ("zh", "ja")
    sounds: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
    weaker: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    follows: dict[str, Counter[str]] = defaultdict(Counter)
    for _ in range(n):
        line = random_caption(rng, lang, held_out)
        words = words_of(line, lang)
        for before, after in zip(["", *words], [*words, ""], strict=True):
            follows[before][after] += 1
        said = says.pronounce(line, lang).split() if spaced else []
        # eSpeak joins some words; only where it did not is it known which sounds are whose.
        if len(said) == len(words):
            for word, phones in zip(words, said, strict=True):
                sounds[word][tuple(coarse(phones))] += 1
                weaker.setdefault(tuple(coarse(phones)), half_heard(phones))
    tables = _numbered(
        spaced, sounds, follows, lambda word: tuple(coarse(says.pronounce(word, lang)))
    )
    tables["sounds"] = _with_weaker(tables["sounds"], weaker)
    return tables


def half_heard(pronunciation: str) -> list[tuple[int, ...]]:
    """What is left of a pronunciation where an ear of other languages misses what it never heard.

    Of a nasal vowel the vowel is heard, and of an r in the throat nothing: none of the languages
    the ear was trained on has them.
    """
    spelled = unicodedata.normalize("NFD", pronunciation)
    oral = spelled.replace(NASAL, "")
    variants = [coarse(one) for one in (oral, spelled.replace("ʁ", ""), oral.replace("ʁ", ""))]
    return [tuple(phones) for phones in variants if phones]


def _with_weaker(
    sounds: list[list[Any]], weaker: Mapping[tuple[int, ...], list[tuple[int, ...]]]
) -> list[list[Any]]:
    """The (word, phones) pairs, each followed by what may be half heard of it."""
    pairs: dict[tuple[int, tuple[int, ...]], None] = {}
    for word, phones in sounds:
        for one in (tuple(phones), *weaker.get(tuple(phones), ())):
            pairs[word, one] = None
    return [[word, list(phones)] for word, phones in pairs]


def _numbered(
    spaced: bool,
    sounds: Mapping[str, Counter[tuple[int, ...]]],
    follows: Mapping[str, Counter[str]],
    alone: Callable[[str], tuple[int, ...]],
) -> dict[str, Any]:
    """The lexicon with numbers in place of words. alone: the phones of a word by itself."""
    names = sorted(word for word in follows if word)
    number = {"": -1, **{word: place for place, word in enumerate(names)}}
    pairs = []
    for word in names:
        kept = (
            [phones for phones, _ in sounds[word].most_common(VARIANTS)] if word in sounds else []
        )
        pairs += [[number[word], list(phones)] for phones in kept or [alone(word)] if phones]
    return {
        "spaced": spaced,
        "words": names,
        "sounds": pairs,
        "follows": {str(number[a]): {str(number[b]): c for b, c in counts.items()}
                    for a, counts in follows.items()},
    }  # fmt: skip


def write_lexicons(folder: Path) -> None:
    """``words.json``: the lexicon of every language."""
    lexicons = {lang: lexicon(lang) for lang in LANGUAGES}
    text = json.dumps(lexicons, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    (folder / "words.json").write_text(text + "\n", encoding="utf-8")
