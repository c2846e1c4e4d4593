"""tiny-drawables and its judge; the demo's sheet from a painter of tiny-flux's shape."""

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from m2m_tiny import drawable, family
from m2m_tiny.benchmarks import DRAWABLE_SEED, DRAWABLES, drawables
from m2m_tiny.captions import LANGUAGES
from m2m_tiny.reader import labels, new_reader

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.find import load_benchmark, load_named
from m2m_adapters.hookspecs import Offer
from m2m_adapters.registry.plugins import catalogue
from m2m_adapters.report.demo import Painted, painted_sheet


@pytest.fixture(scope="module")
def reader_folder(tmp_path_factory):
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("reader")
    torch.manual_seed(0)
    save_file(new_reader().state_dict(), folder / "model.safetensors")
    return folder


def test_the_judge_counts_against_its_own_scenes(reader_folder):
    prompts = drawables(reader_folder)
    assert len(prompts) == DRAWABLES and set(prompts.languages) == set(LANGUAGES)
    scenes = drawable.draw(drawable.split()[1], DRAWABLES, random.Random(DRAWABLE_SEED))[:9]
    pictures = np.random.default_rng(0).integers(0, 256, (9, 40, 40, 3), np.uint8)
    seen = prompts.judge.look(list(pictures))
    right = seen == labels(scenes)
    assert not right.all()  # a reader that was never trained, shown noise
    told = prompts.judge.figures(seen)
    assert told["place"].value == pytest.approx(right[:, 0].mean())
    assert told["exact"].value == right.all(1).mean()
    perfect = prompts.judge.figures(labels(scenes))
    assert {one.value for one in perfect.values()} == {1.0}
    assert prompts.judge.alike(seen, seen)["same answers as English"].value == 1.0


def test_without_its_reader_it_says_so(tmp_path):
    prompts = drawables(tmp_path)
    assert prompts.judge is None and "tiny-reader" in prompts.why_no_judge
    assert load_named("tiny-drawables", modality="image").captions == prompts.captions
    with pytest.raises(UserError, match="is a benchmark of prompts"):
        load_benchmark("tiny-drawables")


@pytest.fixture
def random_painter(tmp_path, monkeypatch):
    """A FluxPipeline of tiny-flux's very shape whose weights were never trained."""
    pytest.importorskip("m2m_diffusion")
    import torch
    from m2m_tiny.zoo.diffusion_flux import Neutral, new_transformer, save
    from m2m_tiny.zoo.diffusion_text import build
    from m2m_tiny.zoo.diffusion_vae import new_vae

    torch.manual_seed(0)
    text, tokenizer = build()
    lessons = SimpleNamespace(vae=new_vae(), text=text, tokenizer=tokenizer)
    save(new_transformer(), Neutral(), lessons, tmp_path / "tiny-flux")
    monkeypatch.setattr(family, "MODELS", tmp_path)
    offer = Offer("target", "tiny-flux", "m2m_tiny.family:tiny_flux", "", "m2m-tiny")
    monkeypatch.setitem(catalogue().offers, ("target", "tiny-flux"), offer)


def test_the_sheet_of_the_demo(random_painter, monkeypatch):
    models = Path(family.__file__).parent / "models"
    monkeypatch.setattr(
        family, "tiny_text", lambda **o: m2m.load_source(f"st:{models / 'tiny-text'}", **o)
    )
    found = painted_sheet(Painted(sentences=400))
    columns = 1 + len(LANGUAGES)
    assert found.count("<th>") == columns and found.count("<img") == 4 * columns
    prompts = drawables()
    for code in ("ar", "hi", "zh", "de"):
        assert f'lang="{code}"' in found and prompts.captions[code][3] in found
    assert 'lang="ar" dir="rtl"' in found


def test_a_painter_that_cannot_run_is_told_on_the_page(monkeypatch):
    offer = Offer("target", "tiny-flux", "no_such_package_here:load", "", "m2m-tiny")
    monkeypatch.setitem(catalogue().offers, ("target", "tiny-flux"), offer)
    assert "Left out:" in painted_sheet() and "no_such_package_here" in painted_sheet()


def test_no_painter_no_sheet(monkeypatch):
    monkeypatch.delitem(catalogue().offers, ("target", "tiny-flux"), raising=False)
    assert painted_sheet() == ""
