"""Test the claims of a paper on speech and text inside encoders (arXiv 2411.17666) on any model.

The four claims are those of its abstract; the figures behind them are in plots, so that only their
direction can be compared. Measured with speech and text of the same sentences in each language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from m2m_adapters.analysis.cross_lingual import Layers, Precision
from m2m_adapters.analysis.measures import Matrix, measure
from m2m_adapters.analysis.resources import resource_class
from m2m_adapters.analysis.study import Cell, Study
from m2m_adapters.analysis.uncertainty import sample_warning

MEASURES = ("svcca", "cka")


@dataclass(frozen=True)
class Claim:
    """less, more: what is compared; the claim is that the second is more similar."""

    number: int
    says: str
    less: str
    more: str


CLAIMS = (
    Claim(
        1, "speech and text of a sentence converge over the layers",
        "speech with text, first layer", "speech with text, output",
    ),
    Claim(
        2, "length adaptation brings speech nearer to text, mainly where resources are high",
        "speech before the adaptor with text", "speech after the adaptor with text",
    ),
    Claim(
        3, "languages differ more in speech than in text",
        "speech with English speech", "text with English text",
    ),
    Claim(
        4, "the gap between speech and text is larger than the gap between languages, in models "
        "that were not trained for one space",
        "speech with text, output", "text with English text",
    ),
)  # fmt: skip


def speech_text_study(
    text: Mapping[str, Layers],
    speech: Mapping[str, Layers],
    *,
    model: str,
    data: str,
    adaptor: bool = False,
    measures: Sequence[str] = MEASURES,
    precision: Precision | None = None,
) -> Study:
    """The similarities that the claims compare, by language, and whether they agree.

    text, speech: layers by language, row i of all for one sentence; of speech with an adaptor the
    last but one layer leaves it. adaptor: whether there is one.
    """
    chosen = precision or Precision()
    rows: list[dict[str, Cell]] = []
    for code in text:
        for what, (x, y) in _pairs(text, speech, code, adaptor).items():
            for name in measures:
                figure = chosen.estimate(measure(name), x, y)
                rows.append({"language": code, "resources": resource_class(code),
                             "between": what, "measure": name, **figure.to_dict()})  # fmt: skip
    warning = sample_warning(text["en"][-1], speech["en"][-1])
    return Study(
        "speech-text",
        "Do the claims of arXiv 2411.17666 hold for this model?",
        model,
        data,
        rows,
        findings=[_finding(claim, rows, name) for claim in CLAIMS for name in measures],
        warnings=[warning] if warning else [],
    )


def _pairs(
    text: Mapping[str, Layers], speech: Mapping[str, Layers], code: str, adaptor: bool
) -> dict[str, tuple[Matrix, Matrix]]:
    written, spoken = text[code], speech[code]
    pairs: dict[str, tuple[Matrix, Matrix]] = {
        CLAIMS[0].less: (spoken[0], written[0]),
        CLAIMS[0].more: (spoken[-1], written[-1]),
    }
    if adaptor:
        pairs[CLAIMS[1].less] = (spoken[-3], written[-1])
        pairs[CLAIMS[1].more] = (spoken[-2], written[-1])
    if code != "en":
        pairs[CLAIMS[2].less] = (spoken[-1], speech["en"][-1])
        pairs[CLAIMS[2].more] = (written[-1], text["en"][-1])
    return pairs


def _finding(claim: Claim, rows: Sequence[dict[str, Cell]], name: str) -> str:
    less, more = (_by_language(rows, what, name) for what in (claim.less, claim.more))
    both = [code for code in less if code in more]
    if not both:
        return (
            f"claim {claim.number}, {claim.says}: {name} not measured, there is no length adaptor"
        )
    low, high = (float(np.mean([side[code] for code in both])) for side in (less, more))
    agree = sum(more[code] > less[code] for code in both)
    verdict = "as published" if high > low else "not as published"
    return (
        f"claim {claim.number}, {claim.says}: {name} {low:.3f} ({claim.less}), {high:.3f} "
        f"({claim.more}); {verdict}, so in {agree} of {len(both)} languages"
    )


def _by_language(rows: Sequence[dict[str, Cell]], what: str, name: str) -> dict[str, float]:
    return {str(row["language"]): float(row["value"]) for row in rows
            if row["between"] == what and row["measure"] == name
            and row["value"] is not None}  # fmt: skip


def speech_text(
    model: str,
    texts: Mapping[str, list[str]],
    recordings: Mapping[str, Sequence[object]],
    *,
    data: str,
    samples: Precision | None = None,
    **options: Any,
) -> Study:
    """The study of a source that takes speech, by its name.

    samples: how much is spent on chance levels and intervals. options: for the model's factory.
    """
    from m2m_adapters.analysis.analyze import hears
    from m2m_adapters.analysis.layers import item_layers, text_layers
    from m2m_adapters.artifact.resolve import resolve_encoder
    from m2m_adapters.embeddings.store import Store
    from m2m_adapters.errors import UserError

    named = resolve_encoder(model, **options)
    if not hears(named):
        raise UserError(
            f"'{model}' does not accept speech", "give a source that does: speech:ORG/MODEL"
        )
    encoder = named.text
    return speech_text_study(
        {code: text_layers(encoder, said, store=Store()) for code, said in texts.items()},
        {code: item_layers(encoder, sounds) for code, sounds in recordings.items()},
        model=model, data=data, adaptor=bool(getattr(encoder, "adaptor", False)),
        precision=samples,
    )  # fmt: skip
