"""What goes wrong quietly in the libraries, and must not here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import clap_folders
import numpy as np
import pytest
import torch
import transformers as tf
from m2m_clap.target import load

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.models import Skipped
from m2m_adapters.testing import ToySource, toy_sentences

RATE = clap_folders.RATE
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small CLAP, to be damaged."""
    return Path(shutil.copytree(clap_folders.folder(), tmp_path / "clap"))


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_aligning_loads_the_text_tower_alone(fused: bool) -> None:
    whole = tf.ClapModel.from_pretrained(clap_folders.folder(fused))
    target = load(str(clap_folders.folder(fused)), device="cpu")
    texts = list(toy_sentences(300))
    adapter = m2m.align(ToySource(), target, texts, recipe="closed-form", progress=False)
    assert adapter.encode(["a dog"]).shape == (1, 12)
    assert "_sounds" not in vars(target) and "extractor" not in vars(target)
    own = {n: p for n, p in whole.named_parameters() if n.startswith("text")}
    held = {n: p for n, p in target.text.model.named_parameters() if p.ndim}
    assert set(held) == set(own)
    target.encode_items([(clap_folders.sound(0.5), RATE)])
    names = [name for name, _ in target._sounds.named_parameters()]
    assert names and not [name for name in names if name.startswith("text")]


def test_nothing_is_left_in_training_mode() -> None:
    target = load(str(clap_folders.folder()), device="cpu")
    target.encode_items([(clap_folders.sound(0.5), RATE)])
    for half in (target.text.model, target._sounds):
        assert not any(part.training for part in half.modules())


def test_without_tokenizer_files(folder: Path) -> None:
    for name in TOKENIZER_FILES:
        (folder / name).unlink(missing_ok=True)
    assert len(tf.RobertaTokenizer.from_pretrained(folder)) < 10  # the trap itself
    with pytest.raises(UserError, match="tokenizer"):
        load(str(folder), device="cpu").text  # noqa: B018


def test_a_tokenizer_of_a_few_tokens(folder: Path) -> None:
    for name in TOKENIZER_FILES:
        (folder / name).unlink(missing_ok=True)
    tf.RobertaTokenizer.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(UserError, match=r"knows \d tokens, the model expects"):
        load(str(folder), device="cpu").text  # noqa: B018


def test_weights_that_are_missing_are_named(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    for part in ("text_projection", "audio_projection"):
        gone = next(key for key in state if key.startswith(part))
        save_file(
            {k: v for k, v in state.items() if k != gone},
            folder / "model.safetensors",
            {"format": "pt"},
        )
        target = load(str(folder), device="cpu")
        with pytest.raises(UserError, match=rf"lacks weights.*{part}"):
            target.text if part == "text_projection" else target.encode_items(
                [(clap_folders.sound(0.5), RATE)]
            )


def test_other_models_are_refused(folder: Path) -> None:
    tf.CLIPConfig().save_pretrained(folder)
    with pytest.raises(UserError, match="'clip' model, not CLAP"):
        load(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be loaded"):
        load(str(folder))


def test_fingerprints(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(str(folder), device="cpu").space.fingerprint
    assert first == load(str(clap_folders.folder()), device="cpu").space.fingerprint
    assert first != load(str(clap_folders.folder(True)), device="cpu").space.fingerprint
    assert first != load(str(folder), device="cpu", precision="bf16").space.fingerprint
    commit = "c" * 40
    repo = tmp_path / "hub" / "models--some--clap"
    shutil.copytree(folder, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cached = load("some/clap", device="cpu")
    assert cached.space.fingerprint == f"clap:hub:some/clap@{commit}:normalized"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: str) -> None:
    whole = load(str(clap_folders.folder()), device="cpu")
    half = load(str(clap_folders.folder()), device="cpu", precision=precision)
    texts, sounds = ["a dog barks", "rain"], [(clap_folders.sound(0.9), RATE)]
    assert (
        next(half.text.model.parameters()).dtype
        == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    )
    for one, other in (
        (whole.text.encode(texts), half.text.encode(texts)),
        (whole.encode_items(sounds), half.encode_items(sounds)),
    ):
        assert other.dtype == np.float32
        assert ((one * other).sum(1) > 0.99).all() and not np.array_equal(one, other)


def test_bad_sounds_are_named_or_skipped(tmp_path: Path) -> None:
    target = load(str(clap_folders.folder()), device="cpu")
    (tmp_path / "bad.wav").write_bytes(b"RIFF and no more")
    items = [(clap_folders.sound(0.5), RATE), tmp_path / "bad.wav", "http://localhost/x.wav"]
    with pytest.raises(UserError, match=r"bad\.wav"):
        target.encode_items(items)
    skipped: list[Skipped] = []
    vectors = target.encode_items(items, on_error="skip", skipped=skipped)
    assert vectors.shape == (1, 12) and [s.index for s in skipped] == [1, 2]
    assert target.encode_items(items[1:], on_error="skip").shape == (0, 12)


def test_offline_from_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from m2m_cli.main import run

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    with pytest.raises(SystemExit) as left:
        run(
            f"align --source toy-source --target clap:nobody/absent-clap "
            f"--texts {tmp_path}/texts.txt --out {tmp_path}/out".split()
        )
    told = capsys.readouterr().err
    assert left.value.code == 2 and len(told.strip().splitlines()) == 1
    assert "hf download nobody/absent-clap" in told and "clap:FOLDER" in told


def test_from_the_shell(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    command = [sys.executable, "-m", "m2m_cli.main", "align", "--source", "toy-source"]
    command += ["--texts", "texts.txt", "--out", "out", "--target", f"clap:{clap_folders.folder()}"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert m2m.load_adapter(tmp_path / "out").encode(["a dog"]).shape == (1, 12)
