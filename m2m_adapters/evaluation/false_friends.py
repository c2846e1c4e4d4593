"""False friends: words that look or sound like an English word and mean something else.

A pair is read correctly when the projected sentence is nearer to the English phrase with its right
meaning than to the one with the false reading; a tie counts as wrong, chance is 50 %. The pairs are
hand-written for this project and no native speaker has checked them (docs/benchmarks.md). They
are a probe: nothing may be fitted or chosen on them.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from m2m_adapters._internal.languages import language, normalize_tag
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.metrics import Floats
from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.models.text_encoder import embed

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

ENGLISH_NEEDED = 0.9
"""Share of the *English* phrases that the adapter itself must tell apart; below that the words
are outside what source or target knows, and the probe would say nothing about languages."""

Share = list[float]
"""[value, low, high] in percent, a 95% Wilson interval."""


@dataclass(frozen=True)
class Pair:
    """word stands in sentence; right and wrong are its English rendering and the false reading."""

    language: str
    word: str
    sentence: str
    right: str
    wrong: str
    right_word: str
    wrong_word: str


@lru_cache(maxsize=1)
def pairs() -> tuple[Pair, ...]:
    """The whole probe set, by language."""
    file = resources.files("m2m_adapters.evaluation") / "data" / "false_friends.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return tuple(Pair(**row) for row in rows)


def chosen_pairs(langs: Sequence[str] | None = None) -> list[Pair]:
    """The pairs of some languages (English has none), or all."""
    if langs is None:
        return list(pairs())
    wanted = {normalize_tag(code) for code in langs}
    return [pair for pair in pairs() if pair.language in wanted]


def false_friends(adapter: Adapter, langs: Sequence[str] | None = None) -> dict[str, object]:
    """Share of pairs read rightly, by language, beside two controls; or why there is none.

    source: the same question within the source's own space, which bounds what a map can do.
    control: the false reading replaced by another pair's word, so that only understanding counts.
    """
    probe = chosen_pairs(langs)
    if not probe:
        return {"not applicable": "the probe has no pair in these languages"}
    target = normalize(embed(adapter.target.text, [p.right for p in probe], what="target"))
    wrong = normalize(embed(adapter.target.text, [p.wrong for p in probe], what="target"))
    english = float(_nearer(adapter.encode([p.right for p in probe]), target, wrong).mean())
    if english < ENGLISH_NEEDED:
        return {
            "not applicable": f"of the probe's English phrases the adapter tells {english:.0%} "
            f"from the false reading; below {ENGLISH_NEEDED:.0%} its words are outside what "
            "source or target knows",
        }
    sentences = [p.sentence for p in probe]
    projected = adapter.encode(sentences)
    unrelated = normalize(embed(adapter.target.text, _controls(probe), what="target"))
    outcomes = {
        "right": _nearer(projected, target, wrong),
        "source": _nearer(
            embed(adapter.source, sentences, what="source"),
            *(
                normalize(embed(adapter.source, texts, what="source"))
                for texts in ([p.right for p in probe], [p.wrong for p in probe])
            ),
        ),
        "control": _nearer(projected, target, unrelated),
    }
    codes = np.array([p.language for p in probe])
    return {
        "pairs": len(probe),
        "English phrases": round(100 * english, 1),
        "languages": {
            code: _shares(outcomes, codes == code) for code in dict.fromkeys(codes.tolist())
        },
        "all": _shares(outcomes, np.ones(len(probe), bool)),
        "mistakes": [
            {"language": p.language, "word": p.word, "read as": p.wrong_word}
            for p, right in zip(probe, outcomes["right"], strict=True)
            if not right
        ],
    }


def check_languages(langs: Sequence[str] | None) -> None:
    """Refuse languages of which the probe has no pair."""
    if langs and not chosen_pairs(langs):
        have = ", ".join(dict.fromkeys(pair.language for pair in pairs()))
        names = ", ".join(language(code).name for code in langs)
        raise UserError(f"there are no false friends in {names}", f"the probe has {have}")


def _nearer(queries: Vectors, right: Vectors, wrong: Vectors) -> Floats:
    """1 where a query is nearer to its right phrase than to its wrong one, else 0."""
    units = normalize(queries)
    ahead = (units * right).sum(1) - (units * wrong).sum(1)
    return np.asarray(ahead > 1e-6, np.float64)


def _controls(probe: Sequence[Pair]) -> list[str]:
    """Each right phrase with the right word of a pair of another language in its place."""
    draw = random.Random(0)
    phrases = []
    for pair in probe:
        others = [p for p in pairs() if p.language != pair.language]
        phrases.append(pair.right.replace(pair.right_word, draw.choice(others).right_word, 1))
    return phrases


def _shares(outcomes: dict[str, Floats], rows: np.ndarray) -> dict[str, object]:
    return {
        "pairs": int(rows.sum()),
        **{name: wilson(won[rows].sum(), int(rows.sum())) for name, won in outcomes.items()},
    }


def wilson(won: float, asked: int) -> Share:
    """[value, low, high] in percent of a share: the Wilson interval, right for small numbers."""
    z = 1.959964
    share, inverse = won / asked, z * z / asked
    middle = (share + inverse / 2) / (1 + inverse)
    spread = z / (1 + inverse) * np.sqrt(share * (1 - share) / asked + inverse / (4 * asked))
    low, high = max(0.0, middle - spread), min(1.0, middle + spread)
    return [round(100 * float(value), 1) for value in (share, low, high)]
