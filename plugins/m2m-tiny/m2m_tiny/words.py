"""Phones that were heard -> the likeliest words, by what words sound like and which follow which.

The search is the usual one of speech recognition: over all words of a language at once, phone by
phone, keeping for each place in each word the cheapest way to it. What was heard may differ from
what is written in the lexicon; every difference costs, the likelier ones less.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_tiny.phones import NAMES

Costs = npt.NDArray[np.float32]
FAR = np.float32(1e9)

ADDED = 4.5
"""Cost of a phone that was heard and is in no word: one in three, of any of 31 classes."""
LOST = 2.7
"""Cost of a phone of a word that was not heard: one in fifteen."""
CONTEXT = 1.0
"""Weight of which word follows which against the sounds."""
CONFUSED = ("aæəe", "eiæøə", "iɨɯyej", "uoɯwø", "oua", "yiuø", "pb", "td", "kg", "fvs", "szʃʒ",
            "ʃʒs", "mn", "lrn", "jiʒ", "wuv", "hkf", "dr", "bvw", "gkh")  # fmt: skip
"""Classes that sound alike; what a language of its own has is heard as one of its neighbors."""


@cache
def confusion() -> Costs:
    """[said, heard]: how likely a class is heard as another one; rows sum to 1."""
    n = len(NAMES) - 1
    table = np.full((n, n), 0.10 / n, np.float32)
    for group in CONFUSED:
        places = [NAMES.index(name) - 1 for name in group]
        for a in places:
            table[a, [b for b in places if b != a]] += 0.25 / (len(places) - 1)
    table[np.arange(n), np.arange(n)] += 1.2
    return np.asarray(table / table.sum(1, keepdims=True), np.float32)


@dataclass(frozen=True)
class Lexicon:
    """The words of one language.

    phones: int ``[sounds, longest]``, -1 behind the end. word: of each sound. follows: cost of
    each word after each, ``[words + 1, words + 1]``; the last row is the beginning, the last
    column the end.
    """

    words: list[str]
    spaced: bool
    phones: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    word: npt.NDArray[np.int64]
    follows: Costs

    @classmethod
    def from_dict(cls, entry: dict[str, Any]) -> Lexicon:
        words, sounds = entry["words"], entry["sounds"]
        longest = max(len(phones) for _, phones in sounds)
        phones = np.full((len(sounds), longest), -1, np.int64)
        for row, (_, spoken) in enumerate(sounds):
            phones[row, : len(spoken)] = spoken
        counts = np.full((len(words) + 1, len(words) + 1), 0.02)
        for before, following in entry["follows"].items():
            for after, count in following.items():
                counts[int(before), int(after)] += count
        follows = -np.log(counts / counts.sum(1, keepdims=True))
        return cls(words, entry["spaced"], phones, (phones >= 0).sum(1),
                   np.array([word for word, _ in sounds]), follows.astype(np.float32))  # fmt: skip

    def text(self, words: list[int]) -> str:
        return (" " if self.spaced else "").join(self.words[word] for word in words)


def read_lexicons(file: Path) -> dict[str, Lexicon]:
    """Language -> lexicon."""
    entries = json.loads(file.read_text(encoding="utf-8"))
    return {lang: Lexicon.from_dict(entry) for lang, entry in entries.items()}


def recognized(likely: Costs, lexicons: dict[str, Lexicon]) -> tuple[str, str]:
    """(language, text) of what was heard. likely: float32 ``[phones, classes]``."""
    matches = -np.log(likely @ confusion().T)  # [heard, said]
    paths = {lang: _search(matches, lexicon) for lang, lexicon in lexicons.items()}
    best = min(paths, key=lambda lang: paths[lang][0])
    return best, lexicons[best].text(paths[best][1])


def _search(matches: Costs, lexicon: Lexicon) -> tuple[float, list[int]]:
    """The cheapest words for what was heard, and their cost."""
    sounds, longest = lexicon.phones.shape
    rows = np.arange(sounds)
    said = np.where(lexicon.phones < 0, 1, lexicon.phones) - 1
    steps, last = len(matches), lexicon.lengths
    # Cost of standing behind so many phones of each sound, and when the word was entered.
    cost = np.full((sounds, longest + 1), FAR, np.float32)
    since = np.zeros((sounds, longest + 1), np.int64)
    into = CONTEXT * lexicon.follows[-1, lexicon.word]  # costs of entering each word
    whence: list[npt.NDArray[np.int64]] = [np.full(sounds, -1)]
    entered: list[npt.NDArray[np.int64]] = [np.zeros(sounds, np.int64)]
    _enter(cost, since, into, 0)
    _skip(cost, since)
    ends: Costs = np.zeros(sounds, np.float32)
    for step in range(steps):
        matched = cost[:, :-1] + matches[step][said]
        stayed = cost + ADDED
        moved = matched < stayed[:, 1:]
        later = stayed.copy()
        later[:, 1:] = np.where(moved, matched, stayed[:, 1:])
        then = since.copy()
        then[:, 1:] = np.where(moved, since[:, :-1], since[:, 1:])
        cost, since = later, then
        _skip(cost, since)
        ends = cost[rows, last]
        # The best sound of each word that ends here, then the best word before each word.
        by_word = np.full(len(lexicon.words), FAR, np.float32)
        np.minimum.at(by_word, lexicon.word, ends)
        through = by_word[:, None] + CONTEXT * lexicon.follows[:-1, :-1]
        before = through.argmin(0)
        into = through[before, np.arange(len(before))][lexicon.word]
        carrier = _carriers(ends, lexicon.word, len(lexicon.words))
        whence.append(carrier[before][lexicon.word])
        entered.append(since[rows, last][whence[-1]])
        _enter(cost, since, into, step + 1)
        _skip(cost, since)
    final = ends + CONTEXT * lexicon.follows[lexicon.word, -1]
    sound = int(final.argmin())
    return float(final[sound]), _traced(sound, int(since[sound, last[sound]]), whence, entered,
                                        lexicon)  # fmt: skip


def _enter(cost: Costs, since: npt.NDArray[np.int64], into: Costs, step: int) -> None:
    """A word begins wherever that is cheaper than what stands there."""
    better = into < cost[:, 0]
    cost[better, 0] = into[better]
    since[better, 0] = step


def _skip(cost: Costs, since: npt.NDArray[np.int64]) -> None:
    """Phones of words that were not heard."""
    for place in range(1, cost.shape[1]):
        skipped = cost[:, place - 1] + LOST
        better = skipped < cost[:, place]
        cost[better, place] = skipped[better]
        since[better, place] = since[better, place - 1]


def _carriers(ends: Costs, word: npt.NDArray[np.int64], words: int) -> npt.NDArray[np.int64]:
    """For each word the sound that ends cheapest."""
    carriers = np.zeros(words, np.int64)
    order = np.argsort(-ends, kind="stable")
    carriers[word[order]] = order  # the cheapest is written last
    return carriers


def _traced(
    sound: int, step: int, whence: list[npt.NDArray[np.int64]],
    entered: list[npt.NDArray[np.int64]], lexicon: Lexicon,
) -> list[int]:  # fmt: skip
    """The words back from the last one."""
    words = [int(lexicon.word[sound])]
    while step > 0:
        sound, step = int(whence[step][sound]), int(entered[step][sound])
        words.append(int(lexicon.word[sound]))
    return words[::-1]
