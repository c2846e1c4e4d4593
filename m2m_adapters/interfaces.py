"""The two interfaces of the library, and what they promise.

A *source* is a :class:`TextEncoder`. A *target* is a :class:`ModalityModel`, whose ``text``
is the :class:`TextEncoder` that spans its space. An adapter joined to its source is a
:class:`TextEncoder` again, so the interfaces close.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import AbilityMissing, UserError

Vectors = npt.NDArray[np.float32]
"""float32 ``[n, dim]``, one row per text or item, in their order."""

FINGERPRINT_TEXTS = (
    "a dog barks",
    "two red squares above a small circle",
    "ein Hund bellt",
    "犬が吠える",
)

SPEECH_SOURCES = (
    "choose a source that takes speech: tiny-speech, seamless-m4t-v2, or speech:ORG/MODEL "
    "of another SeamlessM4T"
)


@dataclass(frozen=True)
class Space:
    """What vectors of an encoder mean.

    dim: number of columns.
    normalized: True when vectors are compared by angle and have length 1 (retrieval); False
        when their magnitude matters (a diffusion model's conditioning).
    fingerprint: changes whenever the vectors for a text could.
    """

    dim: int
    normalized: bool
    fingerprint: str


@dataclass(frozen=True)
class Origin:
    """How an object was loaded by name.

    name: the name, such as ``mpnet`` or ``clip:ORG/MODEL``.
    options: what its factory was called with besides.
    distribution: the Python distribution whose plugin made it; empty for several together.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    distribution: str = ""


class TextEncoder(ABC):
    """Texts -> vectors. A subclass needs ``dim`` and ``encode``; the rest has defaults.

    dim: number of columns of ``encode``'s result.
    max_tokens: longest text the model reads before truncating, None when unknown.
    normalized: see :class:`Space`. An encoder that says True returns rows of length 1.
    item_modality: what ``encode_items`` takes besides texts, such as ``"audio"`` for speech;
        None for an encoder of texts alone.
    origin: set by ``load_source``; None for an object that was not loaded by name.
    """

    dim: int
    item_modality: str | None = None
    origin: Origin | None = None
    max_tokens: int | None = None
    normalized: bool = True

    @abstractmethod
    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        """float32 ``[len(texts), dim]``; order kept, deterministic, ``[]`` -> ``[0, dim]``.

        ``options`` are hints such as ``batch_size`` or ``progress``; ignore what you do not
        know. A text longer than the model reads is truncated, never refused.
        """

    def encode_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        """The states of a text's tokens before pooling: float32 ``[tokens, width]`` for each.

        Optional; aligning at the level of tokens needs it of a source.
        """
        raise AbilityMissing(
            f"{type(self).__name__} does not show its token states",
            "choose a sentence-transformers source, or use level sentence",
        )

    def encode_layers(self, texts: Sequence[str], *, pooling: str = "mean") -> list[Vectors]:
        """What each layer makes of the texts: float32 ``[len(texts), width]`` for each layer.

        Optional; ``m2m analyze`` needs it. The embedding layer comes first. pooling: ``mean``
        over tokens, ``first`` or ``last`` token.
        """
        raise AbilityMissing(
            f"{type(self).__name__} does not show its layers",
            "choose a model of sentence-transformers or transformers",
        )

    def can(self, ability: str) -> bool:
        """Whether ``"encode_items"`` or ``"encode_item_layers"`` is there."""
        if ability not in ("encode_items", "encode_item_layers"):
            return False
        return getattr(type(self), ability) is not getattr(TextEncoder, ability)

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        """Items of ``item_modality`` in the space of ``encode``: float32 ``[len(items), dim]``.

        Optional: encoders of speech place a spoken sentence where they place a written one.
        ``[]`` -> ``[0, dim]``.
        """
        raise AbilityMissing(f"{type(self).__name__} encodes texts only", SPEECH_SOURCES)

    def encode_item_layers(
        self, items: Sequence[Any], *, pooling: str = "mean", **options: Any
    ) -> list[Vectors]:
        """What each layer makes of the items: float32 ``[len(items), width]`` for each layer."""
        raise AbilityMissing(
            f"{type(self).__name__} does not show layers of anything but texts", SPEECH_SOURCES
        )

    def compile(self) -> None:  # noqa: B027  optional: most encoders have nothing to compile
        """Run the model through ``torch.compile`` from now on, where it has one."""

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the function texts -> vectors; stored vectors are filed under it.

        The default looks at what the encoder does to four short texts. Encoders with weights
        should override it with something exact: model id, revision or digest, precision.
        """
        seen = np.asarray(self.encode(list(FINGERPRINT_TEXTS)), dtype=np.float64)
        name = f"{type(self).__module__}:{type(self).__qualname__}:{self.dim}"
        digest = hashlib.sha256(name.encode())
        digest.update(np.round(seen, 3).astype(np.float32).tobytes())
        return f"probe:{digest.hexdigest()[:32]}"

    @property
    def space(self) -> Space:
        return Space(self.dim, self.normalized, self.fingerprint)

    @property
    def provenance(self) -> dict[str, Any]:
        """What others need to find this encoder again: model id, revision, license."""
        return {}


class _TextNotSet:
    """Placeholder for a missing ``text``, which raises a clear error when it is read."""

    @overload
    def __get__(self, model: None, owner: type) -> _TextNotSet: ...
    @overload
    def __get__(self, model: ModalityModel, owner: type) -> TextEncoder: ...
    def __get__(self, model: ModalityModel | None, owner: type) -> _TextNotSet | TextEncoder:
        if model is None:
            return self
        package = owner.__module__.partition(".")[0]
        raise UserError(
            f"{owner.__name__} of {model.origin.distribution if model.origin else package} has no "
            "text tower: nothing sets `text`",
            "set self.text = ENCODER in its __init__, or define `text` as a cached_property",
        )


class ModalityModel(ABC):
    """A frozen model of one modality with its own text tower.

    modality: ``"image"``, ``"audio"``, or another word of your choice.
    text: the model's own text tower, the space that sources are aligned to. Assign it in
        ``__init__``, or define a ``functools.cached_property`` to load it on first use.
    origin: set by ``load_target``; None for an object that was not loaded by name.

    Abilities are optional, and absence is honest: override ``encode_items`` if the model
    places items in the space of its text tower, ``generate`` if it makes items from vectors
    of that space, ``score`` if it judges pairs of such a vector and an item. ``can`` reports
    which are there.
    """

    modality: str
    origin: Origin | None = None
    if TYPE_CHECKING:  # read-only here, so that subclasses may use a property or an attribute

        @property
        def text(self) -> TextEncoder: ...
    else:
        text = _TextNotSet()

    @property
    def space(self) -> Space:
        return self.text.space

    def at_level(self, level: str) -> ModalityModel:
        """The model as adapters of ``level`` (``sentence`` or ``token``) see it.

        Most models have one space and return themselves. A generator that also follows a sequence
        of tokens may return another view of itself, whose ``text`` has that sequence.
        """
        return self

    def can(self, ability: str) -> bool:
        """Whether ``"encode_items"``, ``"encode_item_layers"``, ``"generate"`` or ``"score"`` is
        there."""
        if ability not in ("encode_items", "encode_item_layers", "generate", "score"):
            return False
        return getattr(type(self), ability) is not getattr(ModalityModel, ability)

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        """float32 ``[len(items), dim]`` in the space of ``text``; ``[]`` -> ``[0, dim]``."""
        raise AbilityMissing(
            f"{type(self).__name__} does not encode {self.modality} items",
            "choose a target that does (m2m list --targets)",
        )

    def encode_item_layers(
        self, items: Sequence[Any], *, pooling: str = "mean", **options: Any
    ) -> list[Vectors]:
        """What each layer makes of the items: float32 ``[len(items), width]`` for each layer."""
        raise AbilityMissing(
            f"{type(self).__name__} does not show the layers of its {self.modality} tower",
            "choose a target of transformers",
        )

    def score(self, vectors: Vectors, items: Sequence[Any], **options: Any) -> Vectors:
        """How well row i of ``vectors`` fits item i: float32 ``[n]``, higher is better.

        For models in which text and item meet inside, so that neither has a vector of its own
        (ViLT, BridgeTower, BLIP-2, FLAVA): they judge pairs, and put the first hits of a search
        into a better order.
        """
        raise AbilityMissing(
            f"{type(self).__name__} does not score pairs of texts and {self.modality} items",
            "give an adapter to a joint model, such as joint:ORG/MODEL",
        )

    def generate(self, vectors: Vectors, **options: Any) -> list[Any]:
        """One or more items for each row of ``vectors`` (float32 ``[n, dim]``)."""
        raise AbilityMissing(
            f"{type(self).__name__} does not generate {self.modality} items",
            "choose a target that does (m2m list --targets)",
        )


_REDUCED = ("@bf16", "@fp16")


def at_precision(fingerprint: str, precision: str) -> str:
    """The fingerprint of a model that computes with ``precision``: ``...`` or ``...@bf16``.

    What a model computes and how precisely are told apart, so that an adapter aligned on one
    machine works on another.
    """
    return fingerprint if precision == "fp32" else f"{fingerprint}@{precision}"


def without_precision(fingerprint: str) -> str:
    """The fingerprint of the same model in fp32."""
    return fingerprint[: -len(_REDUCED[0])] if fingerprint.endswith(_REDUCED) else fingerprint


def same_model(a: str | None, b: str | None) -> bool:
    """Whether two fingerprints are of one model, however precisely it computes."""
    return a == b or (
        a is not None and b is not None and without_precision(a) == without_precision(b)
    )


def precision_of(fingerprint: str) -> str:
    """``fp32``, ``bf16`` or ``fp16``."""
    return fingerprint[-4:] if fingerprint.endswith(_REDUCED) else "fp32"


def normalize(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1; a zero row stays zero. float32 ``[n, dim]``."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)
