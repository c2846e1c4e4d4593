"""What a tiny painter scores, aligned with tiny-text from English captions alone."""

from __future__ import annotations

from pathlib import Path

from m2m_adapters import Stopping, align
from m2m_adapters.evaluation import evaluate_generator
from m2m_tiny.benchmarks import drawable_videos, drawables
from m2m_tiny.family import painter

SENTENCES, SCENES = 4000, 100
FILMED = 20  # scenes of a painter of videos, which takes eight times as long
LEVELS = {
    "tiny-flux": ("sentence",),
    "tiny-sd": ("token", "sentence"),
    "tiny-pixart": ("token",),
    "tiny-video": ("token",),
}


def scores(name: str, folder: Path) -> dict[str, float]:
    """Figure -> percent of attributes (place, shapes, colors) that are right in the pictures."""
    target = painter(name, folder)
    moving = target.modality == "video"
    prompts = (drawable_videos if moving else drawables)(folder / "tiny-reader")
    figures: dict[str, float] = {}
    for level in LEVELS[name]:
        adapter = align(
            "tiny-text", target, "tiny-drawable-captions", level=level, store=False,
            names=("tiny-text", name), max_sentences=SENTENCES, progress=False,
            stopping=None if level == "token" else Stopping(use_all=True),
        )  # fmt: skip
        systems = ("adapter",) if figures or moving else ("adapter", "native", "neutral")
        evaluation = evaluate_generator(
            adapter,
            prompts,
            limit=FILMED if moving else SCENES,
            systems=systems,
            batch_size=10 if moving else 50,
        ).to_dict()
        by_system = evaluation["systems"]
        if not figures:
            figures["native English"] = evaluation["reference"]["attributes"][0]
        share = by_system["adapter"]["share of native English"]
        figures |= {
            f"{level} level: English, % of that": share["en"]["attributes"][0],
            f"{level} level: mean of the 12 other languages, % of that": share["without English"][
                "attributes"
            ][0],
            f"{level} level: weakest language, % of that": min(
                row["attributes"][0] for code, row in share.items() if len(code) == 2
            ),
        }
        if moving:
            average = by_system["adapter"]["averages"]["without English"]
            figures[f"{level} level: videos of other languages that drift"] = average["drifts"][0]
        if "native" in by_system:
            native = by_system["native"]["averages"]["without English"]["attributes"][0]
            figures["own tower fed the 12 other languages"] = native
            figures["no prompt at all"] = by_system["neutral"]["languages"]["en"]["attributes"][0]
    return figures
