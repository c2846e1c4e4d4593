"""tiny-flux, steered in languages its text tower has never met."""

from __future__ import annotations

from m2m_tiny.benchmarks import drawables

import m2m_adapters as m2m
from m2m_adapters.evaluation.generator_evaluation import evaluate_generator


def test_it_paints_what_other_languages_say() -> None:
    adapter = m2m.align("tiny-text", "tiny-flux", "tiny-drawable-captions", max_sentences=3000,
                        store=False, progress=False)  # fmt: skip
    found = evaluate_generator(
        adapter, drawables(), langs=["en", "de", "ja", "ar", "hi"], limit=16, batch_size=16,
        systems=("adapter", "native"),
    ).to_dict()  # fmt: skip
    share = found["systems"]["adapter"]["share of native English"]["without English"]
    native = found["systems"]["native"]["averages"]["without English"]
    assert found["reference"]["attributes"][0] >= 80
    assert share["attributes"][0] >= 90
    assert native["attributes"][0] < 40, "chance is near 20"
