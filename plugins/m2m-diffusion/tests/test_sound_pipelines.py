"""AudioLDM and MusicLDM: a CLAP vector conditions, sounds come out."""

import json
import shutil
import wave

import diffusers as df
import numpy as np
import pytest
import torch
from m2m_diffusion.kinds import KINDS, Kind, register_kind
from m2m_diffusion.target import load
from pipeline_folders import SOUND_MAKERS, folder

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.generation.writers import read_record
from m2m_adapters.testing import TextEncoderSuite
from m2m_adapters.testing.toys import toy_sentences

ENGLISH = ["a dog barks at a cat"]


@pytest.fixture(scope="module", params=list(SOUND_MAKERS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def target(name):
    return load(str(folder(name)), device="cpu")


def native(name, guidance, negative, num=1):
    """The pipeline with its own text encoder, as its documentation calls it."""
    pipe = df.DiffusionPipeline.from_pretrained(folder(name))
    pipe.set_progress_bar_config(disable=True)
    call = {"prompt": ENGLISH, "negative_prompt": negative and [negative]}
    if name == "musicldm":
        # Of transformers 5 its own call cannot read the output of the text tower, so its lines
        # are done for it, padded as it pads.
        def read(texts):
            told = pipe.tokenizer(texts, padding="max_length", max_length=16, truncation=True,
                                  return_tensors="pt")  # fmt: skip
            return pipe.text_encoder.get_text_features(**told).pooler_output

        call = {
            "prompt_embeds": read(ENGLISH),
            "negative_prompt_embeds": read([negative or ""]),
            "num_waveforms_per_prompt": num,
        }
    noise = [torch.Generator("cpu").manual_seed(3 + k) for k in range(num)]
    with torch.inference_mode():
        return pipe(**call, num_inference_steps=2, generator=noise, guidance_scale=guidance,
                    **({"num_waveforms_per_prompt": num} if name == "audioldm" else {})).audios  # fmt: skip


@pytest.mark.parametrize(("guidance", "negative"), [(2.5, None), (1.0, None), (3.0, "rain")])
def test_native_conditioning_gives_the_native_sound(name, target, guidance, negative):
    vectors = target.text.encode(ENGLISH)
    ((samples, rate),) = target.generate(
        vectors, steps=2, seed=3, guidance=guidance, negative=negative
    )
    assert rate == 16000 and samples.dtype == np.float32 and samples.std() > 0.01
    assert np.array_equal(samples, native(name, guidance, negative)[0])


def test_conditioning_changes_the_sound_and_a_seed_repeats_it(name, target):
    vectors = target.text.encode([*ENGLISH, "rain on a roof"])

    def made(rows, **more):
        return np.stack([s for s, _ in target.generate(rows, steps=2, **{"seed": 3, **more})])

    many = made(vectors)
    assert np.array_equal(many, made(vectors))
    assert not np.array_equal(many[0], made(-vectors)[0])
    assert not np.array_equal(many[0], made(vectors, seed=4)[0])
    assert np.array_equal(made(vectors[1:]), many[1:])
    # A text alone and beside others differs in its last bits; the pipeline reads it alone.
    two = made(target.text.encode(ENGLISH), num_images=2, guidance=2.0)
    assert np.array_equal(two, native(name, 2.0, None, num=2))
    assert made(vectors[:1], audio_length_in_s=0.004).shape == (1, 64)


def test_the_space_and_what_is_asked_of_it(name, target):
    assert target.modality == "audio" and target.text.normalized and target.text.dim == 16
    assert np.allclose(np.linalg.norm(target.text.encode(ENGLISH), axis=1), 1, atol=1e-6)
    with pytest.raises(UserError, match="generates nothing that has a size"):
        target.generate(target.text.encode(ENGLISH), size=16)


class TestAudioLdmText(TextEncoderSuite):
    def make(self):
        return load(str(folder("audioldm")), device="cpu").text


class TestMusicLdmText(TextEncoderSuite):
    def make(self):
        return load(str(folder("musicldm")), device="cpu").text


def test_generate_writes_whole_wav_files(tmp_path, capsys):
    from m2m_cli.main import run as m2m_run

    made = m2m.align(
        "toy-source", f"diffusion:{folder('audioldm')}", list(toy_sentences(200)),
        recipe="closed-form", store=False, model_options={"device": "cpu"},
    ).save(tmp_path / "a")  # fmt: skip
    command = ["generate", str(made), "ein Hund bellt", "雨の音", "--out", str(tmp_path / "s"),
               "--steps", "1", "--seed", "5", "--device", "cpu", "--json"]  # fmt: skip

    def run(more=()):
        with pytest.raises(SystemExit) as left:
            m2m_run([*command, *more])
        return left.value.code, capsys.readouterr()

    code, said = run()
    assert code == 0, said.err
    rows = json.loads(said.out)["sounds"]
    (direct, rate), _ = m2m.load_adapter(made, device="cpu").generate(
        ["ein Hund bellt", "雨の音"], steps=1, seed=5
    )
    with wave.open(rows[0]["file"]) as file:
        assert file.getframerate() == rate == 16000 and file.getnchannels() == 1
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(heard / 32767 - direct).max() <= 0.5 / 32767 + 1e-7
    record = read_record(rows[0]["file"])
    assert record["prompt"] == "ein Hund bellt" and record["seed"] == 5 and record["rate"] == 16000
    assert sorted(p.suffix for p in (tmp_path / "s").iterdir()) == [
        ".json",
        ".json",
        ".wav",
        ".wav",
    ]
    assert json.loads(run()[1].out)["made"] == 0
    code, said = run(["--grid", str(tmp_path / "g.html")])
    assert code == 2 and "--grid is for pictures" in said.err


def test_another_class_of_pipelines_is_added(tmp_path, monkeypatch):
    monkeypatch.setattr("m2m_diffusion.kinds.KINDS", dict(KINDS))
    place = shutil.copytree(folder("audioldm"), tmp_path / "own")
    index = json.loads((place / "model_index.json").read_text())
    (place / "model_index.json").write_text(json.dumps({**index, "_class_name": "OwnPipeline"}))
    with pytest.raises(UserError, match="register_kind"):
        load(str(place))
    known = vars(KINDS["AudioLDMPipeline"])
    register_kind("OwnPipeline", Kind(**{**known, "module": "m2m_diffusion_own"}))
    import sys
    import types

    own = types.ModuleType("m2m_diffusion_own")
    own.OwnPipeline = type("OwnPipeline", (df.AudioLDMPipeline,), {})
    monkeypatch.setitem(sys.modules, "m2m_diffusion_own", own)
    target = load(str(place), device="cpu")
    vectors = target.text.encode(ENGLISH)
    ours = target.generate(vectors, steps=1, seed=1)[0][0]
    usual = load(str(folder("audioldm")), device="cpu").generate(vectors, steps=1, seed=1)[0][0]
    assert np.array_equal(ours, usual)
    with pytest.raises(UserError, match="is registered already"):
        register_kind("AudioLDMPipeline", Kind(**{**known, "modality": "image"}))
