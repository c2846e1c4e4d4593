"""What the package does quietly, or at its import, and must not happen here."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("m2m_laion_clap", reason="m2m-laion-clap is not installed here")
pytest.importorskip("torchlibrosa", reason="laion-clap is not installed here (it needs numpy<2)")

import laion_files
from m2m_laion_clap.target import load

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.models import Skipped
from m2m_adapters.testing import toy_sentences

RATE = laion_files.RATE
POSITIONS = "module.text_branch.embeddings.position_ids"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the checkpoint and its tokenizer, to be damaged."""
    shutil.copytree(laion_files.checkpoint().parent, tmp_path / "model")
    return tmp_path / "model" / "small.pt"


def changed(file: Path, **changes: object) -> None:
    told = torch.load(file, weights_only=False)
    torch.save({**told, **changes}, file)


def state_of(file: Path) -> dict[str, torch.Tensor]:
    return torch.load(file, weights_only=False)["state_dict"]


ALIGN = """
import sys
before = list(sys.path)
import m2m_adapters as m2m
from m2m_adapters.testing import ToySource, toy_sentences
target = m2m.load_target("laion-clap:{file}", device="cpu")
adapter = m2m.align(ToySource(), target, list(toy_sentences(300)), recipe="closed-form",
                    progress=False)
assert adapter.encode(["a dog"]).shape == (1, 512)
for name in ("laion_clap", "clap_module", "wandb", "torchlibrosa"):
    assert name not in sys.modules, name
held = sum(p.numel() for p in target.text.branch.parameters())
assert "_sounds" not in vars(target), vars(target)
import numpy as np
target.encode_items([(np.zeros(48000, np.float32) + 0.1, 48000)])
assert "clap_module" in sys.modules
for name in ("laion_clap", "laion_clap.training.data"):
    assert name not in sys.modules, name
assert sys.path == before
print("fine")
"""


def test_importing_is_contained(file: Path) -> None:
    code = ALIGN.format(file=file)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("fine"), done.stderr


def test_with_and_without_position_ids(file: Path) -> None:
    state = state_of(file)
    assert state.pop(POSITIONS) is not None
    before = load(str(file), device="cpu").text.encode(["a dog"])
    changed(file, state_dict=state)
    with pytest.raises(KeyError):  # the trap itself: the package's own loader
        laion_files.clap_module("factory").load_state_dict(str(file))
    np.testing.assert_array_equal(load(str(file), device="cpu").text.encode(["a dog"]), before)


def test_without_the_prefix_of_parallel_training(file: Path) -> None:
    before = load(str(file), device="cpu").text.encode(["a dog"])
    torch.save({k.removeprefix("module."): v for k, v in state_of(file).items()}, file)
    np.testing.assert_array_equal(load(str(file), device="cpu").text.encode(["a dog"]), before)


def test_a_pickle_is_not_run(file: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    changed(file, scheduler=Evil())
    with pytest.raises(UserError, match="cannot be read as a checkpoint"):
        load(str(file))
    file.write_bytes(pickle.dumps({"state_dict": Evil()}))
    with pytest.raises(UserError, match="cannot be read as a checkpoint"):
        load(str(file))
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_of_a_few_tokens(file: Path) -> None:
    """Offline the package builds one like this, and two captions get one vector."""
    import transformers as tf

    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (file.parent / name).unlink(missing_ok=True)
    tf.RobertaTokenizer.from_pretrained(str(file.parent)).save_pretrained(file.parent)
    with pytest.raises(UserError, match=r"knows \d tokens, the model expects \d+"):
        load(str(file), device="cpu").text  # noqa: B018


def test_without_a_tokenizer_anywhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (file.parent / name).unlink(missing_ok=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(file.parent))
    with pytest.raises(UserError, match="needs RoBERTa's tokenizer") as caught:
        load(str(file), device="cpu").text  # noqa: B018
    assert "hf download FacebookAI/roberta-base" in str(caught.value)


@pytest.mark.parametrize("gone", [
    "text_branch.encoder.layer.1.output.dense.weight", "text_projection.0.weight",
    "audio_branch.layers.2.blocks.3.mlp.fc1.weight", "audio_projection.2.bias",
])  # fmt: skip
def test_weights_that_are_missing(file: Path, gone: str) -> None:
    state = state_of(file)
    del state[f"module.{gone}"]
    changed(file, state_dict=state)
    target = load(str(file), device="cpu")
    with pytest.raises(UserError, match="cannot be loaded"):
        target.text if gone.startswith("text") else target.encode_items(
            [(laion_files.sound(0.5), RATE)]
        )


def test_what_is_no_such_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint file"):
        load("laion/larger_clap_general")
    (tmp_path / "prose.pt").write_text("this is not a checkpoint")
    torch.save({"state_dict": {"audio_branch.x": torch.zeros(2)}}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    for name, told in {"prose.pt": "cannot be read", "other.pt": "not a laion-clap checkpoint",
                       "list.pt": "cannot be read"}.items():  # fmt: skip
        with pytest.raises(UserError, match=told):
            load(str(tmp_path / name))


def test_fingerprints(file: Path) -> None:
    first = load(str(file), device="cpu").space.fingerprint
    assert first == load(str(laion_files.checkpoint()), device="cpu").space.fingerprint
    assert first != load(str(file), device="cpu", precision="bf16").space.fingerprint
    changed(file, epoch=16)
    assert load(str(file), device="cpu").space.fingerprint != first


def test_half_precision(file: Path) -> None:
    whole = load(str(file), device="cpu")
    half = load(str(file), device="cpu", precision="bf16")
    texts = ["a dog barks", "rain"]
    one, other = whole.text.encode(texts), half.text.encode(texts)
    assert ((one * other).sum(1) > 0.99).all() and not np.array_equal(one, other)


def test_bad_sounds_are_named_or_skipped(file: Path, tmp_path: Path) -> None:
    target = load(str(file), device="cpu")
    (tmp_path / "bad.wav").write_bytes(b"RIFF and no more")
    items = [(laion_files.sound(0.5), RATE), tmp_path / "bad.wav", "http://localhost/x.wav"]
    with pytest.raises(UserError, match=r"bad\.wav"):
        target.encode_items(items)
    skipped: list[Skipped] = []
    vectors = target.encode_items(items, on_error="skip", skipped=skipped)
    assert vectors.shape == (1, 512) and [s.index for s in skipped] == [1, 2]


def test_without_the_package_no_sound_is_called_bad(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "laion_clap" else found(name)
    )
    items = [(laion_files.sound(0.5), RATE)]
    with pytest.raises(UserError, match=r"^encoding sounds needs the Python package 'laion-clap'"):
        load(str(file), device="cpu").encode_items(items, on_error="skip")


def test_from_the_shell(file: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    command = [sys.executable, "-m", "m2m_cli.main", "align", "--source", "toy-source", "--texts",
               "texts.txt", "--out", "out", "--target", f"laion-clap:{file}"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert m2m.load_adapter(tmp_path / "out").encode(["a dog"]).shape == (1, 512)
