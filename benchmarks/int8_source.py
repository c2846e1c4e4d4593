"""What a source in 8 bits costs in retrieval: aligned as int8 against aligned as fp32.

The source is multilingual-e5-small (e5_folder.py makes its folder), the target the text space of
all-MiniLM-L6-v2, whose vectors are those of transfer.py. Each way fits its own map and English bank
on English captions of Multi30k's training set and is asked, as in transfer.py, in the other
languages of XTD10 and of Multi30k's 2016 test set.

    python benchmarks/e5_folder.py E5
    python benchmarks/int8_source.py --vectors FILE.npz --multi30k FOLDER --xtd10 FOLDER --model E5

FILE.npz is made by transfer.py --encode. Vectors are stored as those of every alignment are, so a
second run is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, arguments
from query_sets import QuerySet
from transfer import SETS, bank_of, read_texts

import m2m_adapters as m2m
from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.fit import fit
from m2m_adapters.alignment.pairs import held_out_rows, in_memory
from m2m_adapters.alignment.recipes import recipe
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.evaluation.intervals import interval
from m2m_adapters.interfaces import Vectors, normalize

RESAMPLES = 1000
WAYS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "onnx-int8": {"backend": "onnx-int8"},
}


def training_captions(texts: list[str], expected: Vectors, near: StoredEncoder) -> list[str]:
    """The captions behind the rows of the kept vectors, found by the vectors themselves."""
    if len(texts) == len(expected):
        return texts
    return [texts[row] for row in (near.embed(texts) @ expected.T).argmax(0)]


def hits(projected: Vectors, items: Vectors, bias: Vectors) -> np.ndarray:
    """Whether each query's own item is among the first ten; a tie counts against."""
    return QuerySet({}, items).ranks(projected, bias) < 10


def found_by(
    source: StoredEncoder, captions: list[str], texts: dict[str, list[str]],
    data: dict[str, Vectors],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Shares of languages in which each item is found, with a map fitted on this source."""
    x, y = normalize(source.embed(captions)), normalize(data["train_target"])
    rest, held = held_out_rows(len(y), 0)
    pairs = in_memory(x[rest], y[rest], x[held], y[held])
    projector = fit(pairs, recipe(name="auto"), True, seed=0, progress=Progress()).projector
    bank = bank_of(pairs, projector)
    found: dict[str, np.ndarray] = {}
    for name in SETS:
        items = data[f"{name}_target_en"]
        bias = bank(items)
        own = {
            key.rpartition("_")[2]: hits(
                projector.encode(normalize(source.embed(lines))), items, bias
            )
            for key, lines in texts.items()
            if key.startswith(f"{name}_source_")
        }
        found[f"{name}, English"] = own.pop("en").astype(float)
        found[f"{name}, {len(own)} others"] = np.mean(list(own.values()), axis=0)
    return found


def main() -> None:
    asked = arguments(
        __doc__, vectors={"type": Path}, multi30k={"type": Path}, xtd10={"type": Path},
        model={"type": Path, "help": "the folder that e5_folder.py made"},
    )  # fmt: skip
    if None in (asked.vectors, asked.multi30k, asked.xtd10, asked.model):
        sys.exit("give --vectors, --multi30k, --xtd10 and --model")
    data = {key: rows.astype(np.float32) for key, rows in np.load(asked.vectors).items()}
    texts = read_texts(asked.multi30k, asked.xtd10)
    store = Store()
    sources = {
        way: StoredEncoder(m2m.load_source(f"st:{asked.model}", **options), store)
        for way, options in WAYS.items()
    }
    captions = training_captions(
        texts["train_source"], normalize(data["train_source"]), sources["bf16"]
    )
    found = {}
    for way, source in sources.items():
        found[way] = found_by(source, captions, texts, data)
        print(way, {key: round(100 * float(one.mean()), 2) for key, one in found[way].items()},
              file=sys.stderr)  # fmt: skip
    report = Report(
        "Sources in 8 bits", "python benchmarks/int8_source.py --vectors FILE ...",
        ("queries", *(f"R@10, {way}" for way in WAYS), "int8 loses, points"),
    )  # fmt: skip
    draws = np.random.default_rng(0).integers(0, 1000, (RESAMPLES, 1000))
    for name in found["fp32"]:
        lost = found["fp32"][name] - found["onnx-int8"][name]
        value, low, high = interval(float(lost.mean()), lost[draws].mean(1))
        cells = [f"{100 * found[way][name].mean():.2f}" for way in WAYS]
        report.add(name, *cells, f"{value:.2f} [{low:.2f}, {high:.2f}]")
    report.notes.append(
        "multilingual-e5-small into the text space of all-MiniLM-L6-v2, recipe auto with the "
        f"English bank; {len(captions):,} English captions; losses are paired by item"
    )
    report.finish(asked)


if __name__ == "__main__":
    main()
