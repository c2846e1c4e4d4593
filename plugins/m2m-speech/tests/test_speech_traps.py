"""What goes wrong quietly in the libraries, and must not here."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import speech_folders
import torch
import transformers as tf
from m2m_speech.load import load, load_frames
from speech_folders import RATE, sound, sounds

import m2m_adapters as m2m
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.models import Skipped
from m2m_adapters.testing import AffineTarget, toy_sentences


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small SeamlessM4T v2, to be damaged."""
    return Path(shutil.copytree(speech_folders.folder("seamless-v2"), tmp_path / "seamless"))


def ours(name: str, **options: Any) -> Any:
    return load(str(speech_folders.folder(name)), device="cpu", **options)


def test_aligning_loads_the_text_half_alone_and_speech_follows_it() -> None:
    source = ours("seamless-v2")
    texts = list(toy_sentences(120))
    adapter = m2m.align(source, AffineTarget(), texts, recipe="closed-form", progress=False)
    assert "speech_encoder" not in vars(source)
    rows = adapter.encode_speech(sounds())
    expected = adapter.project(source.encode_items(sounds()))
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert not any(part.training for part in source.speech_encoder.modules())
    assert not any(part.training for part in source.model.modules())


@pytest.mark.parametrize("gone", ["text_encoder.layers", "speech_encoder.inner", "shared"])
def test_weights_that_are_missing_are_named(folder: Path, gone: str) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    key = next(key for key in state if key.startswith(gone))
    kept = {k: v for k, v in state.items() if k != key}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    source = load(str(folder), device="cpu")
    with pytest.raises(UserError, match="lacks weights of SeamlessM4Tv2"):
        source.encode_items(sounds()[:1]) if "speech" in gone else source.encode(["a dog"])


def test_without_its_files_it_is_refused(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        load(str(folder), device="cpu").encode_items(sounds()[:1])
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="tokenizer"):
        load(str(folder), device="cpu")


def test_other_models_are_refused(tmp_path: Path) -> None:
    tf.CLIPConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"'clip' model; give one of the kinds .*seamless_m4t"):
        load(str(tmp_path))
    with pytest.raises(UserError, match="no length adaptor to leave out"):
        load_frames(str(speech_folders.folder("whisper")))


@pytest.mark.parametrize("name", ["whisper", "wav2vec2-bert"])
def test_an_encoder_that_only_hears_says_so(name: str) -> None:
    source = ours(name)
    with pytest.raises(AbilityMissing, match=r"reads no text; choose a source"):
        source.encode(["a dog"])
    rows = source.encode_items(sounds())
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    alone = np.concatenate([source.encode_items([item]) for item in sounds()])
    np.testing.assert_allclose(rows, alone, atol=1e-6)
    assert source.encode_items([]).shape == (0, 16)


def test_sonar_takes_no_speech() -> None:
    texts = list(toy_sentences(120))
    adapter = m2m.align(ours("sonar"), AffineTarget(), texts, recipe="closed-form", progress=False)
    with pytest.raises(
        AbilityMissing, match=r"does not accept speech; choose a source that takes speech"
    ):
        adapter.encode_speech(sounds())


def test_bad_sounds_are_named_or_skipped(tmp_path: Path) -> None:
    import soundfile

    source = ours("seamless")
    (tmp_path / "bad.wav").write_bytes(b"RIFF and no more")
    data = io.BytesIO()
    soundfile.write(data, sound(0.6), RATE, format="FLAC", subtype="PCM_24")
    items = [(sound(0.6), RATE), tmp_path / "bad.wav", data.getvalue()]
    with pytest.raises(UserError, match=r"bad\.wav"):
        source.encode_items(items)
    skipped: list[Skipped] = []
    rows = source.encode_items(items, on_error="skip", skipped=skipped)
    assert [one.index for one in skipped] == [1] and rows.shape == (2, 16)
    assert rows[0] @ rows[1] > 0.9999


def test_other_rates_are_resampled_and_long_sounds_are_cut() -> None:
    import soxr

    source = ours("seamless")
    slow = soxr.resample(sound(1.0, 4), RATE, 44100)
    first, again = source.encode_items([(sound(1.0, 4), RATE), (slow, 44100)])
    wrong = source.encode_items([(sound(1.0, 4), 44100)])[0]  # taken for another rate
    assert first @ again > 0.95 > first @ wrong
    long = np.tile(sound(2.0), 40)
    whole, cut = source.encode_items([(long, RATE), (long[: 60 * RATE], RATE)])
    np.testing.assert_array_equal(whole, cut)


def test_the_language_tag_of_a_translator(monkeypatch: pytest.MonkeyPatch) -> None:
    source, seen = ours("sonar"), []
    monkeypatch.setattr(type(source.tokenizer), "src_lang", property(
        lambda self: None, lambda self, value: seen.append(value)
    ), raising=False)  # fmt: skip
    source.encode(["ein Hund"])
    assert seen == []
    source.language = "deu_Latn"
    source.encode(["ein Hund"])
    assert seen == ["deu_Latn"]


def test_half_precision() -> None:
    whole, half = ours("seamless"), ours("seamless", precision="bf16")
    assert next(half.model.parameters()).dtype == torch.bfloat16
    rows, again = whole.encode_items(sounds()[:2]), half.encode_items(sounds()[:2])
    assert ((rows * again).sum(1) > 0.98).all() and not np.array_equal(rows, again)
    assert half.fingerprint == f"{whole.fingerprint}@bf16"


def test_the_entry_point_imports_no_torch() -> None:
    code = "import sys, m2m_speech; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
