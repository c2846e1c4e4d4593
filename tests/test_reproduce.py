"""``m2m reproduce`` from start to end on toys: the code, layouts and recipes of the real thing."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_dist import fake_dist, run_m2m
from served import Quiet, serving
from toy_media import Pictures, Sounds, save_picture, save_sound

from m2m_adapters.corpus.published import SOURCES, Each, File, Source
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.published import ADAPTERS, TOWERS
from m2m_adapters.evaluation.reproduce import PLANS, reproduce
from m2m_adapters.registry.entries import registry
from m2m_adapters.testing import ToySource, toy_sentences

N = 24
ENGLISH = list(toy_sentences(N, seed=8))
GERMAN = [" ".join(reversed(text.split())) for text in ENGLISH]
CORPUS = [*toy_sentences(400), *ENGLISH[:5]]
NAMES = [f"COCO_val2014_{i:06d}.jpg" for i in range(N)]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The matrices are tiny: more threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lines(path: Path, texts: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")


def rows(path: Path, content: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(content)


def xtd(folder: Path) -> None:
    lines(folder / "XTD10/test_image_names.txt", NAMES)
    lines(folder / "XTD10/test_1kcaptions_en.txt", ENGLISH)
    lines(folder / "MIC/test_1kcaptions_de.txt", GERMAN)
    for name, text in zip(NAMES, ENGLISH, strict=True):
        save_picture(folder / "images" / name, text)


def multi30k(folder: Path) -> None:
    lines(folder / "image_splits/test_2016_flickr.txt", NAMES)
    lines(folder / "raw/test_2016_flickr.en", ENGLISH)
    lines(folder / "raw/test_2016_flickr.de", GERMAN)
    for name, text in zip(NAMES, ENGLISH, strict=True):
        save_picture(folder / "flickr30k-images" / name, text)


def xm3600(folder: Path) -> None:
    lines(folder / "captions/captions.jsonl", [
        json.dumps({"image/key": f"{i:04x}", "en": {"caption": [e, d]}, "de": {"caption": [d]}})
        for i, (e, d) in enumerate(zip(ENGLISH, GERMAN, strict=True))
    ])  # fmt: skip
    for i, text in enumerate(ENGLISH):
        save_picture(folder / f"images/{i:04x}.jpg", text)


def sounds(folder: Path) -> None:
    rows(folder / "test/metadata.csv", [
        ["file_name", "audio_name", "caption", "German"],
        *([f"{i}.wav", f"{i}.wav", e, d]
          for i, (e, d) in enumerate(zip(ENGLISH, GERMAN, strict=True))),
    ])  # fmt: skip
    for i, text in enumerate(ENGLISH):
        save_sound(folder / f"test/{i}.wav", text)


def corpora(root: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    (root / "coco-captions/pair").mkdir(parents=True)
    table = pa.table({"caption1": CORPUS, "caption2": CORPUS})
    pq.write_table(table, root / "coco-captions/pair/train-00000-of-00001.parquet")
    rows(root / "audiocaps-captions/train.csv",
         [["audiocap_id", "youtube_id", "start_time", "caption"],
          *([i, f"y{i}", 0, text] for i, text in enumerate(CORPUS[:200]))])  # fmt: skip
    rows(root / "clotho-captions/clotho_captions_development.csv",
         [["file_name", *(f"caption_{k}" for k in range(1, 6))],
          *([f"{i}.wav", *[text] * 5] for i, text in enumerate(CORPUS[200:]))])  # fmt: skip


LAYOUTS: dict[str, tuple[Callable[[Path], None], Any]] = {
    "xtd": (xtd, Pictures),
    "multi30k": (multi30k, Pictures),
    "xm3600": (xm3600, Pictures),
    "audiocaps": (sounds, Sounds),
    "clotho": (sounds, Sounds),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_result(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, target = LAYOUTS[name]
    monkeypatch.setenv("M2M_DATA", str(tmp_path))
    make(tmp_path / PLANS[name].benchmark)
    corpora(tmp_path)
    found = reproduce(name, source=ToySource(), target=target(), epochs=5)
    assert [row["what"] for row in found["rows"]] == ["ours: paper", "ours: auto",
                                                      "here: own tower"]  # fmt: skip
    paper, ours, tower = found["rows"]
    assert paper["languages"] == 2 and found["evaluation"]["protocol"] == PLANS[name].protocol
    # What the benchmark asks is never aligned on.
    assert found["corpus"]["dropped"] == 5 and found["corpus"]["sentences"] == 400
    # Sanity of the figures: the tower finds its own English, the adapter nearly as much.
    value, low, high = tower["English"]["item_to_text"]
    assert value == 100 and low <= value <= high
    assert ours["English"]["text_to_item"][0] > 90
    both = found["evaluation"]["systems"]["ours: auto"]["languages"]
    mean = sum(both[c]["text_to_item"]["R@10"][0] for c in ("en", "de")) / 2
    assert ours["average"]["text_to_item"][0] == pytest.approx(mean, abs=0.01)
    recipes = found["evaluation"]["compared with the adapter"]
    assert "ours: auto" in recipes


def test_everything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty machine with a network: benchmark and corpus come, once."""
    served = tmp_path / "served"
    xtd(served)
    lines(served / "corpus.txt", CORPUS)
    monkeypatch.setenv("M2M_DATA", str(tmp_path / "data"))
    with serving(served) as base:
        texts = ("XTD10/test_image_names.txt", "XTD10/test_1kcaptions_en.txt",
                 "MIC/test_1kcaptions_de.txt")  # fmt: skip
        each = Each("XTD10/test_image_names.txt", lambda n: f"{base}/images/{n}", "images")
        parts = (*(File(f"{base}/{t}", t) for t in texts), each)
        monkeypatch.setitem(SOURCES, "xtd10", Source(parts, ""))
        monkeypatch.setitem(SOURCES, "coco-captions",
                            Source((File(f"{base}/corpus.txt", "corpus.txt"),), ""))  # fmt: skip
        found = reproduce("xtd", source=ToySource(), target=Pictures(), epochs=2)
        asked = len(Quiet.seen)
        assert asked == len(texts) + N + 1
        again = reproduce("xtd", source=ToySource(), target=Pictures(), epochs=2)
        assert len(Quiet.seen) == asked
    assert again["rows"] == found["rows"]


def test_published_figures_stand_beside(tmp_path: Path) -> None:
    """The command, its models by name, the published pair's figures in the table."""
    data = tmp_path / "data"
    xtd(data / "xtd10")
    corpora(data)
    code = """
import m2m_adapters as m2m
@m2m.hookimpl
def m2m_register(register):
    register.source("mpnet", "m2m_adapters.testing.toys:ToySource")
    register.target("jina-clip", "toy_media:Pictures", modality="image")
"""
    # The toys under the names of the published models: what is printed beside them is real.
    plugin = fake_dist(tmp_path / "dist", "toys-as-published", code)
    done = run_m2m("reproduce", "xtd", "--sentences", "150", M2M_DATA=str(data),
                   paths=(plugin, Path(__file__).parent), OMP_NUM_THREADS="1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = done.stdout
    assert "94.4" in told and "89.3" in told and "arXiv 2601.10096" in told and "37.4" in told
    words = [line.split("  ")[0] for line in told.splitlines()]
    assert words[3:8] == ["ours: paper", "ours: auto", "published", "here: own tower",
                          "published: own tower"]  # fmt: skip


def test_on_the_tiny_family(tmp_path: Path) -> None:
    """Real models, real pictures: 60 tiny scenes laid out as XTD10 is."""
    from m2m_adapters.evaluation.find import load_benchmark

    pytest.importorskip("m2m_tiny")
    image = pytest.importorskip("PIL.Image")
    tiny = load_benchmark("tiny-scenes")
    names = NAMES + [f"COCO_val2014_{i:06d}.jpg" for i in range(N, 60)]
    (tmp_path / "images").mkdir()
    for name, pixels in zip(names, tiny.items, strict=False):
        with open(tmp_path / "images" / name, "wb") as file:
            image.fromarray(pixels).save(file, format="PNG")
    lines(tmp_path / "XTD10/test_image_names.txt", names)
    for code in ("en", "de", "zh"):
        lines(tmp_path / f"XTD10/test_1kcaptions_{code}.txt", tiny.captions[code][:60])
    try:
        found = reproduce(
            "xtd", source="tiny-text", target="tiny-clip", texts="tiny-scene-captions",
            data=tmp_path, sentences=800, epochs=1,
        )  # fmt: skip
    except UserError as error:
        if "no model folder" in str(error):
            pytest.skip(f"the tiny family is not trained here: {error}")
        raise
    ours = next(row for row in found["rows"] if row["what"] == "ours: auto")
    chance = 100 * 10 / 60
    assert ours["languages"] == 3 and ours["average"]["text_to_item"][0] > 2 * chance


def test_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2M_DATA", str(tmp_path))
    with pytest.raises(UserError, match="there is no result called 'imagenet'"):
        reproduce("imagenet")
    monkeypatch.setitem(SOURCES, "xtd10", Source((File("http://127.0.0.1:9/x", "x"),), ""))
    with pytest.raises(UserError, match="cannot fetch http"):
        reproduce("xtd", source=ToySource(), target=Pictures())


def test_published_names_are_in_the_registry() -> None:
    for source, target in ADAPTERS:
        assert registry().find("source", source) and registry().find("target", target)
    assert all(registry().find("target", name) for name in TOWERS)
    for plan in PLANS.values():
        assert registry().find("source", plan.source) and registry().find("target", plan.target)
        assert (plan.source, plan.target) in ADAPTERS
        assert set(plan.corpora) <= set(SOURCES) and plan.benchmark in SOURCES
