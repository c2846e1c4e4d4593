"""The English sentences an adapter was aligned on, read again from where they came.

Baselines that are fitted and query banks need them. A corpus that cannot be read again, or that
is not the same any more, is refused: figures from another corpus would be wrong without a sign.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from m2m_adapters.corpus.sentences import TextsLike, read_corpus
from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.artifact.record import OriginRecord

REMEDY = "give --texts"
UNREADABLE = {
    "memory": "the adapter's corpus was a list of sentences in Python",
    "stdin": "the adapter's corpus came from standard input",
}


def english_sentences(
    adapter: Adapter, texts: TextsLike | None = None, *, limit: int | None = None
) -> list[str]:
    """Sentences of ``texts``, else of the corpus that the adapter was aligned on.

    limit: at most this many, sampled.
    """
    if texts is None:
        texts = _aligned_on(adapter)
        if limit is None or len(texts) <= limit:
            return texts
    return read_corpus(texts, max_sentences=limit).sentences


def _aligned_on(adapter: Adapter) -> list[str]:
    corpus, recipe = adapter.record.corpus, adapter.record.recipe
    if corpus is None or not corpus.origins:
        raise UserError("the adapter does not say which corpus it was aligned on", REMEDY)
    if corpus.origins_total > len(corpus.origins):
        raise UserError(
            f"the adapter names {len(corpus.origins)} of the {corpus.origins_total:,} files it was "
            "aligned on",
            REMEDY,
        )
    places = [_place(origin) for origin in corpus.origins]
    # Asking for as many as were read gives a corpus without sampling the same sentences again.
    wanted = corpus.sentences if corpus.sampled_from else corpus.read
    corpus_read = read_corpus(places, max_sentences=wanted, seed=recipe.seed if recipe else 0)
    if corpus_read.digest != corpus.digest:
        shown = ", ".join(str(place) for place in places[:3])
        raise UserError(f"{shown} does not hold the sentences the adapter was aligned on", REMEDY)
    return corpus_read.sentences


def _place(origin: OriginRecord) -> str | Path:
    """Where one origin of a corpus is read from; refused if it cannot be."""
    if origin.kind in UNREADABLE:
        raise UserError(f"{UNREADABLE[origin.kind]} and cannot be read again", REMEDY)
    if origin.kind == "name":
        return origin.name or ""
    written = origin.path or ""
    path = Path(written).expanduser()
    if not path.exists() and not any(sign in written for sign in "*?["):
        raise UserError(f"{written} not found", REMEDY)
    return path
