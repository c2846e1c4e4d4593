"""MTEB and CLIP_benchmark take an adapter as it is; their figures are ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_media import RATE, Pictures, Sounds, picture, sound

import m2m_adapters as m2m
from m2m_adapters._internal.languages import iso3
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation import Benchmark, evaluate
from m2m_adapters.evaluation.clip_benchmark_model import Pack, load_m2m, register, tokenize, wrap
from m2m_adapters.evaluation.clip_benchmark_model import unpack as unpacked
from m2m_adapters.evaluation.mteb_model import MtebModel, run
from m2m_adapters.testing import toy_sentences

N = 30
CORPUS = list(toy_sentences(400))
ENGLISH = list(toy_sentences(N, seed=8))
# Toy languages: the same words in another order, so that some are found and some are not.
CAPTIONS = {
    "en": ENGLISH,
    "de": [" ".join(reversed(text.split())) for text in ENGLISH],
    "ja": [" ".join(text.split()[::2]) for text in ENGLISH],
}
KINDS: dict[str, Any] = {"image": Pictures, "audio": Sounds}


@pytest.fixture(scope="module", params=list(KINDS))
def adapter(request: pytest.FixtureRequest) -> m2m.Adapter:
    return m2m.align("toy-source", KINDS[request.param](), CORPUS,
                     recipe="closed-form", progress=False)  # fmt: skip


@pytest.fixture(scope="module")
def pictures() -> m2m.Adapter:
    return m2m.align("toy-source", Pictures(), CORPUS, recipe="closed-form", progress=False)


def items_of(modality: str) -> list[Any]:
    if modality == "image":
        return [picture(text) for text in ENGLISH]
    return [{"array": sound(text), "sampling_rate": RATE} for text in ENGLISH]


def task(modality: str, back: bool = False) -> Any:
    """An in-memory retrieval task of MTEB with a subset for each language."""
    mteb = pytest.importorskip("mteb")
    from datasets import Dataset, Features, Image
    from mteb.abstasks.retrieval import AbsTaskRetrieval

    letter = modality[0]
    told = mteb.TaskMetadata(
        name=f"Toy{modality.title()}{'Back' if back else ''}Retrieval",
        description="toys",
        reference=None,
        dataset={"path": "in/memory", "revision": "1"},
        type="Any2AnyMultilingualRetrieval" if modality == "image" else "Any2AnyRetrieval",
        category=f"{letter}2t" if back else f"t2{letter}",
        modalities=["text", modality],
        eval_splits=["test"],
        eval_langs={"en": ["eng-Latn"], "de": ["deu-Latn"], "ja": ["jpn-Jpan"]},
        main_score="ndcg_at_10",
        date=("2024-01-01", "2024-02-01"),
        domains=[],
        task_subtypes=[],
        license="not specified",
        annotations_creators="derived",
        dialect=[],
        sample_creation="created",
        bibtex_citation="",
    )
    if modality == "image":
        media = Dataset.from_dict(
            {"id": [f"i{i}" for i in range(N)], "image": items_of(modality)},
            features=Features({"id": _string(), "image": Image()}),
        )
    else:
        media = Dataset.from_dict(
            {"id": [f"i{i}" for i in range(N)],
             "audio": [{"array": i["array"].tolist(), "sampling_rate": RATE}
                       for i in items_of(modality)]}
        )  # fmt: skip

    class Toy(AbsTaskRetrieval):
        metadata = told

        def load_data(self, *args: Any, **kwargs: Any) -> None:
            self.dataset = {}
            for code, texts in CAPTIONS.items():
                words = Dataset.from_dict({"id": [f"t{i}" for i in range(N)], "text": texts})
                a, b = ("i", "t") if back else ("t", "i")
                self.dataset[code] = {"test": {
                    "queries": media if back else words, "corpus": words if back else media,
                    "relevant_docs": {f"{a}{i}": {f"{b}{i}": 1} for i in range(N)},
                    "top_ranked": None}}  # fmt: skip
            self.data_loaded = True

    return Toy()


def _string() -> Any:
    from datasets import Value

    return Value("string")


def ours(adapter: m2m.Adapter) -> dict[str, Any]:
    made = Benchmark("toys", adapter.modality, items_of(adapter.modality), CAPTIONS)
    told: dict[str, Any] = evaluate(adapter, made, bank=False).to_dict()["systems"]["adapter"][
        "languages"
    ]
    return told


@pytest.mark.parametrize("back", [False, True])
def test_mteb_runs_it_and_agrees(adapter: m2m.Adapter, back: bool) -> None:
    rows = run(adapter, [task(adapter.modality, back)])
    expected = ours(adapter)
    assert [row["subset"] for row in rows] == list(CAPTIONS)
    for row in rows:
        figures = expected[row["subset"]]["item_to_text" if back else "text_to_item"]
        for k in (1, 5, 10):
            assert row[f"hit_rate_at_{k}"] == pytest.approx(figures[f"R@{k}"][0], abs=0.01)
        assert row["ndcg_at_10"] == pytest.approx(figures["nDCG@10"][0], abs=0.01)
    found = {row["subset"]: row["hit_rate_at_1"] for row in rows}
    assert found["en"] > 90 and found["ja"] < found["en"]  # the task discriminates


def test_mteb_itself_takes_the_model(pictures: m2m.Adapter, tmp_path: Path) -> None:
    """Their entry point, their protocol, no registration; by object or by folder."""
    mteb = pytest.importorskip("mteb")
    from mteb.models import EncoderProtocol

    model = MtebModel(pictures)
    assert isinstance(model, EncoderProtocol)
    assert model.mteb_model_meta.modalities == ["text", "image"]
    assert model.mteb_model_meta.revision == pictures.digest
    result = mteb.evaluate(model, task("image"), cache=None, show_progress_bar=False)
    assert result.model_name.startswith("m2m-adapters/")
    a, b = model.encode([{"text": ["a dog"]}]), model.encode([{"image": [picture("a dog")]}])
    assert float(model.similarity(a, b)[0, 0]) == pytest.approx(
        float(model.similarity_pairwise(a, b)[0]))  # fmt: skip
    words = m2m.align("toy-source", "toy-target", CORPUS, recipe="closed-form", progress=False)
    folder = words.save(tmp_path / "words")
    again = MtebModel(str(folder), words.digest)
    np.testing.assert_allclose(again.encode([{"text": ["a dog"]}]), words.encode(["a dog"]),
                               atol=1e-6)  # fmt: skip
    assert again.encode([]).shape == (0, words.dim)


def test_mteb_refusals(pictures: m2m.Adapter) -> None:
    pytest.importorskip("mteb")
    model = MtebModel(pictures)
    with pytest.raises(UserError, match="mixes text and image"):
        model.encode([{"text": ["x"], "image": [picture("x")]}])
    with pytest.raises(UserError, match="of kind audio, the adapter leads to image"):
        model.encode([{"audio": [sound("x")]}])
    with pytest.raises(UserError, match="MTEB:"):
        run(pictures, ["NoSuchTaskAnywhere"])
    with pytest.raises(UserError, match="no task is left"):
        run(pictures, [])


def test_mteb_data_that_cannot_be_fetched(pictures: m2m.Adapter) -> None:
    pytest.importorskip("mteb")
    with pytest.raises(UserError, match="the data of XM3600T2IRetrieval cannot be downloaded"):
        run(pictures, ["XM3600T2IRetrieval"], languages=["de"])


def test_three_letter_codes() -> None:
    assert [iso3(c) for c in ("de", "jp", "arb_Arab", "zh-Hant", "quz", "xx")] == [
        "deu", "jpn", "ara", "zho", "que", "xx"]  # fmt: skip


# --- CLIP_benchmark ------------------------------------------------------------------------


def test_pictures_and_texts_travel_whole() -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8))
              for h, w in ((1, 1), (300, 7), (64, 1024))]  # fmt: skip
    torch = pytest.importorskip("torch")
    pack = Pack()
    back = unpacked(torch.stack([pack(image) for image in images]))
    for before, after in zip(images, back, strict=True):
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))
    assert unpacked(pack(Image.new("RGB", (4096, 512)))[None])[0].size == (1024, 128)
    tokens = tokenize(["", "a", "犬が吠える"])
    assert tokens.shape == (3, 15) and tokens[0, 0] == -1


def test_clip_benchmark_runs_it_and_agrees(pictures: m2m.Adapter) -> None:
    theirs = pytest.importorskip("clip_benchmark.metrics.zeroshot_retrieval")
    builder = pytest.importorskip("clip_benchmark.datasets.builder")
    import torch

    model, transform, tokenizer = wrap(pictures)
    expected = ours(pictures)
    for code, captions in CAPTIONS.items():
        data = [(transform(picture(e)), [t]) for e, t in zip(ENGLISH, captions, strict=True)]
        loader = torch.utils.data.DataLoader(
            data, batch_size=8, collate_fn=builder.image_captions_collate_fn  # type: ignore[arg-type]
        )  # fmt: skip
        found = theirs.evaluate(model, loader, tokenizer, "cpu", recall_k_list=[1, 5, 10])
        for k in (1, 5, 10):
            for name, direction in (("image", "text_to_item"), ("text", "item_to_text")):
                assert 100 * found[f"{name}_retrieval_recall@{k}"] == pytest.approx(
                    expected[code][direction][f"R@{k}"][0], abs=0.01)  # fmt: skip


def test_clip_benchmark_knows_it_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = pytest.importorskip("clip_benchmark.models")
    monkeypatch.setattr(models, "TYPE2FUNC", dict(models.TYPE2FUNC))
    monkeypatch.setattr(models, "MODEL_TYPES", list(models.MODEL_TYPES))
    register()
    register()
    assert models.TYPE2FUNC["m2m"] is load_m2m and models.MODEL_TYPES.count("m2m") == 1
    words = m2m.align("toy-source", "toy-target", CORPUS, recipe="closed-form", progress=False)
    folder = words.save(tmp_path / "words")
    with pytest.raises(UserError, match="is for images; the adapter's target encodes words"):
        models.load_clip("m2m", str(folder), "", cache_dir=None, device="cpu")


# --- the command ---------------------------------------------------------------------------


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mteb = pytest.importorskip("mteb")
    from m2m_cli.main import run as command

    words = m2m.align("toy-source", "toy-target", CORPUS, recipe="closed-form", progress=False)
    folder = words.save(tmp_path / "words")

    def code(*arguments: str) -> int:
        with pytest.raises(SystemExit) as left:
            command(["evaluate", str(folder), *arguments])
        return int(left.value.code or 0)

    asked: dict[str, Any] = {}

    def get_tasks(**options: Any) -> list[Any]:
        asked.update(options)
        made = task("image")
        for subset in CAPTIONS:  # of words, so that this adapter can do it
            made.metadata = made.metadata.model_copy(
                update={"category": "t2t", "modalities": ["text"]})  # fmt: skip
            assert subset
        load = made.load_data

        def load_words(*args: Any, **kwargs: Any) -> None:
            load()
            from datasets import Dataset

            corpus = Dataset.from_dict({"id": [f"i{i}" for i in range(N)], "text": ENGLISH})
            for parts in made.dataset.values():
                parts["test"]["corpus"] = corpus

        made.load_data = load_words
        return [made]

    monkeypatch.setattr(mteb, "get_tasks", get_tasks)
    assert code("--suite", "mteb", "--tasks", "Toy", "--langs", "en,jp", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert asked == {"tasks": ["Toy"], "languages": ["eng", "jpn"]}
    assert [row["subset"] for row in rows] == list(CAPTIONS) and rows[0]["hit_rate_at_1"] > 90
    assert code("--suite", "mteb", "--tasks", "Toy") == 0
    assert "hit_rate_at_10" in capsys.readouterr().out
    assert code("--suite", "mteb") == 2 and "--tasks" in capsys.readouterr().err
    assert code("--suite", "other", "--tasks", "x") == 2 and "mteb" in capsys.readouterr().err
    assert code() == 2 and "--benchmark" in capsys.readouterr().err
