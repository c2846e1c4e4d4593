"""Score every system of an evaluation on a benchmark: figures by language, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.corpus_again import english_sentences
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.record import Json
from m2m_adapters.corpus.sentences import TextsLike
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.agreement import consistency
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.intervals import Figures, Resampler, difference
from m2m_adapters.evaluation.metrics import DIRECTIONS
from m2m_adapters.evaluation.scored import Scored, Scorer
from m2m_adapters.evaluation.systems import System, adapted, shifted, systems
from m2m_adapters.evaluation.trust import trust_report
from m2m_adapters.interfaces import Vectors
from m2m_adapters.models.devices import choose_device
from m2m_adapters.models.items import Skipped


@dataclass
class Evaluation:
    """All systems on one benchmark; ``to_dict`` is what ``--json`` prints."""

    benchmark: Benchmark
    protocol: str
    adapter: Json
    scored: list[Scored]
    items: Vectors = field(repr=False)
    trust: dict[str, object] = field(default_factory=dict)
    reranked: Json = field(default_factory=dict)

    def __getitem__(self, system: str) -> Scored:
        return next(one for one in self.scored if one.system.name == system)

    def value(
        self, system: str, code: str, figure: str = "R@10", direction: str = "text_to_item"
    ) -> float:
        """One figure in percent."""
        return self[system].figures[code][direction].percent(figure)

    def to_dict(self) -> Json:
        """The whole evaluation as JSON values; computed once, so callers must not change it."""
        return self._dict

    @cached_property
    def _dict(self) -> Json:
        content: Json = {
            "benchmark": self.benchmark.describe(),
            "protocol": self.protocol,
            "ties": "pessimistic",
            "intervals": "95%, bootstrap over items",
            "adapter": self.adapter,
            "systems": {},
        }
        for one in self.scored:
            content["systems"][one.system.name] = {
                "what": one.system.description,
                "languages": _as_dicts(one.figures),
                "averages": _as_dicts(one.averages()),
                "groups": one.groups(),
                "consistency": consistency(one.top, one.ranks, self.benchmark),
            }
        first = self.scored[0]
        content["compared with the adapter"] = {
            other.system.name: {
                name: {d: difference(other.averages()[name][d], ours[d]) for d in DIRECTIONS}
                for name, ours in first.averages().items()
                if ":" not in name
            }
            for other in self.scored[1:]
        }
        if self.trust:
            content["trust"] = self.trust
        if self.reranked:
            content["reranked"] = self.reranked
        return content


def _as_dicts(figures: dict[str, dict[str, Figures]]) -> Json:
    return {
        code: {direction: ways[direction].to_dict() for direction in DIRECTIONS}
        for code, ways in figures.items()
    }


def evaluate(
    adapter: Adapter,
    benchmark: Benchmark,
    *,
    langs: Sequence[str] | None = None,
    baselines: Sequence[str] = (),
    others: Sequence[System] = (),
    protocol: str = "all",
    corrections: Sequence[str] = (),
    texts: TextsLike | None = None,
    skip_bad: bool = False,
    trust: bool = False,
    bank: bool = True,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """R@1/5/10 and more, both ways, for each language, for the adapter and its baselines.

    others: further systems to compare with, such as other adapters to the same target.
    corrections: named post-processing, each reported as a system of its own.
    texts: English corpus for fitted baselines and query banks; the adapter's own by default.
    skip_bad: leave out items that cannot be read, and name them; an error otherwise.
    trust: also the trust report; encodes every caption three times instead of once.
    bank: the adapter's English bank, if it has one, corrects the scores of items; the figures
        without it are then a system of their own. False leaves it out altogether.
    An adapter with a table of languages is measured without it, and with it as a system of its
    own: it has seen unlabeled foreign text.
    device: where similarities are computed; the models keep the device they were loaded on.
    """
    bar = progress or Progress()
    _same_modality(adapter, benchmark)
    compute = str(choose_device(device))
    asked = benchmark.only(langs).under(protocol)
    with bar.stage("load", None):
        compared = [*systems(adapter, baselines, texts, bank=bank), *others]
    items, asked = _encode_items(adapter, asked, skip_bad, bar)
    scorer = Scorer(asked, items, Resampler(len(asked.items), seed=seed), compute)
    scored = []
    for system in compared:
        with bar.stage(f"encode texts: {system.name}", len(asked.languages), "languages") as done:
            vectors = {}
            for number, code in enumerate(asked.languages):
                vectors[code] = system.encode(asked.captions[code])
                done(number + 1)
        scored.append(scorer(system, vectors))
        if system is compared[0] and system.bias is not None:
            scored.append(scorer(system.without_bank(), vectors))
        if system is compared[0] and adapter.languages is not None:
            scored.append(scorer(adapted(system, adapter), shifted(adapter, vectors)))
    if corrections:
        from m2m_adapters.evaluation.corrections import BANK, corrected

        own = scored[0]
        for system, vectors, penalties in corrected(
            corrections,
            own.system,
            own.vectors,
            items,
            lambda: english_sentences(adapter, texts, limit=BANK),
        ):
            scored.append(scorer(system, vectors, penalties))
    report: dict[str, object] = {}
    if trust:
        with bar.stage("trust report", None):
            native = next((one for one in scored if one.system.name == "native"), None)
            report = trust_report(adapter, scored[0], scorer, native)
    described = {
        "name": adapter.name,
        "digest": adapter.digest,
        "source": adapter.record.source.name,
        "target": adapter.record.target.name,
    }
    return Evaluation(asked, protocol, described, scored, items, report)


def _encode_items(
    adapter: Adapter, asked: Benchmark, skip_bad: bool, bar: Progress
) -> tuple[Vectors, Benchmark]:
    """Vectors of the items, and the benchmark without those that were skipped."""
    with bar.stage("encode items", len(asked.items), "items") as done:

        def report(finished: int, _: int) -> None:
            done(finished)

        if not skip_bad:
            return adapter.encode_items(asked.items, progress=report), asked
        skipped: list[Skipped] = []
        items = adapter.encode_items(asked.items, progress=report, on_error="skip", skipped=skipped)
    return items, asked.without({one.index: one.reason for one in skipped})


def _same_modality(adapter: Adapter, benchmark: Benchmark) -> None:
    if benchmark.modality != adapter.modality:
        raise UserError(
            f"the benchmark '{benchmark.name}' holds items of kind {benchmark.modality}, "
            f"the adapter maps into a space of kind {adapter.modality}",
            f"choose a benchmark of {adapter.modality} items (`m2m list --benchmarks`)",
        )
