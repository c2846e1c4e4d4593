"""The systems of an evaluation: the adapter and its baselines, each turning texts into vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from m2m_adapters.alignment.corpus_again import english_sentences
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.results import PLAIN
from m2m_adapters.corpus.sentences import TextsLike
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors, normalize, same_model
from m2m_adapters.models.text_encoder import embed

Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class System:
    """One way to turn texts into vectors of the target's space.

    name: in tables and JSON. description: one line on what it is and what text it has seen.
    bias: float32 ``[n, dim]`` of items -> float32 ``[n]``, added to each item's score when texts
        look for items.
    """

    name: str
    description: str
    encode: Encode
    bias: Callable[[Vectors], Vectors] | None = None

    def without_bank(self) -> System:
        """The same without its bias."""
        return replace(self, name=PLAIN, description=PLAIN_IS, bias=None)


ADAPTED = "adapter, languages known"
ADAPTED_IS = "what each language has in common taken off; uses unlabeled foreign text"
PLAIN_IS = "the adapter's vectors, scores of items not corrected by its English bank"

BASELINES = {
    "native": "the target's own text tower, fed each language as it is",
    "unaligned": "the source's vectors as they are, cut or padded to the target's width",
    "procrustes": "a scaled rotation fitted on the same English sentences",
    "ridge": "the closed form alone, fitted on the same English sentences",
}


class SourceOnce:
    """The source's vectors of each text, computed once for all systems that start from them."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._seen: dict[tuple[str, ...], Vectors] = {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        key = tuple(texts)
        if key not in self._seen:
            self._seen[key] = embed(self._adapter.source, texts, what="source")
        return self._seen[key]


def systems(
    adapter: Adapter,
    baselines: Sequence[str],
    texts: TextsLike | None = None,
    *,
    bank: bool = True,
) -> list[System]:
    """The adapter and the named baselines; ``texts`` is the English corpus for fitted ones.

    bank: whether the adapter's English bank, if it has one, corrects the items.
    """
    for name in baselines:
        if name not in BASELINES:
            raise UserError(f"unknown baseline '{name}'", f"one of {', '.join(BASELINES)}")
    source = SourceOnce(adapter)
    own = adapter.encode if adapter.level == "token" else lambda t: adapter.project(source(t))
    compared = [System("adapter", adapter.name, own, _bias(adapter, bank))]
    for name in baselines:
        compared.append(System(name, BASELINES[name], _baseline(name, adapter, source, texts)))
    return compared


def _bias(adapter: Adapter, bank: bool) -> Callable[[Vectors], Vectors] | None:
    return adapter.item_bias if bank and adapter.bank is not None else None


def adapted(system: System, adapter: Adapter) -> System:
    """The system that knows each text's language and uses the adapter's table of them."""
    assert adapter.languages is not None
    codes = ", ".join(adapter.languages.shifts)
    return replace(system, name=ADAPTED, description=f"{ADAPTED_IS} ({codes})")


def shifted(adapter: Adapter, vectors: dict[str, Vectors]) -> dict[str, Vectors]:
    """Vectors by language, what the languages of the adapter's table have in common taken off."""
    table, unit = adapter.languages, adapter.record.target.normalized
    assert table is not None
    return {
        code: table.applied(rows, [code] * len(rows), normalized=unit)
        for code, rows in vectors.items()
    }


def beside(adapter: Adapter, other: Adapter, name: str, *, bank: bool = True) -> System:
    """Another adapter to the same target, as a system to compare with."""
    target, other_target = (a.record.target for a in (adapter, other))
    if target.dim != other_target.dim or not same_model(
        target.fingerprint, other_target.fingerprint
    ):
        raise UserError(
            f"'{name}' has another target ({other_target.title}) than the adapter ({target.title})",
            "compare adapters to one target; their items are encoded once",
        )
    return System(name, f"another adapter: {other.name}", other.encode, _bias(other, bank))


def _baseline(name: str, adapter: Adapter, source: SourceOnce, texts: TextsLike | None) -> Encode:
    if name == "native":
        return lambda t: embed(adapter.target.text, t, what="target")
    if name == "unaligned":
        return lambda t: resized(normalize(source(t)), adapter.dim)
    from m2m_adapters.alignment.align import align

    corpus = adapter.record.corpus

    fitted = align(
        adapter.source,
        adapter.target,
        english_sentences(adapter, texts, limit=corpus.sentences if corpus else None),
        recipe="closed-form",
        level="sentence",
        procrustes=name == "procrustes",
        progress=False,
        bank=False,
    )
    return lambda t: fitted.project(source(t))


def resized(vectors: Vectors, width: int) -> Vectors:
    """Columns cut, or zeros added, up to ``width``."""
    if vectors.shape[1] >= width:
        return vectors[:, :width]
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))
