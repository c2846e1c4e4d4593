"""What goes wrong quietly in the libraries, and must not here."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import clip_folders
import numpy as np
import pytest
import torch
import transformers as tf
from m2m_clip.target import load
from PIL import Image

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.models import Skipped
from m2m_adapters.testing import ToySource, toy_sentences

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small CLIP, to be damaged."""
    return Path(shutil.copytree(clip_folders.folder("clip"), tmp_path / "clip"))


def test_aligning_loads_the_text_tower_alone() -> None:
    whole = clip_folders.parts("clip")[0].from_pretrained(clip_folders.folder("clip"))
    target = load(str(clip_folders.folder("clip")), device="cpu")
    adapter = m2m.align(
        ToySource(), target, list(toy_sentences(300)), recipe="closed-form", progress=False
    )
    assert adapter.encode(["a dog"]).shape == (1, 12)
    assert "_images" not in vars(target)
    names = {name for name, _ in target.text.model.named_parameters()}
    own = {n: p for n, p in whole.named_parameters() if n.startswith("text")}
    assert names - {"logit_scale"} == set(own)
    held = sum(p.numel() for p in target.text.model.parameters() if p.ndim)
    assert held == sum(p.numel() for p in own.values())


@pytest.mark.parametrize("kind", clip_folders.KINDS)
def test_each_half_holds_its_own_weights_and_no_others(kind: str) -> None:
    folder = clip_folders.folder(kind)
    whole = {
        name for name, _ in clip_folders.parts(kind)[0].from_pretrained(folder).named_parameters()
    }
    shared = {"logit_scale", "logit_bias", "temperature"}
    target = load(str(folder), device="cpu")
    texts = {name for name, _ in target.text.model.named_parameters()}
    target.encode_items([Image.new("RGB", (40, 40))])
    images = {name for name, _ in target._images[0].named_parameters()}
    assert texts | images | shared >= whole and texts & images <= shared
    assert all(name.startswith("text") for name in texts - shared)
    assert not any(name.startswith("text") for name in images)


PEAK = r"""
import re
from PIL import Image
from m2m_clip.target import load
load({small!r}, device="cpu").text.encode(["warm up"])  # libraries, not weights
def peak():
    return 1024 * int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1])
before = peak()
target = load({large!r}, device="cpu")
target.text.encode(["a dog"])
text = peak() - before
target.encode_items([Image.new("RGB", (40, 40))])
print(text, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_memory_of_the_image_tower_is_not_taken(tmp_path: Path) -> None:
    _, config, tokenizer, processor = clip_folders.parts("clip")
    config.vision_config.hidden_size = 512
    config.vision_config.num_hidden_layers = 12
    config.vision_config.intermediate_size = 2048
    model = tf.CLIPModel(config)
    for part in (model, tokenizer, processor):
        part.save_pretrained(tmp_path)
    size = 4 * sum(p.numel() for p in model.vision_model.parameters())
    del model
    gc.collect()
    code = PEAK.format(small=str(clip_folders.folder("clip")), large=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, both = map(int, done.stdout.split())
    assert size > 125e6
    assert text < 0.3 * size
    assert both > 0.8 * size  # the measure does see the tower when it is there


def test_without_tokenizer_files(folder: Path) -> None:
    for name in TOKENIZER_FILES:
        (folder / name).unlink(missing_ok=True)
    # The trap itself: the library is content with this folder.
    assert len(tf.CLIPTokenizer.from_pretrained(folder)) < 10
    with pytest.raises(UserError, match="tokenizer"):
        load(str(folder), device="cpu").text  # noqa: B018


def test_a_tokenizer_of_a_few_tokens(folder: Path) -> None:
    for name in TOKENIZER_FILES:
        (folder / name).unlink(missing_ok=True)
    tf.CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(UserError, match=r"knows \d tokens, the model expects"):
        load(str(folder), device="cpu").text  # noqa: B018


def test_weights_that_are_missing_are_named(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    gone = "text_model.encoder.layers.1.mlp.fc1.weight"
    assert state.pop(gone) is not None
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks weights.*fc1"):
        load(str(folder), device="cpu").text  # noqa: B018


def test_a_broken_weights_file(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be loaded"):
        load(str(folder), device="cpu").text  # noqa: B018


def test_other_models_are_refused(folder: Path) -> None:
    tf.BertConfig().save_pretrained(folder)
    with pytest.raises(UserError, match="'bert' model, not a dual image encoder"):
        load(str(folder))


def test_fingerprints(folder: Path) -> None:
    first = load(str(folder), device="cpu")
    print_of = first.space.fingerprint
    assert print_of == load(str(clip_folders.folder("clip")), device="cpu").space.fingerprint
    assert load(str(folder), device="cpu", precision="bf16").space.fingerprint != print_of
    (folder / "README.md").write_text("prose changes no vector")
    assert load(str(folder), device="cpu").space.fingerprint == print_of
    model = tf.CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        model.text_projection.weight[0, 0] += 1
    model.save_pretrained(folder)
    assert load(str(folder), device="cpu").space.fingerprint != print_of


def in_cache(folder: Path, cache: Path, name: str, commit: str) -> None:
    """``folder`` as the hub's client would have cached it."""
    repo = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, repo / "snapshots" / commit)
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / "main").write_text(commit)


def test_a_hub_model_in_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    old, new = "1" * 40, "2" * 40
    in_cache(folder, tmp_path, "some/clip", old)
    in_cache(folder, tmp_path, "some/clip", new)
    made = load("some/clip", device="cpu")
    assert made.space.fingerprint == f"clip:hub:some/clip@{new}:normalized"
    assert made.text.provenance == {"model": "some/clip", "revision": new}
    assert load("some/clip", revision=old).text.provenance["revision"] == old
    with pytest.raises(UserError, match=f"--revision {'3' * 40}"):
        load("some/clip", revision="3" * 40)


def test_a_hub_model_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError) as caught:
        load("nobody/absent-clip")
    told = str(caught.value)
    assert "hf download nobody/absent-clip" in told and "clip:FOLDER" in told
    assert "\n" not in told


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No retries, and no waiting for a name lookup that hangs."""
    import threading

    import huggingface_hub

    asked, stuck = [], threading.Event()

    def hang(self: object, model: str, **options: object) -> None:
        asked.append(model)
        stuck.wait(60)

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("m2m_adapters.models.weights.HUB_SECONDS", 0.2)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", hang)
    try:
        with pytest.raises(UserError, match="the hub cannot be reached"):
            load("nobody/absent-clip")
    finally:
        stuck.set()
    assert asked == ["nobody/absent-clip"]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: str) -> None:
    whole = load(str(clip_folders.folder("clip")), device="cpu")
    half = load(str(clip_folders.folder("clip")), device="cpu", precision=precision)
    texts, images = ["a dog barks", "rain"], [Image.new("RGB", (40, 40), "red")]
    assert half.text.encode(texts).dtype == np.float32
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert next(half.text.model.parameters()).dtype == kind
    for one, other in (
        (whole.text.encode(texts), half.text.encode(texts)),
        (whole.encode_items(images), half.encode_items(images)),
    ):
        assert ((one * other).sum(1) > 0.99).all()
        assert not np.array_equal(one, other)
    with pytest.raises(UserError, match="not a precision"):
        load(str(clip_folders.folder("clip")), precision="int3")


def test_bad_images_are_named_or_skipped(tmp_path: Path) -> None:
    target = load(str(clip_folders.folder("clip")), device="cpu")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    items = [Image.new("RGB", (40, 40), "red"), tmp_path / "bad.png", "http://localhost/x.png"]
    with pytest.raises(UserError, match=r"bad\.png"):
        target.encode_items(items)
    skipped: list[Skipped] = []
    vectors = target.encode_items(items, on_error="skip", skipped=skipped)
    assert vectors.shape == (1, 12) and [s.index for s in skipped] == [1, 2]
    assert "URLs are not downloaded" in skipped[1].reason
    assert target.encode_items(items[1:], on_error="skip").shape == (0, 12)


REMOTE = """
import os, pathlib
from transformers import CLIPConfig, CLIPModel
pathlib.Path(os.environ["M2M_TEST_MARK"]).touch()
class FarConfig(CLIPConfig):
    model_type = "far_clip"
class FarModel(CLIPModel):
    config_class = FarConfig
"""


def test_code_of_a_model_runs_by_the_users_word_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    monkeypatch.setenv("M2M_TEST_MARK", str(mark))
    modules = str(tmp_path / "modules")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "far.py").write_text(REMOTE)
    told = json.loads((folder / "config.json").read_text())
    told["model_type"] = "far_clip"
    told["auto_map"] = {"AutoConfig": "far.FarConfig", "AutoModel": "far.FarModel"}
    (folder / "config.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match="--trust-remote-code"):
        m2m.load_target(f"clip:{folder}")
    # A registry cannot say it for the user.
    (tmp_path / "registry.yaml").write_text(
        f"targets:\n  far:\n    plugin: clip\n    model: {folder}\n"
        "    options: {trust_remote_code: true}\n"
    )
    monkeypatch.setenv("M2M_REGISTRY", str(tmp_path / "registry.yaml"))
    with pytest.raises(UserError, match="trust_remote_code"):
        m2m.load_target("far")
    monkeypatch.delenv("M2M_REGISTRY")
    assert not mark.exists()

    made = load(str(folder), device="cpu", trust_remote_code=True)
    plain = load(str(clip_folders.folder("clip")), device="cpu")
    texts = ["a dog", "two red squares"]
    images = [Image.new("RGB", (40, 50), color) for color in ("red", "blue", "white")]
    np.testing.assert_allclose(made.text.encode(texts), plain.text.encode(texts), atol=1e-6)
    np.testing.assert_allclose(made.encode_items(images), plain.encode_items(images), atol=1e-6)
    assert made.encode_items([]).shape == (0, 12)
    assert mark.exists()


def test_offline_from_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from m2m_cli.main import run

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    with pytest.raises(SystemExit) as left:
        run(
            f"align --source toy-source --target clip:nobody/absent-clip "
            f"--texts {tmp_path}/texts.txt --out {tmp_path}/out".split()
        )
    told = capsys.readouterr().err
    assert left.value.code == 2 and len(told.strip().splitlines()) == 1
    assert "hf download nobody/absent-clip" in told and "clip:FOLDER" in told


def test_from_the_shell(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    command = [sys.executable, "-m", "m2m_cli.main", "align", "--source", "toy-source"]
    command += [
        "--texts",
        "texts.txt",
        "--out",
        "out",
        "--target",
        f"clip:{clip_folders.folder('clip')}",
    ]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    adapter = m2m.load_adapter(tmp_path / "out")
    assert adapter.encode(["a dog"]).shape == (1, 12)
