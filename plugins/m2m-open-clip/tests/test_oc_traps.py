"""What goes wrong quietly in the library, and must not here."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import oc_folders
import open_clip
import pytest
import torch
from m2m_open_clip.target import load
from PIL import Image
from safetensors.torch import load_file, save_file

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.models import Skipped
from m2m_adapters.testing import ToySource, toy_sentences

NO_TOWERS = '{"model_cfg": {"embed_dim": 8, "vision_cfg": 3, "text_cfg": 4}}'
WEIGHTS = "open_clip_model.safetensors"
PICTURES = [Image.new("RGB", (40, 50), color) for color in ("red", "blue", "white")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a small model, to be damaged."""
    return Path(shutil.copytree(oc_folders.folder("tokenizer"), tmp_path / "model"))


def opened(folder: Path, **options: str):
    return load(f"local-dir:{folder}", device="cpu", **options)


@pytest.mark.parametrize("kind", ["plain", "siglip", "coca"])
def test_aligning_loads_the_text_tower_alone(kind: str) -> None:
    whole, _ = oc_folders.made(kind)
    target = opened(oc_folders.folder(kind))
    texts = list(toy_sentences(300))
    adapter = m2m.align(ToySource(), target, texts, recipe="closed-form", progress=False)
    assert adapter.encode(["a dog"]).shape == (1, 12)
    assert "_images" not in vars(target)
    held = sum(p.numel() for p in target.text.model.parameters())
    parts = [p.numel() for n, p in whole.named_parameters() if not n.startswith(
        ("visual.", "logit_", "text_decoder.")
    )]  # fmt: skip
    assert held == sum(parts)
    target.encode_items(PICTURES)
    images = sum(p.numel() for p in target._images[0].parameters())
    assert images == sum(p.numel() for p in whole.visual.parameters())


def test_without_weights(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / WEIGHTS).unlink()
    with caplog.at_level(logging.WARNING):  # the trap itself: a warning, and random weights
        open_clip.create_model(f"local-dir:{folder}")
    assert any("weights" in record.getMessage() for record in caplog.records)
    with pytest.raises(UserError, match="has no weights"):
        opened(folder)


@pytest.mark.parametrize("part", ["visual.", "token_embedding", "ln_final"])
def test_weights_that_are_missing(folder: Path, part: str) -> None:
    state = load_file(folder / WEIGHTS)
    kept = {key: value for key, value in state.items() if not key.startswith(part)}
    assert len(kept) < len(state)
    save_file(kept, folder / WEIGHTS)
    target = opened(folder)
    with pytest.raises(UserError, match="cannot be loaded"):
        target.encode_items(PICTURES) if part == "visual." else target.text


def test_broken_files(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be loaded"):
        opened(folder).text  # noqa: B018
    for told in ("{", "[]", '{"model_cfg": {}}', '{"model_cfg": 3}', NO_TOWERS):
        (folder / "open_clip_config.json").write_text(told)
        with pytest.raises(UserError, match="not a config of open_clip"):
            opened(folder)
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(UserError, match=r"no open_clip_config\.json"):
        opened(folder)


@pytest.mark.parametrize("kind", ["plain", "siglip", "coca"])
def test_weights_in_the_old_format(kind: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(oc_folders.folder(kind), tmp_path / "old"))
    torch.save(load_file(folder / WEIGHTS), folder / "open_clip_pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    old, new = opened(folder), opened(oc_folders.folder(kind))
    texts = ["a dog", "two red squares"]
    np.testing.assert_allclose(old.text.encode(texts), new.text.encode(texts), atol=1e-6)
    np.testing.assert_allclose(old.encode_items(PICTURES), new.encode_items(PICTURES), atol=1e-6)


def test_a_pickle_is_not_run(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    (folder / WEIGHTS).unlink()
    (folder / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps({"visual.x": Evil()}))
    with pytest.raises(UserError, match="cannot be loaded"):
        opened(folder).text  # noqa: B018
    torch.save({"visual.x": Evil()}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded"):
        opened(folder).text  # noqa: B018
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_that_is_missing_or_of_another_model(folder: Path) -> None:
    told = json.loads((folder / "open_clip_config.json").read_text())
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match="no tokenizer files"):
        opened(folder).text  # noqa: B018
    oc_folders.tokenizer().save_pretrained(folder)
    told["model_cfg"]["text_cfg"]["vocab_size"] = 49408
    (folder / "open_clip_config.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match="the model expects 49408"):
        opened(folder).text  # noqa: B018


def test_names_that_lead_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, told in {
        "ViT-B-32": "does not say which weights",
        "ViT-B-32/nope": "laion2b_s34b_b79k",
        "ViT-B-33/laion2b_s34b_b79k": r"ViT-B-32",
        "ViT-B-32/laion2b_s34b_b79k": r"hf download laion/CLIP-ViT-B-32",
        "RN50/cc12m": r"hf download timm/resnet50_clip\.cc12m",
        "hf-hub:nobody/absent": "hf download nobody/absent",
        "local-dir:/absent": "there is no folder",
        "nobody/absent": "nobody",
    }.items():
        with pytest.raises(UserError, match=told) as caught:
            load(name)
        assert "\n" not in str(caught.value)


def test_an_architecture_and_a_tag(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small architecture and its weights in the hub's cache, by the names open_clip has."""
    from open_clip import pretrained

    plain = oc_folders.folder("plain")
    told = json.loads((plain / "open_clip_config.json").read_text())
    (tmp_path / "M2M-Small.json").write_text(json.dumps(told["model_cfg"]))
    open_clip.add_model_config(tmp_path / "M2M-Small.json")
    cfg = {"hf_hub": "some/small/", "mean": (0.5,) * 3, "std": (0.5,) * 3}
    monkeypatch.setitem(pretrained._PRETRAINED, "M2M-Small", {"tag_e1": cfg})
    repo = tmp_path / "hub" / "models--some--small"
    shutil.copytree(plain, repo / "snapshots" / ("d" * 40))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("d" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    made, direct = load("M2M-Small/tag_e1", device="cpu"), opened(plain)
    texts = ["a dog", "two red squares"]
    np.testing.assert_array_equal(made.text.encode(texts), direct.text.encode(texts))
    np.testing.assert_array_equal(made.encode_items(PICTURES), direct.encode_items(PICTURES))
    assert made.text.provenance == {"model": "some/small", "revision": "d" * 40}


def test_fingerprints(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(folder).space.fingerprint
    assert first == opened(oc_folders.folder("tokenizer")).space.fingerprint
    assert first != opened(folder, precision="bf16").space.fingerprint
    commit = "b" * 40
    repo = tmp_path / "hub" / "models--some--model"
    shutil.copytree(folder, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cached = load("hf-hub:some/model", device="cpu")
    assert cached.space.fingerprint == f"open-clip:hub:some/model@{commit}:normalized"
    assert cached.text.provenance == {"model": "some/model", "revision": commit}
    state = load_file(folder / WEIGHTS)
    state["text_projection"][0, 0] += 1
    save_file(state, folder / WEIGHTS)
    assert opened(folder).space.fingerprint != first


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: str) -> None:
    whole = opened(oc_folders.folder("plain"))
    half = opened(oc_folders.folder("plain"), precision=precision)
    texts = ["a dog barks", "rain"]
    assert (
        next(half.text.model.parameters()).dtype
        == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    )
    for one, other in (
        (whole.text.encode(texts), half.text.encode(texts)),
        (whole.encode_items(PICTURES), half.encode_items(PICTURES)),
    ):
        assert other.dtype == np.float32
        assert ((one * other).sum(1) > 0.99).all() and not np.array_equal(one, other)


def test_bad_images_are_named_or_skipped(tmp_path: Path) -> None:
    target = opened(oc_folders.folder("plain"))
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    items = [PICTURES[0], tmp_path / "bad.png", "http://localhost/x.png"]
    with pytest.raises(UserError, match=r"bad\.png"):
        target.encode_items(items)
    skipped: list[Skipped] = []
    vectors = target.encode_items(items, on_error="skip", skipped=skipped)
    assert vectors.shape == (1, 12) and [s.index for s in skipped] == [1, 2]


def test_offline_from_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from m2m_cli.main import run

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    with pytest.raises(SystemExit) as left:
        run(
            f"align --source toy-source --target open-clip:hf-hub:nobody/absent "
            f"--texts {tmp_path}/texts.txt --out {tmp_path}/out".split()
        )
    told = capsys.readouterr().err
    assert left.value.code == 2 and len(told.strip().splitlines()) == 1
    assert "hf download nobody/absent" in told and "local-dir:FOLDER" in told


def test_from_the_shell(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    command = [sys.executable, "-m", "m2m_cli.main", "align", "--source", "toy-source"]
    command += [
        "--texts",
        "texts.txt",
        "--out",
        "out",
        "--target",
        f"open-clip:local-dir:{oc_folders.folder('tokenizer')}",
    ]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert m2m.load_adapter(tmp_path / "out").encode(["a dog"]).shape == (1, 12)
