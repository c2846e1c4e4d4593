"""A generator on a benchmark of prompts: figures for every system and language, with intervals."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from m2m_adapters._internal.progress import Progress
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.record import Json
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Item
from m2m_adapters.evaluation.distances import distances, need_torchmetrics
from m2m_adapters.evaluation.generators import SYSTEMS, Alignment, make_all
from m2m_adapters.evaluation.intervals import Resampler, interval
from m2m_adapters.evaluation.judges import PerPicture, PictureJudge, Seen
from m2m_adapters.evaluation.metrics import Floats
from m2m_adapters.evaluation.prompts import REFERENCE, Prompts
from m2m_adapters.interfaces import ModalityModel, Vectors

SHOWN = 8


PictureFigures: TypeAlias = dict[str, Any]
"""Figure -> its :class:`PerPicture`, or one number (FID, KID)."""


@dataclass
class GeneratorEvaluation:
    """All systems on one benchmark of prompts; ``to_dict`` is what ``--json`` prints.

    figures: (system, language) -> figure -> per picture, or one number (FID, KID); the system
    ``reference`` is the pipeline's native English. shown: (system, language) -> the first
    pictures. headline: the figure that charts show.
    """

    benchmark: Prompts
    adapter: Json
    judges: list[str]
    headline: str
    settings: Json
    figures: dict[tuple[str, str], PictureFigures]
    shown: dict[tuple[str, str], list[Item]] = field(repr=False)
    seed: int = 0

    @property
    def systems(self) -> list[str]:
        return list(dict.fromkeys(system for system, _ in self.figures if system != "reference"))

    def languages(self, system: str) -> list[str]:
        return [code for name, code in self.figures if name == system]

    def to_dict(self) -> Json:
        """Figures in percent (cosines times 100) as [value, low, high]; FID and KID as numbers."""
        return self._dict

    @cached_property
    def _weights(self) -> Floats:
        return Resampler(len(self.benchmark), seed=self.seed).weights

    @cached_property
    def _dict(self) -> Json:
        content: Json = {
            "benchmark": self.benchmark.describe(),
            "judges": self.judges,
            "intervals": "95%, bootstrap over prompts",
            "settings": self.settings,
            "adapter": self.adapter,
            "reference": self._as_json(self.figures["reference", REFERENCE]),
            "systems": {},
        }
        for system in self.systems:
            codes = self.languages(system)
            groups = {"all languages": codes}
            if len(codes) > 1:
                groups["without English"] = [code for code in codes if code != REFERENCE]
            content["systems"][system] = {
                "what": SYSTEMS[system],
                "languages": {code: self._as_json(self.figures[system, code]) for code in codes},
                "averages": {name: self._mean(system, group) for name, group in groups.items()},
                "share of native English": {
                    name: self._shares(system, group)
                    for name, group in (*groups.items(), *((code, [code]) for code in codes))
                },
            }
        return content

    def _as_json(self, figures: PictureFigures) -> Json:
        return {
            name: interval(one.value, one.drawn(self._weights))
            if isinstance(one, PerPicture)
            else round(float(one), 5)
            for name, one in figures.items()
        }

    def _over(self, system: str, codes: Sequence[str], name: str) -> tuple[float, Floats]:
        """Mean over languages, and the same in each resample."""
        values = [self.figures[system, code][name] for code in codes]
        drawn = np.mean([one.drawn(self._weights) for one in values], axis=0)
        return float(np.mean([one.value for one in values])), drawn

    def _mean(self, system: str, codes: Sequence[str]) -> Json:
        means: Json = {}
        for name, one in self.figures[system, codes[0]].items():
            if isinstance(one, PerPicture):
                means[name] = interval(*self._over(system, codes, name))
            else:
                values = [self.figures[system, code][name] for code in codes]
                means[name] = round(float(np.mean(values)), 5)
        return means

    def _shares(self, system: str, codes: Sequence[str]) -> Json:
        """Of what the native pipeline reaches in English, resampled together."""
        shares = {}
        for name, best in self.figures["reference", REFERENCE].items():
            if isinstance(best, PerPicture) and best.value > 0:
                value, drawn = self._over(system, codes, name)
                of = best.drawn(self._weights)
                # A resample in which native English is never right has no share.
                shares[name] = interval(value / best.value, drawn[of > 0] / of[of > 0])
        return shares


def evaluate_generator(
    adapter: Adapter,
    prompts: Prompts,
    *,
    langs: Sequence[str] | None = None,
    limit: int | None = None,
    scorer: ModalityModel | None = None,
    scorer_name: str = "scorer",
    reference_items: Sequence[Item] | None = None,
    systems: Sequence[str] = tuple(SYSTEMS),
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> GeneratorEvaluation:
    """What adapter, native pipeline and no prompt at all make of each prompt, judged.

    scorer: a dual encoder of the same modality that compares what was generated with the English
    prompt. reference_items: what FID and KID compare with, in the scorer's space. seed: of
    noise and bootstrap. options: of the target's ``generate``.
    """
    _check(adapter, prompts, scorer, reference_items)
    asked = prompts.only(langs, limit)
    bar = progress or Progress()
    jury = _Jury([asked.judge] if asked.judge is not None else [])
    if scorer is not None:
        with bar.stage("load scorer", None):
            alignment = Alignment(scorer, asked.captions[REFERENCE], scorer_name)
        jury.add(alignment)
        if reference_items is not None:
            with bar.stage("encode reference items", None):
                jury.real = alignment.encode(reference_items)
    figures: dict[tuple[str, str], PictureFigures] = {}
    shown: dict[tuple[str, str], list[Item]] = {}
    lists = sum(1 if system == "neutral" else len(asked.languages) for system in systems)
    captions = {code: asked.captions[code] for code in asked.languages}
    everything = make_all(
        adapter, captions, reference=REFERENCE, systems=systems, seed=seed, **options
    )
    with bar.stage("generate", lists, "languages") as done:
        for number, (system, code, pictures, english) in enumerate(everything):
            shown[system, code] = pictures[:SHOWN]
            figures[system, code] = jury.figures(pictures)
            if system != "reference":
                figures[system, code] |= jury.alike(english, pictures)
                jury.remember(system, code, pictures)
            done(number)  # the reference is not among those counted
    for where, among in jury.agreement().items():
        figures[where] |= among
    return GeneratorEvaluation(
        asked,
        {
            "name": adapter.name,
            "digest": adapter.digest,
            "source": adapter.record.source.name,
            "target": adapter.record.target.name,
        },
        [judge.name for judge in jury.judges],
        jury.judges[0].headline,
        {"seed": seed, "reference items": len(reference_items or ()), **options},
        figures,
        shown,
        seed,
    )


class _Jury:
    """All judges of one evaluation. real: vectors of reference items, for FID and KID, in the
    space of the last judge."""

    def __init__(self, judges: Sequence[PictureJudge]) -> None:
        self.judges = list(judges)
        self.real: Vectors | None = None
        self._looks = [_Look(judge) for judge in judges]
        self._seen: dict[tuple[str, str], list[Seen]] = {}

    def add(self, judge: PictureJudge) -> None:
        self.judges.append(judge)
        self._looks.append(_Look(judge))

    def figures(self, pictures: Sequence[Item]) -> PictureFigures:
        figures: PictureFigures = {}
        for look in self._looks:
            figures |= look.judge.figures(look(pictures))
        if self.real is not None:
            figures |= distances(self.real, self._looks[-1](pictures))
        return figures

    def remember(self, system: str, code: str, pictures: Sequence[Item]) -> None:
        self._seen[system, code] = [look(pictures) for look in self._looks]

    def agreement(self) -> dict[tuple[str, str], PictureFigures]:
        """Each language's pictures compared with those of the system's other languages."""
        result: dict[tuple[str, str], PictureFigures] = {}
        for (system, code), seen in self._seen.items():
            others = [s for (name, c), s in self._seen.items() if name == system and c != code]
            figures: PictureFigures = {}
            for number, judge in enumerate(self.judges if others else ()):
                compared = [judge.alike(other[number], seen[number]) for other in others]
                for name in compared[0]:
                    figures[name.replace("English", "other languages")] = PerPicture(
                        np.mean([one[name].sums for one in compared], axis=0),
                        np.mean([one[name].counts for one in compared], axis=0),
                    )
            result[system, code] = figures
        return result

    def alike(self, english: Sequence[Item], pictures: Sequence[Item]) -> PictureFigures:
        figures: PictureFigures = {}
        for look in self._looks:
            figures |= look.judge.alike(look(english), look(pictures))
        return figures


class _Look:
    """Judges each list of pictures once; results for the last lists are cached."""

    def __init__(self, judge: PictureJudge) -> None:
        self.judge = judge
        self._kept: deque[tuple[Sequence[Item], Seen]] = deque(maxlen=3)

    def __call__(self, pictures: Sequence[Item]) -> Seen:
        for kept, seen in self._kept:
            if kept is pictures:
                return seen
        seen = self.judge.look(pictures)
        self._kept.append((pictures, seen))
        return seen


def reference_files(folder: str | Path, modality: str) -> list[Path]:
    """The pictures (or sounds) in a folder and below."""
    from m2m_adapters._internal.media import SUFFIXES

    place = Path(folder).expanduser()
    if not place.is_dir():
        raise UserError(f"there is no folder of reference items {folder}", "correct the path")
    files = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES.get(modality, ()))
    if len(files) < 2:
        raise UserError(
            f"{folder} holds {len(files)} {modality} files", "give a folder of reference items"
        )
    return files


def _check(
    adapter: Adapter,
    prompts: Prompts,
    scorer: ModalityModel | None,
    reference_items: Sequence[Item] | None,
) -> None:
    if not adapter.target.can("generate"):
        raise UserError(
            f"'{prompts.name}' is a benchmark of prompts, and "
            f"{adapter.record.target.name or 'the target'} does not generate",
            "give a benchmark of items (`m2m list --benchmarks`), or an adapter that generates",
        )
    if adapter.modality != prompts.modality:
        raise UserError(
            f"the prompts of '{prompts.name}' are of modality {prompts.modality}, the "
            f"adapter leads to {adapter.modality}",
            f"choose prompts for {adapter.modality}",
        )
    if scorer is not None and scorer.modality != adapter.modality:
        raise UserError(
            f"the scorer judges items of kind {scorer.modality}, the adapter makes "
            f"{adapter.modality}",
            f"choose a dual encoder of {adapter.modality} (`m2m list --targets`)",
        )
    if prompts.judge is None and scorer is None:
        raise UserError(
            prompts.why_no_judge or f"'{prompts.name}' has no judge of its own",
            "name a dual encoder that judges, such as --scorer clip",
        )
    if reference_items is not None:
        if scorer is None:
            raise UserError(
                "FID and KID are computed in a scorer's space, and there is no scorer",
                "name one with --scorer",
            )
        need_torchmetrics()
