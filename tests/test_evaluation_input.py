"""What an evaluation reads: the adapter's corpus again, items that cannot be read, devices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_dist import fake_dist, run_m2m
from toy_media import Seeing, save_picture

import m2m_adapters as m2m
from m2m_adapters.alignment.corpus_again import english_sentences
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation import Benchmark, LazyItems, evaluate
from m2m_adapters.evaluation.find import load_benchmark
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(300))
FITTED = ("procrustes", "ridge")
BANKED = ("csls", "qb-norm")


def words(n: int = 20) -> Benchmark:
    texts = list(toy_sentences(n, seed=5))
    return Benchmark("words", "words", LazyItems(n, lambda i: texts[i]), {"en": texts})


def aligned(texts: Any, **options: Any) -> m2m.Adapter:
    return m2m.align(ToySource(), AffineTarget(48), texts, recipe="closed-form",
                     progress=False, **options)  # fmt: skip


@pytest.fixture
def captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "captions.txt"
    path.write_text("\n".join(SENTENCES), encoding="utf-8")
    return path


# --- the adapter's own corpus ------------------------------------------------------------


@pytest.mark.parametrize("origin", ["memory", "stdin"])
@pytest.mark.parametrize("name", [*FITTED, *BANKED])
def test_a_corpus_that_is_gone_is_never_a_bank_of_one_row(
    name: str, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if origin == "memory":
        adapter = aligned(SENTENCES)
    else:
        monkeypatch.setattr(
            "m2m_adapters.corpus.sentences.read_stdin", lambda column: iter(SENTENCES)
        )
        adapter = aligned("-")
    options = {"baselines": [name]} if name in FITTED else {"corrections": [name]}
    with pytest.raises(UserError, match="cannot be read again; give --texts"):
        evaluate(adapter, words(), **options)
    assert evaluate(adapter, words(), texts=SENTENCES, **options).value(name, "en") > 90


@pytest.mark.parametrize("name", [*FITTED, *BANKED])
def test_a_file_that_is_elsewhere_is_named(
    name: str, captions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = aligned("captions.txt")
    options = {"baselines": [name]} if name in FITTED else {"corrections": [name]}
    assert evaluate(adapter, words(), **options).value(name, "en") > 90
    captions.unlink()
    with pytest.raises(UserError, match=r"captions\.txt not found; give --texts"):
        evaluate(adapter, words(), **options)


def test_a_file_with_other_sentences_is_refused(captions: Path) -> None:
    adapter = aligned("captions.txt")
    captions.write_text("\n".join(SENTENCES[:150]), encoding="utf-8")
    with pytest.raises(UserError, match="does not hold the sentences"):
        english_sentences(adapter)


@pytest.mark.parametrize("most", [None, 120, 5000])
def test_a_corpus_is_read_again_exactly(captions: Path, most: int | None) -> None:
    adapter = aligned("captions.txt", max_sentences=most, seed=3)
    again = english_sentences(adapter)
    assert len(again) == min(most or 300, 300)
    assert len(english_sentences(adapter, limit=50)) == 50


def test_a_corpus_by_name_is_read_again(captions: Path) -> None:
    adapter = aligned("tiny-scene-captions", max_sentences=150, seed=2)
    assert len(english_sentences(adapter)) == adapter.record.corpus.sentences


# --- items ---------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rows = ["item,language,caption"]
    for number, text in enumerate(SENTENCES[:8]):
        save_picture(tmp_path / "photos" / f"{number}.png", text)
        rows += [f"{number}.png,en,{text}", f"{number}.png,de,{text}"]
    (tmp_path / "photos" / "captions.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "photos" / "3.png").write_bytes(b"not a picture")
    return tmp_path / "photos"


def test_one_broken_picture(photos: Path) -> None:
    adapter = m2m.align(ToySource(), Seeing(), SENTENCES, recipe="closed-form", progress=False)
    bench = load_benchmark(str(photos))
    with pytest.raises(UserError, match=r"3\.png"):
        evaluate(adapter, bench)
    found = evaluate(adapter, bench, skip_bad=True)
    assert list(found.benchmark.unreadable) == ["3.png"]
    assert len(found.items) == len(found.benchmark.items) == 7
    assert found.value("adapter", "de", "R@1") == 100  # captions moved with their items
    described = found.to_dict()["benchmark"]
    assert described["items"] == 7 and "not an image" in described["unreadable items"]["3.png"]
    for path in photos.glob("*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="none of the 8 items"):
        evaluate(adapter, load_benchmark(str(photos)), skip_bad=True)


def test_a_target_that_cannot_say_what_it_left_out() -> None:
    class Silent(AffineTarget):
        def encode_items(self, items: Any, **options: Any) -> Any:
            return super().encode_items(list(items)[1:])

    adapter = m2m.align(ToySource(), Silent(48), SENTENCES, recipe="closed-form", progress=False)
    with pytest.raises(UserError, match="returned shape"):
        evaluate(adapter, words(), skip_bad=True)


def test_a_folder_called_dot_has_its_own_name(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    assert load_benchmark(".").name == "photos"


def test_the_device_that_was_asked_for_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def spy(device: str) -> str:
        seen.append(device)
        return "cpu"

    monkeypatch.setattr("m2m_adapters.evaluation.scoring.choose_device", spy)
    evaluate(aligned(SENTENCES), words(), device="cpu")
    assert seen == ["cpu"]


def test_from_the_shell(photos: Path, tmp_path: Path) -> None:
    code = """
import m2m_adapters as m2m
@m2m.hookimpl
def m2m_register(register):
    register.target("seeing", "toy_media:Seeing", modality="image")
"""
    paths = (fake_dist(tmp_path / "dist", "seeing", code), Path(__file__).parent)
    model = Seeing()
    adapter = m2m.align(ToySource(), model, SENTENCES, recipe="closed-form", progress=False,
                        names=("toy-source", "seeing"))  # fmt: skip
    adapter.save(tmp_path / "a")
    command = ("evaluate", str(tmp_path / "a"), "-b", str(photos), "--device", "cpu", "--json")
    refused = run_m2m(*command, paths=paths)
    assert refused.returncode == 2 and "3.png" in refused.stderr, refused.stderr
    done = run_m2m(*command, "--skip-bad", paths=paths)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["benchmark"]["unreadable items"].keys() == {"3.png"}
    assert "left out 3.png: not an image" in done.stderr


def test_what_cannot_be_kept_is_said_before_the_work(tmp_path: Path) -> None:
    """Nothing is written into the working directory under a hub's name."""
    done = run_m2m("evaluate", "some-org/some-adapter", "-b", "tiny-scenes", "--keep", cwd=tmp_path)
    assert done.returncode == 2 and "m2m pull some-org/some-adapter --out FOLDER" in done.stderr
    assert not list(tmp_path.iterdir())
    done = run_m2m("evaluate", "a", "--false-friends", "--report", "r.html", cwd=tmp_path)
    assert done.returncode == 2 and "need a benchmark" in done.stderr
