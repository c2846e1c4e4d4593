"""The shipped models: loaded as hub models are, conforming, English only where they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from m2m_tiny import benchmarks, corpora, scenes, sounds
from m2m_tiny.captions import LANGUAGES
from m2m_tiny.family import MODELS

import m2m_adapters as m2m
from m2m_adapters.testing import ModalityModelSuite, TextEncoderSuite

TARGETS = {"tiny-clip": "scenes", "tiny-open-clip": "scenes", "tiny-clap": "sounds"}


class TestTinyText(TextEncoderSuite):
    def make(self) -> Any:
        return m2m.load_source("tiny-text")


class _Target(ModalityModelSuite):
    name: str

    def make(self) -> Any:
        return m2m.load_target(self.name)

    def items(self) -> list[Any]:
        bench = getattr(benchmarks, TARGETS[self.name])()
        return [bench.items[i] for i in range(6)]


class TestTinyClip(_Target):
    name = "tiny-clip"


class TestTinyOpenClip(_Target):
    name = "tiny-open-clip"


class TestTinyClap(_Target):
    name = "tiny-clap"


def test_they_load_exactly_as_a_hub_model_does() -> None:
    import open_clip
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoProcessor

    lines = ["a small red circle", "ein Kreis"]
    own = SentenceTransformer(str(MODELS / "tiny-text"), device="cpu").encode(lines)
    ours = m2m.load_source("tiny-text", precision="fp32").encode(lines)
    assert np.allclose(own, ours, atol=1e-5)
    for name, kind in (("tiny-clip", "CLIPModel"), ("tiny-clap", "ClapModel")):
        model = AutoModel.from_pretrained(MODELS / name)
        assert type(model).__name__ == kind
        read = AutoProcessor.from_pretrained(MODELS / name).tokenizer(
            lines, padding=True, return_tensors="pt"
        )
        found = model.eval().get_text_features(
            input_ids=read["input_ids"], attention_mask=read["attention_mask"]
        )
        wanted = getattr(found, "pooler_output", found).detach().numpy()
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        assert np.allclose(wanted, m2m.load_target(name).text.encode(lines), atol=1e-5)
    where = f"local-dir:{MODELS / 'tiny-open-clip'}"
    model = open_clip.create_model(where, require_pretrained=True).eval()
    wanted = model.encode_text(open_clip.get_tokenizer(where)(lines), normalize=True)
    assert np.allclose(
        wanted.detach().numpy(), m2m.load_target("tiny-open-clip").text.encode(lines), atol=1e-5
    )


def test_the_weights_are_half_precision_and_small() -> None:
    from safetensors import safe_open

    total = 0
    for path in MODELS.rglob("*.safetensors"):
        total += path.stat().st_size
        with safe_open(path, "np") as file:
            kinds = {file.get_slice(key).get_dtype() for key in file.keys()}
        assert kinds <= {"F16", "I64"}, (path, kinds)
    assert 0 < total <= 45 * 1024 * 1024
    for name in ("tiny-text", *TARGETS):
        assert "Scores" in (MODELS / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TARGETS)
def test_own_english_is_good_and_not_saturated(name: str) -> None:
    from m2m_tiny.zoo.scores import score

    there, back, foreign = score(name, MODELS / name).values()
    assert 80 <= there <= 98 and 80 <= back <= 98
    assert foreign < there / 3


def test_the_corpora_are_english_distinct_and_hold_nothing_out() -> None:
    for make, world in ((corpora.scene_captions, scenes), (corpora.sound_captions, sounds)):
        some = list(make(2000))
        assert len(set(some)) == 2000
        assert list(make(50)) == some[:50]
        assert all(line.isascii() for line in some)
        english = {w for line in some for w in line.replace(",", " ").lower().split()}
        assert len(english) < 150  # the words of one language's captions
        assert world.gallery()[0][0] is not None


@pytest.mark.parametrize("make", [benchmarks.scenes, benchmarks.sounds])
def test_benchmarks_are_fixed_and_complete(make: Any) -> None:
    bench, again = make(), make()
    assert len(bench.items) == 1000 and set(bench.captions) == set(LANGUAGES)
    assert bench.digest == again.digest
    first, second = bench.items[7], again.items[7]
    one, two = (first[0], second[0]) if isinstance(first, tuple) else (first, second)
    assert (one == two).all()


def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    import torch
    from m2m_tiny.zoo import training

    def run(work: Path, stop_at: int | None) -> Any:
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 3)

        def loss_of(step: int) -> Any:
            if step == stop_at:
                raise KeyboardInterrupt
            rng = training.step_rng(0, step)
            return model(torch.tensor([[rng.random() for _ in range(3)]])).square().sum()

        plan = training.Plan(steps=600, lr=1e-2, warmup=10)
        training.train(model, loss_of, plan, work)
        return model.weight.detach()

    whole = run(tmp_path / "a", None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", 431)
    assert torch.equal(whole, run(tmp_path / "b", None))


def test_vocabularies_are_the_same_at_every_run() -> None:
    import json
    import subprocess
    import sys

    code = (
        "from m2m_tiny import scenes; from m2m_tiny.zoo.english_tokenizer import make_tokenizer; "
        "import json; print(json.dumps(make_tokenizer(scenes.random_scene, 48).get_vocab()))"
    )
    made = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            for _ in range(2)]  # fmt: skip
    assert json.loads(made[0].stdout) == json.loads(made[1].stdout)
