"""``m2m reproduce``: a published result, measured again here, beside the published figure.

Fetches the benchmark and the corpus where they are not on this machine, aligns by the paper's
recipe and by ours, and measures both on the same items. Nothing is tuned on the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.align import align
from m2m_adapters.alignment.anytime import Stopping
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.record import Json
from m2m_adapters.corpus.fetch import fetch
from m2m_adapters.corpus.published import SOURCES, fetched_folder
from m2m_adapters.corpus.sentences import TextsLike, clean, read_corpus
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.datasets import read
from m2m_adapters.evaluation.intervals import average
from m2m_adapters.evaluation.metrics import DIRECTIONS
from m2m_adapters.evaluation.published import ADAPTERS, PAPER, TOWERS, PaperFigures
from m2m_adapters.evaluation.scoring import Evaluation, evaluate
from m2m_adapters.evaluation.systems import SourceOnce, System
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors
from m2m_adapters.registry.names import load_source, load_target

RECIPES = ("paper", "auto")


@dataclass(frozen=True)
class Plan:
    """What is measured: benchmark, default models, corpora and protocol of one result."""

    benchmark: str
    target: str
    corpora: tuple[str, ...]
    protocol: str
    sentences: int
    source: str = "mpnet"


PLANS = {
    "xtd": Plan("xtd10", "jina-clip", ("coco-captions",), "xtd", 250_000),
    "multi30k": Plan("multi30k", "jina-clip", ("coco-captions",), "all", 250_000),
    "xm3600": Plan("xm3600", "jina-clip", ("coco-captions",), "all", 250_000),
    "audiocaps": Plan(
        "audiocaps", "clap", ("audiocaps-captions", "clotho-captions"), "all", 250_000
    ),
    "clotho": Plan("clotho", "clap", ("audiocaps-captions", "clotho-captions"), "all", 250_000),
}


def reproduce(
    name: str,
    *,
    source: str | TextEncoder | None = None,
    target: str | ModalityModel | None = None,
    texts: TextsLike | None = None,
    data: str | Path | None = None,
    items: str | Path | None = None,
    langs: Sequence[str] | None = None,
    sentences: int | None = None,
    recipes: Sequence[str] = RECIPES,
    allow_missing: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    model_options: Json | None = None,
    **changes: Any,
) -> Json:
    """Our figures and the published ones: rows for a table, and the whole evaluation.

    source, target, texts, data: in place of the published models, the fetched corpus and the
    fetched benchmark. sentences: at most so many. changes: parameters of the recipes.
    """
    if name not in PLANS:
        raise UserError(f"there is no result called '{name}'", f"one of {', '.join(PLANS)}")
    plan, bar = PLANS[name], progress or Progress()
    benchmark = _benchmark(plan, data, items, allow_missing, bar)
    benchmark = benchmark.only(langs)
    corpus = _corpus(plan, texts, sentences or plan.sentences, seed, bar)
    english = {clean(text) for text in benchmark.captions.get("en", ())}
    kept = [sentence for sentence in corpus if sentence not in english]
    names = (_name(source, plan.source), _name(target, plan.target))
    options = model_options or {}
    with bar.stage("load", None):
        encoder = source if isinstance(source, TextEncoder) else load_source(names[0], **options)
        model = target if isinstance(target, ModalityModel) else load_target(names[1], **options)
    adapters = [
        align(
            encoder, model, kept, recipe=recipe, level="sentence", seed=seed, progress=bar,
            names=names, stopping=Stopping(use_all=recipe == "paper"), model_options=options,
            **changes,
        )
        for recipe in recipes
    ]  # fmt: skip
    evaluation = evaluate(
        adapters[0], benchmark, baselines=["native"], others=_others(recipes, adapters),
        protocol=plan.protocol, seed=seed, progress=bar,
    )  # fmt: skip
    return {
        "result": name,
        "source": names[0],
        "target": names[1],
        "figure": "R@10",
        "published in": PAPER,
        "corpus": {
            "names": list(plan.corpora) if texts is None else [str(texts)],
            "sentences": len(kept),
            "dropped": len(corpus) - len(kept),
            "why": "they are the benchmark's own English captions",
        },
        "rows": _rows(evaluation, name, names, recipes),
        "seconds": {stage: round(seconds, 2) for stage, seconds in bar.seconds.items()},
        "evaluation": evaluation.to_dict(),
    }


def _others(recipes: Sequence[str], adapters: Sequence[Adapter]) -> list[System]:
    """The adapters after the first, on vectors of the source that are computed once."""
    once = SourceOnce(adapters[0])

    def encode(texts: Sequence[str], adapter: Adapter) -> Vectors:
        return adapter.project(once(texts))

    return [
        System(f"ours: {recipe}", f"recipe {recipe}", partial(encode, adapter=adapter))
        for recipe, adapter in zip(recipes[1:], adapters[1:], strict=True)
    ]


def _rows(
    evaluation: Evaluation, name: str, names: tuple[str, str], recipes: Sequence[str]
) -> list[Json]:
    """What was measured here, each beside what was published for the same pair of models."""
    rows = [_measured(evaluation, "adapter", f"ours: {recipes[0]}")]
    rows += [_measured(evaluation, f"ours: {recipe}", f"ours: {recipe}") for recipe in recipes[1:]]
    if published := ADAPTERS.get(names, {}).get(name):
        rows.append(_quoted(published))
    rows.append(_measured(evaluation, "native", "here: own tower"))
    if tower := TOWERS.get(names[1], {}).get(name):
        rows.append(_quoted(tower))
    return rows


def _name(model: str | TextEncoder | ModalityModel | None, default: str) -> str:
    if model is None:
        return default
    return model if isinstance(model, str) else type(model).__name__


def _benchmark(
    plan: Plan,
    data: str | Path | None,
    items: str | Path | None,
    allow_missing: bool,
    bar: Progress,
) -> Benchmark:
    if data is None and not fetched_folder(plan.benchmark).is_dir():
        fetch(plan.benchmark, progress=bar)
    return read(plan.benchmark, data, items=items, allow_missing=allow_missing)


def _corpus(
    plan: Plan, texts: TextsLike | None, sentences: int, seed: int, bar: Progress
) -> list[str]:
    if texts is not None:
        return read_corpus(texts, max_sentences=sentences, seed=seed).sentences
    kept: dict[str, None] = {}
    for corpus in plan.corpora:
        if not fetched_folder(corpus).is_dir():
            fetch(corpus, progress=bar)
        part = read_corpus(fetched_folder(corpus), column=SOURCES[corpus].column)
        kept |= dict.fromkeys(part.sentences)
    return read_corpus(list(kept), max_sentences=sentences, seed=seed).sentences


def _measured(evaluation: Evaluation, system: str, what: str) -> Json:
    """English and average of one system: [value, low, high] each way."""
    figures = evaluation[system].figures
    row: Json = {"what": what, "languages": len(figures)}
    for direction in DIRECTIONS:
        groups = {"average": average([f[direction] for f in figures.values()])}
        if "en" in figures:
            groups["English"] = figures["en"][direction]
        for group, value in groups.items():
            row.setdefault(group, {})[direction] = value.to_dict()["R@10"]
    return row


def _quoted(published: PaperFigures) -> Json:
    def both(pair: tuple[float, float | None]) -> Json:
        return {d: None if v is None else [v] for d, v in zip(DIRECTIONS, pair, strict=True)}

    return {
        "what": published.what,
        "languages": published.languages,
        "average": both(published.average),
        "English": both(published.english),
        "notes": published.notes,
    }
