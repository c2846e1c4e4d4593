"""Adapters for generators judged by the frozen denoiser: nothing is painted."""

import json

import numpy as np
import pipeline_folders
import pytest
import sequence_folders
from m2m_cli.main import run as m2m_run
from m2m_diffusion.target import load
from test_token_level import OPTIONS, SENTENCES, WordSource

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation import denoiser_agreement
from m2m_adapters.evaluation.translated import as_translated, median_variance
from m2m_adapters.testing.toys import toy_sentences

ENGLISH = ["two red squares above a small blue circle", "a dog", "a cat beside a house"]
CALLS = {
    "flux": {"size": 16}, "sd3-t5": {"size": 16}, "sdxl": {"size": 16}, "sd": {"size": 16},
    "pixart": {"size": 16, "use_resolution_binning": False},
    "sana": {"size": 32, "use_resolution_binning": False}, "qwen": {"size": 16},
    "ltx": {"size": 32, "num_frames": 9}, "wan": {"size": 16, "num_frames": 9},
    "cogvideox": {"size": 16, "num_frames": 9}, "stable-audio": {"audio_end_in_s": 0.01},
    "audioldm": {"audio_length_in_s": 0.2},
}  # fmt: skip


def target_of(name):
    home = sequence_folders if name in sequence_folders.MAKERS else pipeline_folders
    return load(str(home.folder(name)), device="cpu").at_level("token")


@pytest.mark.parametrize("name", list(CALLS))
def test_its_answers_change_with_the_conditioning_alone(name):
    target = target_of(name)
    native = target.text.encode(ENGLISH)
    loud = native.copy()
    loud[1] = loud[1] * -30
    changed = target.denoiser_changes(native, [native, loud], levels=2, **CALLS[name])
    assert changed.shape == (3, 2, 3, 3) and not changed[:, :, 0, 1].any()
    assert changed[1, :, 0, 2].all() and not changed[[0, 2], :, 0, 2].any()
    assert np.array_equal(changed, changed.swapaxes(2, 3))
    one = target.denoiser_changes(native, [native, loud], levels=2, batch_size=1, **CALLS[name])
    np.testing.assert_allclose(one, changed, rtol=1e-2, atol=1e-9)


def test_the_agreement_is_1_for_native_english_and_0_for_nothing():
    target = target_of("sd")

    class Stand:
        def __init__(self, encode):
            self.target, self.encode = target, encode

    options = {"levels": 2, "size": 16}
    own = denoiser_agreement(Stand(target.text.encode), ENGLISH, **options)
    assert own.agreement == own.low == own.high == 1 and own.by_level == [1, 1]
    none = Stand(lambda texts: target.text.encode([""] * len(texts)))
    assert denoiser_agreement(none, ENGLISH, **options).agreement == pytest.approx(0, abs=1e-6)


def test_training_brings_it_up():
    target = target_of("sd")
    adapter, later = (
        m2m.align(WordSource(), target, SENTENCES, level="token", epochs=epochs, **OPTIONS)
        for epochs in (1, 20)
    )
    fresh = SENTENCES[:24]
    near, far = (denoiser_agreement(one, fresh, levels=2, size=16) for one in (later, adapter))
    assert near.agreement > far.agreement
    assert near == denoiser_agreement(later, fresh, levels=2, size=16)


@pytest.mark.parametrize("level", ["sentence", "token"])
def test_noise_is_as_large_as_translations_are_far(level):
    target = target_of("sd").at_level(level)
    adapter = m2m.align(WordSource(), target, SENTENCES, level=level, epochs=2, **OPTIONS)
    texts = SENTENCES[:8]
    plain, moved = adapter.encode(texts), as_translated(adapter, texts, SENTENCES)
    assert plain.shape == moved.shape and not np.array_equal(plain, moved)
    assert np.array_equal(moved, as_translated(adapter, texts, SENTENCES))
    with pytest.raises(UserError, match="too few to know how far translations"):
        as_translated(adapter, texts, ["a dog"])


def test_the_median_direction_is_that_of_the_filled_ones():
    rng = np.random.default_rng(0)
    filled = rng.standard_normal((4000, 5)) * np.sqrt([1, 2, 3, 4, 5])
    rows = np.hstack([filled, np.zeros((4000, 4))]).astype(np.float32)
    assert median_variance(rows) == pytest.approx(3, rel=0.1)


def test_the_command_judges_and_refuses_what_it_cannot(tmp_path, capsys):
    name = f"diffusion:{pipeline_folders.folder('sd')}"
    m2m.align("tiny-text", name, SENTENCES[:100], epochs=1, **OPTIONS).save(tmp_path / "a")
    prompts = tmp_path / "prompts.csv"
    rows = "".join(f"{n},{text}\n" for n, text in enumerate(ENGLISH))
    prompts.write_text("id,en\n" + rows, encoding="utf-8")

    def run(*more):
        call = ["evaluate", str(tmp_path / "a"), "--benchmark", str(prompts), "--steps", "2"]
        try:
            m2m_run([*call, *more])
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, capsys.readouterr().out

    code, out = run("--judge", "denoiser", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["prompts"] == 3 and len(found["by_level"]) == 2 and found["agreement"] < 1
    assert found["translated"] is None
    shown = run("--judge", "denoiser")[1]
    assert "denoiser agreement" in shown and "cannot be read again" in shown
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(toy_sentences(800, seed=1)), encoding="utf-8")
    found = json.loads(run("--judge", "denoiser", "--json", "--texts", str(corpus))[1])
    assert found["translated"]["prompts"] == 3 and found["translated"] != found
    for wrong in (
        ("--judge", "critic"),
        ("--judge", "denoiser", "--keep"),
        ("--judge", "denoiser", "--scorer", "clip"),
    ):
        assert run(*wrong)[0] == 2
    with pytest.raises(UserError, match="are too few to judge"):
        denoiser_agreement(m2m.load_adapter(tmp_path / "a"), [])
