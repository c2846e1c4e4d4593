"""Run one study on one model: read the vectors and compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.progress import Progress
from m2m_adapters.analysis.cross_lingual import MEASURES, Precision, layers_study
from m2m_adapters.analysis.layers import item_layers, text_layers
from m2m_adapters.analysis.measures import measure
from m2m_adapters.analysis.parallel import Parallel
from m2m_adapters.analysis.study import Study
from m2m_adapters.artifact.resolve import NamedEncoder, resolve_encoder
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.errors import UserError
from m2m_adapters.models.layers import check_pooling

if TYPE_CHECKING:
    from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors

STUDIES = {
    "layers": "similarity of translations at each layer",
    "gaps": "the gap between modalities beside the gap between languages",
    "adaptor": "speech before and after its length adaptor, against text",
    "length": "similarity of long, short and cut sentences",
    "families": "similarity by language family, script and resources",
    "codeswitch": "sentences half in English, layer by layer",
    "map": "an adapter's map: rank, rotation, what it stretches and drops",
    "directions": "what tells languages apart, and retrieval after its removal (LIR, LSAR)",
    "bias": "phrases about people on the target's own lines of gender, age and origin",
    "space": "a map in two dimensions of languages, items and English, before and after",
}


def analyze(
    model: NamedEncoder | str,
    study: str,
    texts: Parallel | None = None,
    *,
    languages: Sequence[str] | None = None,
    labels: str | Path | None = None,
    measures: Sequence[str] = MEASURES,
    pooling: str = "mean",
    precision: Precision | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Study:
    """Run ``study`` on ``model`` with parallel texts (see :data:`STUDIES`).

    model: a source, a target or an adapter by name. texts: from :func:`parallel_texts`; the study
    'bias' has its own, of which ``languages`` chooses, and reads ``labels`` of pictures (a table).
    precision: how much is spent on chance levels and intervals.
    """
    if isinstance(model, str):
        model = resolve_encoder(model)
    check(model, study, measures, pooling)
    if study == "bias":
        seed = (precision or Precision()).seed
        return _bias(model, languages, labels, store or Store(), seed)
    if texts is None:
        raise UserError("no texts are named", "give one of --benchmark and --parallel")
    reading = _Reading(model, texts, pooling, store or Store(), progress or Progress())
    common: dict[str, Any] = {
        "model": model.name, "measures": tuple(measures), "precision": precision or Precision(),
    }  # fmt: skip
    return ASK[study](reading, common)


def check(model: NamedEncoder, study: str, measures: Sequence[str], pooling: str) -> None:
    """Refuse a study that the model cannot take part in, before any vector is computed."""
    if study not in STUDIES:
        raise UserError(f"unknown study '{study}'", f"use {', '.join(STUDIES)}")
    for name in measures:
        measure(name)
    check_pooling(pooling)
    if study == "map" and model.kind != "adapter":
        raise UserError(f"'{model.name}' is not an adapter", "the study 'map' needs one")
    if study == "adaptor" and not (hears(model) and getattr(model.text, "adaptor", False)):
        raise UserError(
            f"'{model.name}' has no length adaptor", "give a source such as speech:ORG/MODEL"
        )
    if study == "gaps" and not hears(model):
        if model.kind != "target":
            raise UserError(
                f"'{model.name}' is a {model.kind}",
                "the study 'gaps' reads the layers of both towers: give a target, or a source "
                "that takes speech",
            )
        if not model.model.can("encode_item_layers"):
            raise UserError(
                f"'{model.name}' does not show the layers of its items",
                "choose a target of transformers (clip:..., clap:...)",
            )


def hears(model: NamedEncoder) -> bool:
    """Whether it is a source that shows the layers of speech."""
    return model.kind == "source" and model.text.can("encode_item_layers")


class _Reading:
    """The vectors that studies ask for, each through the store."""

    def __init__(
        self, model: NamedEncoder, texts: Parallel, pooling: str, store: Store, progress: Progress
    ) -> None:
        self.model, self.texts, self.pooling = model, texts, pooling
        self.store, self.progress = store, progress

    def layers(self, texts: list[str], what: str) -> list[Vectors]:
        with self.progress.stage(f"layers, {what}", len(texts), "texts") as update:
            return text_layers(
                self.model.text, texts, pooling=self.pooling, store=self.store,
                progress=lambda done, _: update(done),
            )  # fmt: skip

    def all_layers(self) -> dict[str, list[Vectors]]:
        return {code: self.layers(texts, code) for code, texts in self.texts.texts.items()}

    def output(self, texts: list[str]) -> Vectors:
        return StoredEncoder(self.model.text, self.store, self.model.kind).embed(texts)

    def readable(self, texts: Parallel) -> bool:
        """Whether the items are there, and the model encodes them."""
        names = [item for item in texts.items or () if isinstance(item, str)]
        here = bool(texts.items) and all(Path(name).is_file() for name in names)
        return here and bool(self.model.model.can("encode_items"))

    def mixtures(self) -> dict[str, list[Vectors]]:
        from m2m_adapters.corpus.code_switch import mixed

        english = self.texts.texts["en"]
        return {
            code: self.layers(
                [mixed(a, b) for a, b in zip(self.texts.texts[code], english, strict=True)],
                f"{code} and en",
            )
            for code in self.texts.others
        }


def _layers(reading: _Reading, common: dict[str, Any]) -> Study:
    return layers_study(reading.all_layers(), data=reading.texts.name, **common)


def _gaps(reading: _Reading, common: dict[str, Any]) -> Study:
    from m2m_adapters.analysis.gaps import gaps_study

    model = reading.model
    tower: ModalityModel | TextEncoder = model.text if hears(model) else model.model
    return gaps_study(
        reading.all_layers(),
        item_layers(tower, reading.texts.items or [], pooling=reading.pooling),
        data=reading.texts.name,
        modality="speech" if hears(model) else model.modality or "item",
        **common,
    )


def _adaptor(reading: _Reading, common: dict[str, Any]) -> Study:
    from m2m_adapters.analysis.adaptor import adaptor_study

    speech = item_layers(reading.model.text, reading.texts.items or [], pooling=reading.pooling)
    text = reading.layers(reading.texts.texts["en"], "en")
    return adaptor_study(text, speech, data=reading.texts.name, **common)


def _length(reading: _Reading, common: dict[str, Any]) -> Study:
    from m2m_adapters.analysis.length import length_study

    return length_study(reading.output, reading.texts, **common)


def _families(reading: _Reading, common: dict[str, Any]) -> Study:
    from m2m_adapters.analysis.families import families_study

    return families_study(reading.all_layers(), data=reading.texts.name, **common)


def _switching(reading: _Reading, common: dict[str, Any]) -> Study:
    from m2m_adapters.analysis.switching import switching_study

    return switching_study(
        reading.all_layers(), reading.mixtures(), data=reading.texts.name, **common
    )


def _bias(
    named: NamedEncoder,
    languages: Sequence[str] | None,
    labels: str | Path | None,
    store: Store,
    seed: int,
) -> Study:
    from m2m_adapters.analysis.bias import bias_study
    from m2m_adapters.analysis.people import chosen
    from m2m_adapters.analysis.skew import read_labels, with_skew

    codes = chosen(languages)
    pictures = None if labels is None else read_labels(labels)
    if pictures is not None:
        named.need_items()
    aligned = StoredEncoder(named.text, store, named.kind).embed
    own = aligned
    if named.kind == "adapter":
        own = StoredEncoder(named.adapter.target.text, store, "target").embed
    study = bias_study(aligned, own, codes, model=named.name, seed=seed)
    if pictures is None:
        return study
    files, values = pictures
    return with_skew(study, aligned, named.encode_items(list(files)), values, codes, seed=seed)


def _directions(reading: _Reading, common: dict[str, Any]) -> Study:
    from m2m_adapters.analysis.directions_study import directions_study

    return directions_study(
        reading.all_layers(), model=common["model"], data=reading.texts.name,
        seed=common["precision"].seed,
    )  # fmt: skip


def _map(reading: _Reading, common: dict[str, Any]) -> Study:
    from m2m_adapters.analysis.maps import map_study

    adapter = reading.model.adapter
    weight, _ = adapter.projector.fold()
    english = reading.texts.texts["en"]
    source = StoredEncoder(adapter.source, reading.store, "source").embed(english)
    target = StoredEncoder(adapter.target.text, reading.store, "target").embed(english)
    return map_study(
        np.asarray(weight.numpy()), source, target, english,
        model=reading.model.name, data=reading.texts.name,
    )  # fmt: skip


def _space(reading: _Reading, common: dict[str, Any]) -> Study:
    """Before: the source; after: the adapter's space, where its items are if they can be read."""
    from m2m_adapters.analysis.space import SHOWN, space_study
    from m2m_adapters.models.items import encode_items

    named, texts = reading.model, reading.texts
    first = range(min(SHOWN, texts.rows))
    shown = texts.at(list(first))
    stages: dict[str, dict[str, Vectors]] = {}
    if named.kind == "adapter":
        source = StoredEncoder(named.adapter.source, reading.store, "source")
        stages["before"] = {code: source.embed(said) for code, said in shown.texts.items()}
        stages["after"] = {code: named.adapter.project(x) for code, x in stages["before"].items()}
    else:
        stages[named.kind] = {code: reading.output(said) for code, said in shown.texts.items()}
    if named.kind != "source" and reading.readable(shown):
        last = list(stages)[-1]
        stages[last][named.modality or "items"] = encode_items(named.model, shown.items or [])
    return space_study(
        stages, shown.texts, model=named.name, data=texts.name, seed=common["precision"].seed
    )


ASK: dict[str, Callable[[_Reading, dict[str, Any]], Study]] = {
    "layers": _layers,
    "gaps": _gaps,
    "adaptor": _adaptor,
    "length": _length,
    "families": _families,
    "codeswitch": _switching,
    "map": _map,
    "directions": _directions,
    "space": _space,
}
