"""What generators are scored on: the same meanings prompted in many languages, and a judge.

Judges know the meaning, never the prompt: a CLIP-type model compares a picture with the
*English reference*, whatever language it was prompted in; a world of known scenes reads shapes
and colors off it. Every system starts from the same noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Item
from m2m_adapters.evaluation.judges import PerPicture, PictureJudge
from m2m_adapters.interfaces import ModalityModel, Vectors, normalize
from m2m_adapters.models.items import encode_items, generate_items
from m2m_adapters.models.text_encoder import embed

SYSTEMS = {
    "adapter": "the adapter, fed each language as it is",
    "native": "the pipeline's own text tower, fed each language as it is",
    "neutral": "the pipeline's own text tower, fed nothing for every prompt",
}


class Alignment(PictureJudge):
    """A judge: mean cosine of picture and English reference in a dual encoder's space.

    ``alignment`` is the mean over pictures, ``chosen`` the share of pictures that are nearer to
    their own reference than to any other, a tie counting against. ``similarity to English``
    is the mean cosine of a picture and the one that the same system made of the English prompt.
    """

    headline = "alignment"

    def __init__(
        self, scorer: ModalityModel, references: Sequence[str], name: str = "scorer"
    ) -> None:
        self.name = name
        if not scorer.can("encode_items"):
            raise UserError(
                f"{type(scorer).__name__} does not encode pictures", "use a CLIP-type target"
            )
        self._scorer = scorer
        self._texts = normalize(embed(scorer.text, list(references), what="scorer"))

    def encode(self, pictures: Sequence[Item]) -> Vectors:
        return normalize(encode_items(self._scorer, list(pictures)))

    look = encode

    def figures(self, seen: Vectors) -> dict[str, PerPicture]:
        scores = seen @ self._texts[: len(seen)].T
        own = scores.diagonal()
        ahead = (scores >= own[:, None]).sum(1) - 1
        return {"alignment": PerPicture.mean(own), "chosen": PerPicture.mean(ahead == 0)}

    def alike(self, english: Vectors, seen: Vectors) -> dict[str, PerPicture]:
        return {"similarity to English": PerPicture.mean((english * seen).sum(1))}


class Generation(NamedTuple):
    """What a system made of one language's prompts.

    system: of SYSTEMS, or ``reference``: the pipeline's native English. english: what the same
    system made of the reference language, to compare with.
    """

    system: str
    language: str
    pictures: list[Item]
    english: list[Item]


def make_all(
    adapter: Adapter,
    captions: Mapping[str, Sequence[str]],
    *,
    reference: str = "en",
    systems: Sequence[str] = tuple(SYSTEMS),
    **options: Any,
) -> Iterator[Generation]:
    """The native reference, then each system's lists, the reference language first.

    captions: language -> a caption for each meaning, the same meanings in each.
    options: of the target's ``generate``.
    """
    _check(captions, reference, systems)
    target = adapter.target

    def paint(vectors: Vectors) -> list[Item]:
        return generate_items(target, vectors, **options)

    native = paint(embed(target.text, list(captions[reference]), what="target"))
    yield Generation("reference", reference, native, native)
    languages = [reference, *(code for code in captions if code != reference)]
    for system in systems:
        english: list[Item] = []
        for code in languages[:1] if system == "neutral" else languages:
            pictures = (
                native
                if system == "native" and code == reference
                else paint(_vectors(adapter, system, list(captions[code])))
            )
            english = english or pictures
            yield Generation(system, code, pictures, english)


def _vectors(adapter: Adapter, system: str, texts: list[str]) -> Vectors:
    if system == "adapter":
        return adapter.encode(texts)
    text = adapter.target.text
    if system == "native":
        return embed(text, texts, what="target")
    return np.repeat(embed(text, [""], what="target"), len(texts), axis=0)


def _check(captions: Mapping[str, Sequence[str]], reference: str, systems: Sequence[str]) -> None:
    if reference not in captions:
        raise UserError(f"there are no captions in '{reference}'", "name the reference language")
    lengths = {code: len(texts) for code, texts in captions.items()}
    if len(set(lengths.values())) != 1 or not lengths[reference]:
        raise UserError(
            f"languages have different numbers of captions ({lengths})", "one for each meaning"
        )
    for system in systems:
        if system not in SYSTEMS:
            raise UserError(f"unknown system '{system}'", f"one of {', '.join(SYSTEMS)}")
