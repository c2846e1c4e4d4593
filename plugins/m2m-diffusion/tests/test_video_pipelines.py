"""Videos: the native frames for native conditioning, and whole files with their record."""

import builtins
import json

import diffusers as df
import numpy as np
import pytest
import torch
from m2m_diffusion.target import load
from PIL import Image
from pipeline_folders import folder

import m2m_adapters as m2m
from m2m_adapters.generation.writers import read_record
from m2m_adapters.models.videos import frames_and_rate, three_frames
from m2m_adapters.testing.toys import toy_sentences

ENGLISH = "a red ball rolls to the left"
SIZE, FRAMES = 32, 8
CALL = {"num_frames": FRAMES}


def native(name, **more):
    pipe = df.DiffusionPipeline.from_pretrained(folder(name))
    pipe.set_progress_bar_config(disable=True)
    noise = torch.Generator("cpu").manual_seed(3)
    with torch.inference_mode():
        frames = pipe(ENGLISH, num_inference_steps=2, width=SIZE, height=SIZE, generator=noise,
                      **CALL, **more).frames[0]  # fmt: skip
    return np.stack([np.asarray(frame) for frame in frames])


@pytest.mark.parametrize(("guidance", "negative"), [(None, None), (1.0, None), (3.0, "rain")])
def test_native_conditioning_gives_the_native_video(guidance, negative):
    target = load(str(folder("animatediff")), device="cpu")
    assert target.modality == "video"
    ((frames, rate),) = target.generate(
        target.text.encode([ENGLISH]), steps=2, size=SIZE, seed=3, guidance=guidance,
        negative=negative, **CALL,
    )  # fmt: skip
    own = {} if guidance is None else {"guidance_scale": guidance, "negative_prompt": negative}
    assert frames.shape == (FRAMES, SIZE, SIZE, 3) and rate == 8
    assert np.array_equal(frames, native("animatediff", **own))


@pytest.fixture(scope="module")
def adapter_folder(tmp_path_factory):
    made = m2m.align(
        "toy-source", f"diffusion:{folder('animatediff')}", list(toy_sentences(200)), level="sentence",
        recipe="closed-form", store=False, model_options={"device": "cpu"},
    )  # fmt: skip
    return made.save(tmp_path_factory.mktemp("adapters") / "toy-video")


def run(arguments, capsys):
    from m2m_cli.main import run as m2m_run

    with pytest.raises(SystemExit) as left:
        m2m_run(["generate", *map(str, arguments), "--steps", "1", "--size", str(SIZE),
                 "--option", f"num_frames={FRAMES}", "--device", "cpu"])  # fmt: skip
    return left.value.code, capsys.readouterr()


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_whole_files_with_their_record_and_a_sheet(adapter_folder, tmp_path, capsys, suffix):
    pytest.importorskip("av", reason="videos are written by PyAV")
    out = tmp_path / "v"
    command = [adapter_folder, "ein Ball rollt", "雨", "--out", out, "--video", suffix, "--json",
               "--grid", tmp_path / "sheet.html", "--verbose"]  # fmt: skip
    code, said = run(command, capsys)
    assert code == 0, said.err
    assert "peak memory: process " in said.err and "M parameters" in said.err
    rows = json.loads(said.out)["videos"]
    adapter = m2m.load_adapter(adapter_folder, device="cpu")
    ((direct, _), _) = adapter.generate(["ein Ball rollt", "雨"], steps=1, size=SIZE, **CALL)
    frames, rate = frames_and_rate(rows[0]["file"])
    assert frames.shape == direct.shape and rate == 8
    light = np.array([0.299, 0.587, 0.114])  # both formats keep a quarter of the colors
    assert np.abs(frames @ light - direct @ light).mean() < 6
    record = read_record(rows[0]["file"])
    assert record["prompt"] == "ein Ball rollt" and record["frames"] == FRAMES
    assert record["options"] == CALL and record["rate"] == 8 and record["adapter"] == adapter.digest
    assert sorted(p.suffix for p in out.iterdir()) == [".json"] * 2 + [f".{suffix}"] * 2
    sheet = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert sheet.count("<img") == 2 and "ein Ball rollt" in sheet
    before = {file: file.read_bytes() for file in out.iterdir()}
    assert json.loads(run(command, capsys)[1].out)["made"] == 0
    videos = sorted(out.glob(f"*.{suffix}"))
    videos[0].unlink()  # as if killed before it was there
    assert json.loads(run(command, capsys)[1].out)["made"] == 1
    assert before == {file: file.read_bytes() for file in out.iterdir()}


def test_a_sheet_shows_first_middle_and_last_frame():
    frames = np.stack([np.full((4, 6, 3), 30 * n, np.uint8) for n in range(8)])
    strip = np.asarray(three_frames((frames, 8)))
    assert strip.shape == (4, 18, 3)
    assert strip[0, ::6, 0].tolist() == [0, 90, 210]
    assert np.asarray(three_frames(frames[:1])).shape == (4, 6, 3)


def test_odd_sides_and_one_frame(tmp_path):
    pytest.importorskip("av", reason="videos are written by PyAV")
    from m2m_adapters.generation.writers import save_video

    frames = np.full((1, 31, 33, 3), 0.5, np.float32)
    save_video((frames, 12.5), {"prompt": "x"}, tmp_path / "x.mp4")
    seen, rate = frames_and_rate(tmp_path / "x.mp4")
    assert seen.shape == (1, 32, 34, 3) and rate == 12.5
    assert np.abs(seen.astype(int) - 128).max() <= 4


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (np.zeros((2, 4, 4)), "not a video"),
        ([], "not a video"),
        (np.full((1, 2, 2, 3), np.nan), "NaN"),
        ("nowhere.mp4", "there is no file"),
    ],
)
def test_what_is_no_video(item, message):
    with pytest.raises(m2m.UserError, match=message):
        frames_and_rate(item)


def test_a_damaged_file(tmp_path):
    pytest.importorskip("av", reason="videos are read by PyAV")
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(m2m.UserError, match="is not a video, or is damaged"):
        frames_and_rate(tmp_path / "a.mp4")
    Image.new("RGB", (2, 2)).save(tmp_path / "b.png")


def test_without_pyav_one_line_before_anything_is_made(
    adapter_folder, tmp_path, capsys, monkeypatch
):
    real = builtins.__import__

    def absent(name, *rest):
        if name == "av":
            raise ImportError("No module named 'av'", name="av")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    code, said = run([adapter_folder, "x", "--out", tmp_path / "v"], capsys)
    assert code == 2 and 'pip install "m2m-adapters[video]"' in said.err.replace("\n", " ")
    assert not (tmp_path / "v").exists()


def test_another_format_is_refused(adapter_folder, tmp_path, capsys):
    code, said = run([adapter_folder, "x", "--out", tmp_path / "v", "--video", "avi"], capsys)
    assert code == 2 and "video items cannot be written as .avi; use .mp4 or .webm" in said.err
