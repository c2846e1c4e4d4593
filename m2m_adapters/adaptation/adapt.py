"""``adapt``: unlabeled text of some languages -> the adapter with a table of their shifts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters._internal.detection import detect
from m2m_adapters._internal.languages import language, normalize_tag
from m2m_adapters._internal.progress import Progress, progress_for
from m2m_adapters.adaptation.judging import MIN_SENTENCES, SHARE, English, Judged, judge
from m2m_adapters.alignment.corpus_again import english_sentences
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.languages import LanguageTable
from m2m_adapters.artifact.load import load_adapter
from m2m_adapters.artifact.record import AdaptedLanguage
from m2m_adapters.corpus.sentences import TextsLike, clean, every_sentence
from m2m_adapters.errors import UserError

SENTENCES = 2_000
"""Of each language, and twice as many of English: more changes the mean by less than its error."""
LOOKED_AT = 200
"""Sentences whose language is detected, to notice a text of another language."""


@dataclass(frozen=True)
class Adaptation:
    """What ``adapt`` did.

    adapter: the adapter with the languages that may be stored. judged: every language that was
    asked for, also those that were refused, with the reason.
    """

    adapter: Adapter
    judged: tuple[Judged, ...]

    @property
    def stored(self) -> list[str]:
        return [one.code for one in self.judged if not one.refused]


def adapt(
    adapter: Adapter | str | Path,
    texts: Mapping[str, TextsLike],
    *,
    english: TextsLike | None = None,
    max_sentences: int = SENTENCES,
    seed: int = 0,
    progress: Progress | bool | None = None,
    **options: Any,
) -> Adaptation:
    """Learn what each language's vectors have in common, from unlabeled text of the language.

    adapter: one that finds items, or its name; it is not changed. texts: language -> a path, a
    folder, sentences, ... as ``align`` takes them. english: English text of the same kind; the
    adapter's own corpus by default. A language is stored only if halves of its text agree and gain
    by it; languages stored before stay. options: ``device``, ... where ``adapter`` is a name.
    """
    codes = _codes(texts)
    loaded = adapter if isinstance(adapter, Adapter) else load_adapter(adapter, **options)
    _check_adapter(loaded)
    bar = progress if isinstance(progress, Progress) else progress_for(progress)
    with bar.stage("read", None):
        read = {code: _sentences(text, max_sentences, seed) for code, text in codes.items()}
        reference = english_sentences(loaded, english, limit=2 * max_sentences)
    if len(reference) < 2 * MIN_SENTENCES:
        raise UserError(
            f"{len(reference)} English sentences are too few to compare with",
            f"give at least {2 * MIN_SENTENCES} of the same kind",
        )
    rows = loaded.encode(reference, progress=None)
    half = len(rows) // 2
    known = English(rows[:half], rows[half:])
    judged = []
    with bar.stage("encode texts", len(read), "languages") as done:
        for number, (code, sentences) in enumerate(read.items()):
            verdict = judge(code, loaded.encode(sentences), known, seed)
            judged.append(_read_as_another(verdict, sentences))
            done(number + 1)
    kept = [one for one in judged if not one.refused]
    if not kept:
        return Adaptation(loaded, tuple(judged))
    table = _table(loaded.languages, kept, read, len(reference))
    return Adaptation(loaded.with_languages(table), tuple(judged))


def _codes(texts: Mapping[str, TextsLike]) -> dict[str, TextsLike]:
    if not texts:
        raise UserError("no languages are named", "give texts, e.g. de=de.txt")
    codes: dict[str, TextsLike] = {}
    for written, text in texts.items():
        code = normalize_tag(written) if written.strip() else ""
        if not code:
            raise UserError("a text has no language", "name it, e.g. de=de.txt")
        if code == "en":
            raise UserError("English is what languages are compared with", "pass it as english")
        if code in codes:
            raise UserError(f"the language '{code}' is given twice", "give each language once")
        codes[code] = text
    return codes


def _check_adapter(adapter: Adapter) -> None:
    if adapter.level != "sentence" or not adapter.record.target.normalized:
        raise UserError(
            f"the adapter {adapter.name} is for a generator; only adapters for retrieval can be "
            "adapted",
            "choose an adapter to a target such as CLIP or CLAP",
        )


def _sentences(texts: TextsLike, limit: int, seed: int) -> list[str]:
    """Distinct sentences, at most ``limit``, sampled."""
    distinct = list(dict.fromkeys(filter(None, map(clean, every_sentence(texts)))))
    if not distinct:
        raise UserError("a text contains no sentence", "give text, one sentence a line")
    if len(distinct) <= limit:
        return distinct
    chosen = np.random.default_rng(seed).permutation(len(distinct))[:limit]
    return [distinct[at] for at in sorted(chosen)]


def _read_as_another(judged: Judged, sentences: list[str]) -> Judged:
    """The same, refused if most of the text reads as another language than was said."""
    try:
        codes = detect(sentences[:LOOKED_AT])
    except UserError:  # the library is not there
        return judged
    said = judged.code.partition("-")[0]
    other, times = Counter(code.partition("-")[0] for code in codes).most_common(1)[0]
    if judged.refused or other in (said, "und") or 2 * times <= len(codes):
        return judged
    reason = f"the text reads as {language(other).name}, not {language(said).name}"
    return Judged(judged.code, judged.sentences, judged.shift, judged.gain, reason)


def _table(
    before: LanguageTable | None, kept: list[Judged], read: dict[str, list[str]], english: int
) -> LanguageTable:
    about = {one.code: one for one in before.about} if before else {}
    shifts = dict(before.shifts) if before else {}
    for one in kept:
        digest = hashlib.sha256("".join(f"{line}\n" for line in read[one.code]).encode())
        shifts[one.code] = one.shift
        about[one.code] = AdaptedLanguage(
            code=one.code,
            sentences=one.sentences,
            digest=digest.hexdigest(),
            gain=[round(value, 4) for value in one.gain],
        )
    order = sorted(shifts)
    return LanguageTable(
        {code: shifts[code] for code in order}, SHARE, english,
        tuple(about[code] for code in order),
    )  # fmt: skip
