"""Published figures and model facts: the two data files of this package, decoded into types."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from math import log10

from msgspec import Struct, convert, json

from m2m_adapters._internal.languages import normalize_tag

OWN_TOWER = "own-tower"
NATIVE = "native"
DEFAULT_BENCHMARK = {"image": "xm3600", "audio": "audiocaps"}
MODALITY = {"xm3600": "image", "xtd10": "image", "multi30k": "image",
            "audiocaps": "audio", "clotho": "audio"}  # fmt: skip
ITEMS = {"xm3600": 3600, "xtd10": 1000, "multi30k": 1000, "audiocaps": 950, "clotho": 1045}
"""Items per benchmark, rounded: the sample size behind a published figure's own error."""

# Documented coverage of a language by a source.
TRAINED, BASE_ONLY, NOT_COVERED = 2, 1, 0


class Figure(Struct, frozen=True):
    """A published R@10 in percent, text to item (t2i) and item to text (i2t)."""

    benchmark: str
    source: str
    target: str
    language: str
    t2i: float | None
    i2t: float | None
    cite: str

    def value(self, direction: str) -> float | None:
        return self.t2i if direction == "t2i" else self.i2t


class LanguageList(Struct, frozen=True, forbid_unknown_fields=True):
    """Languages that a model's documentation lists."""

    codes: list[str]
    cite: str


class TextSizes(Struct, frozen=True, forbid_unknown_fields=True):
    """Megabytes of CC-100 per language."""

    cite: str
    megabytes: dict[str, float]


class SourceFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """A text encoder of many languages.

    trained, base: names of language lists, of the model and of the model it was trained from.
    lineage: the same for models trained on the same data. encoder_m: parameters without the
    token embeddings, in millions. model, license: where registry.yaml does not have the name.
    """

    trained: str
    base: str
    lineage: str
    parameters_m: int
    encoder_m: int
    cite: str
    model: str = ""
    license: str | None = None
    note: str = ""
    native: bool = False


class NativeFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """A multimodal model trained on many languages; averages: R@10 (t2i, i2t) per benchmark."""

    name: str
    model: str
    averages: dict[str, tuple[float, float]]
    cite: str
    license: str | None = None
    text_parameters_m: int | None = None
    note: str = ""


class SpeedFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """One measured encoder, from which the others' milliseconds are scaled."""

    gflop_per_second: float
    tokens: int
    cite: str


class ModelFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """All of model_facts.json."""

    coverage_lists: dict[str, LanguageList]
    cc100: TextSizes
    sources: dict[str, SourceFacts]
    native: list[NativeFacts]
    speed: SpeedFacts


def _text(name: str) -> str:
    return (resources.files("m2m_adapters.planning") / name).read_text(encoding="utf-8")


@cache
def figures() -> tuple[Figure, ...]:
    """All published figures, those of the targets' own towers included."""
    lines = [line for line in _text("published_figures.csv").splitlines() if line[:1] != "#"]
    rows = [{key: value or None for key, value in row.items()} for row in csv.DictReader(lines)]
    return convert(rows, tuple[Figure, ...], strict=False)


@cache
def model_facts() -> ModelFacts:
    """Sizes, documented languages and native alternatives."""
    return json.decode(_text("model_facts.json"), type=ModelFacts)


def sources() -> list[str]:
    """Sources with recorded facts that can be aligned (not the text towers of native models)."""
    return [name for name, fact in model_facts().sources.items() if not fact.native]


@cache
def _listed(name: str) -> frozenset[str]:
    return frozenset(normalize_tag(code) for code in model_facts().coverage_lists[name].codes)


def coverage(source: str, language: str) -> int | None:
    """``TRAINED``, ``BASE_ONLY`` (only the base model was trained on it) or ``NOT_COVERED``.

    None where no list of the source's languages is recorded.
    """
    fact = model_facts().sources.get(source)
    if fact is None:
        return None
    base = language.partition("-")[0]
    if base in _listed(fact.trained):
        return TRAINED
    return BASE_ONLY if base in _listed(fact.base) else NOT_COVERED


def lineage(source: str) -> str:
    """Sources trained on the same languages' data share a lineage (mpnet and minilm)."""
    fact = model_facts().sources.get(source)
    return fact.lineage if fact else source


def text_size(language: str) -> float:
    """log10 of the megabytes of CC-100 in the language; 0 when it has none."""
    megabytes = model_facts().cc100.megabytes.get(language.partition("-")[0], 1.0)
    return log10(max(megabytes, 1.0))
