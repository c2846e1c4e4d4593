"""Thirty malformed images and twenty malformed sounds: named, refused or skipped as asked."""

from __future__ import annotations

import gc
import io
import struct
import tempfile
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m2m_adapters.errors import UserError
from m2m_adapters.models.images import rgb_image
from m2m_adapters.models.items import BadItem, Skipped, encode_prepared
from m2m_adapters.models.sounds import mono_samples

Image = pytest.importorskip("PIL.Image", reason="images need Pillow")
soundfile = pytest.importorskip("soundfile", reason="sounds need soundfile")
torch = pytest.importorskip("torch")

RATE = 16000


def saved(kind: str, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """A noisy picture, encoded."""
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(noise).save(held, kind, **options)
    return held.getvalue()


def png_of(width: int, height: int, *, mode: int = 2, data: bytes = b"") -> bytes:
    """A PNG whose header claims what it likes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, mode, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data))
            + chunk(b"IEND", b""))  # fmt: skip


def flipped(data: bytes, start: int) -> bytes:
    return data[:start] + bytes(255 - b for b in data[start : start + 40]) + data[start + 40 :]


PNG, JPEG = saved("PNG"), saved("JPEG")

# name -> (item, or bytes that are written to a file, a word the message holds)
IMAGES: dict[str, tuple[Any, str]] = {
    "empty.png": (b"", "empty"),
    "text.jpg": (b"this is not a picture", "not an image"),
    "page.html": (b"<!doctype html><img src=x>", "not an image"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    "zeros.png": (bytes(5000), "not an image"),
    "head-only.png": (PNG[:8], ""),
    "cut.png": (PNG[: len(PNG) // 2], "damaged"),
    "cut.jpg": (JPEG[: len(JPEG) // 2], "damaged"),
    "cut.gif": (saved("GIF")[:1500], "damaged"),
    "cut.bmp": (saved("BMP")[:2000], "damaged"),
    "cut.webp": (saved("WEBP")[:300], ""),
    "cut.tiff": (saved("TIFF")[:400], ""),
    "garbled.png": (flipped(PNG, 60), ""),
    "no-pixels-inside.png": (png_of(64, 48), "damaged"),
    "bomb.png": (png_of(40_000, 40_000), "too many"),
    "small-bomb.png": (png_of(12_000, 12_000), "too many"),
    "huge-bomb.png": (png_of(2**31 - 1, 2**31 - 1), "too many"),
    "zero-wide.png": (png_of(0, 5), ""),
    "sound.wav": (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40), "not an image"),
    "pickle.pt": (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.", "not an image"),
    "absent": (Path("/absent/dog.png"), "no such file"),
    "folder": (Path(tempfile.gettempdir()), "not a file"),
    "url": ("http://localhost:1/dog.png", "URLs are not downloaded"),
    "nothing": (None, "NoneType is not an image"),
    "number": (7, "int is not an image"),
    "five channels": (np.zeros((8, 8, 5), np.uint8), "shape [8, 8, 5]"),
    "one row of numbers": (np.zeros(8, np.uint8), "shape [8]"),
    "no pixels": (np.zeros((0, 8, 3), np.uint8), "no pixels"),
    "floats to 255": (np.full((8, 8, 3), 200.0, np.float32), "go up to 200"),
    "not finite": (np.full((8, 8, 3), np.nan, np.float32), "NaN"),
    "normalized already": (torch.full((3, 8, 8), -1.5), "negative"),
    "complex": (np.zeros((8, 8), np.complex64), "complex64"),
}


def wav(samples: Any = None, **options: Any) -> bytes:
    held = io.BytesIO()
    data = np.zeros(400, np.float32) if samples is None else samples
    soundfile.write(held, data, RATE, format=options.pop("format", "WAV"), **options)
    return held.getvalue()


ONE = np.zeros(100, np.float32)
SOUNDS: dict[str, tuple[Any, str]] = {
    "empty.wav": (b"", ""),
    "text.wav": (b"this is not a sound", "cannot read"),
    "head-only.wav": (wav()[:12], "cannot read"),
    "no-samples.wav": (wav(np.zeros(0, np.float32)), "no samples"),
    "cut.flac": (wav(np.random.default_rng(0).normal(0, 0.1, 9000), format="FLAC")[:60], ""),
    "picture.mp3": (PNG, "cannot read"),
    "zeros.ogg": (bytes(3000), "cannot read"),
    "nan.wav": (wav(np.full(400, np.nan, np.float32), subtype="FLOAT"), "NaN"),
    "absent": (Path("/absent/dog.wav"), "no such file"),
    "folder": (Path(tempfile.gettempdir()), "not a file"),
    "url": ("https://localhost:1/dog.wav", "URLs are not downloaded"),
    "nothing": (None, "NoneType is not a sound"),
    "no rate": (ONE, "ndarray is not a sound"),
    "rate unsaid": ({"array": ONE}, "None is not a sampling rate"),
    "rate zero": ((ONE, 0), "0 is not a sampling rate"),
    "rate in words": ((ONE, "16k"), "'16k' is not a sampling rate"),
    "rate true": ((ONE, True), "True is not a sampling rate"),
    "rate broken": ((ONE, 16000.5), "16000.5 is not a sampling rate"),
    "no samples": ((ONE[:0], RATE), "no samples"),
    "three axes": ((np.zeros((2, 3, 4), np.float32), RATE), "shape [2, 3, 4]"),
    "words": ((["a", "b"], RATE), "not numbers"),
    "ragged": (([[1.0], [1.0, 2.0]], RATE), "not an array"),
    "infinite": ((np.array([0, np.inf], np.float32), RATE), "NaN or infinity"),
    "days long": ((np.zeros(15_000, np.int8), 1), "too many"),
}


def on_disk(table: dict[str, tuple[Any, str]], folder: Path) -> list[tuple[Any, str, str]]:
    """(item, its name in messages, the word the message holds), bytes as files."""
    found = []
    for index, (name, (item, told)) in enumerate(table.items()):
        if isinstance(item, bytes):
            (folder / name).write_bytes(item)
            item = folder / name
        text = str(item) if isinstance(item, (str, Path)) else f"item {index} ("
        found.append((item, text, told))
    return found


def ready_image(item: Any) -> Any:
    return torch.from_numpy(np.asarray(rgb_image(item).resize((4, 4)), np.float32).ravel())


def ready_sound(item: Any) -> Any:
    samples = mono_samples(item, RATE)
    return torch.tensor([samples.mean(), samples.std(), len(samples)])


KINDS: dict[str, tuple[dict[str, tuple[Any, str]], Callable[[Any], Any], Any, int]] = {
    "images": (IMAGES, ready_image, Image.new("RGB", (9, 9), "red"), 48),
    "sounds": (SOUNDS, ready_sound, (np.linspace(-1, 1, 50, dtype=np.float32), RATE), 3),
}


def test_there_are_enough() -> None:
    assert len(IMAGES) >= 30 and len(SOUNDS) >= 20


@pytest.mark.parametrize("kind, name", [(k, n) for k in KINDS for n in KINDS[k][0]])
def test_refused_by_name(kind: str, name: str, tmp_path: Path) -> None:
    table, ready, good, dim = KINDS[kind]
    index = list(table).index(name)
    item, text, told = on_disk(table, tmp_path)[index]
    items = [good] * index + [item, good]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is let through with a mere warning
        with pytest.raises(BadItem) as caught:
            encode_prepared(items, ready, torch.stack, dim)
    assert text in caught.value.what and told in caught.value.what
    assert caught.value.remedy and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_skipped_and_counted(kind: str, tmp_path: Path, capsys: Any) -> None:
    table, ready, good, dim = KINDS[kind]
    items: list[Any] = []
    bad = on_disk(table, tmp_path)
    for item, _, _ in bad:
        items += [good, item]
    skipped: list[Skipped] = []
    vectors = encode_prepared(
        [*items, good], ready, torch.stack, dim, batch_size=4, on_error="skip", skipped=skipped
    )
    alone = encode_prepared([good], ready, torch.stack, dim)
    np.testing.assert_array_equal(vectors, np.repeat(alone, len(bad) + 1, axis=0))
    assert [s.index for s in skipped] == list(range(1, 2 * len(bad), 2))
    for entry, (item, _, told) in zip(skipped, bad):
        assert told in entry.reason and "\n" not in entry.reason
        if isinstance(item, (str, Path)):
            assert entry.name == str(item)
    assert f"skipped {len(bad)} of {2 * len(bad) + 1} items" in capsys.readouterr().err
    assert encode_prepared([bad[0][0]], ready, torch.stack, dim, on_error="skip").shape == (0, dim)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaks(kind: str, tmp_path: Path) -> None:
    """No thread and no open file is left, whichever way it ends."""
    table, ready, good, dim = KINDS[kind]
    bad = [item for item, _, _ in on_disk(table, tmp_path)]

    def open_files() -> int:
        gc.collect()
        folder = Path("/proc/self/fd")
        return len(list(folder.iterdir())) if folder.exists() else 0

    encode_prepared([good], ready, torch.stack, dim)
    before, threads = open_files(), threading.active_count()
    for _ in range(3):
        encode_prepared(bad, ready, torch.stack, dim, on_error="skip")
        for item in bad:
            with pytest.raises(BadItem):
                encode_prepared([good, item, good], ready, torch.stack, dim)
    assert open_files() == before and threading.active_count() == threads


def test_a_fault_of_the_model_is_not_blamed_on_an_item() -> None:
    def broken(batch: list[Any]) -> Any:
        raise RuntimeError("out of memory")

    good = KINDS["images"][2]
    with pytest.raises(RuntimeError, match="out of memory"):
        encode_prepared([good], ready_image, broken, 48, on_error="skip")
    with pytest.raises(UserError, match=r"NaN or infinity for item 1 \(Image\)"):
        encode_prepared(
            [good, good], ready_image,
            lambda batch: torch.stack(batch) * torch.tensor([[1.0], [float("nan")]]), 48,
        )  # fmt: skip
    with pytest.raises(UserError, match="do not share a space"):
        encode_prepared([good], ready_image, torch.stack, 7)


@pytest.mark.parametrize("options", [{"on_error": "ignore"}, {"batch_size": 0}, {"workers": 0}])
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        encode_prepared([KINDS["images"][2]], ready_image, torch.stack, 48, **options)


# -- and what is odd but good -----------------------------------------------------------------


def test_pictures_of_every_mode_are_read() -> None:
    red = Image.new("RGB", (6, 4), (200, 10, 20))
    for mode in ("RGB", "RGBA", "CMYK", "YCbCr", "HSV", "P"):
        middle = np.asarray(rgb_image(red.convert(mode)))[2, 3].astype(int)
        assert np.abs(middle - [200, 10, 20]).max() <= 25, mode
    for mode, white in {"1": 1, "L": 255, "LA": (255, 255), "I;16": 65535, "I": 65535, "F": 1.0,
                        "PA": None}.items():  # fmt: skip
        made = (
            Image.new("L", (6, 4), 255).convert("PA")
            if white is None
            else Image.new(mode, (6, 4), white)
        )
        assert (np.asarray(rgb_image(made)) == 255).all(), mode


def test_orientation_alpha_and_animation() -> None:
    half = np.zeros((4, 8, 3), np.uint8)
    half[:, 4:] = 255
    held = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: right becomes bottom
    Image.fromarray(half).save(held, "PNG", exif=exif)
    upright = np.asarray(rgb_image(held.getvalue()))
    assert upright.shape == (8, 4, 3) and upright[0].max() == 0 and upright[-1].min() == 255
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert np.asarray(rgb_image(clear)).min() == 255
    held = io.BytesIO()
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:])
    assert tuple(np.asarray(rgb_image(held.getvalue()))[0, 0]) == (255, 0, 0)


def test_the_same_picture_in_any_form(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (10, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    forms = [
        tmp_path / "a.png", str(tmp_path / "a.png"), data, bytearray(data), memoryview(data),
        Image.fromarray(pixels), pixels, pixels.transpose(2, 0, 1), torch.from_numpy(pixels),
        torch.from_numpy(pixels).permute(2, 0, 1), pixels.astype(np.float32) / 255,
        torch.from_numpy(pixels).permute(2, 0, 1).float() / 255, pixels.astype(np.uint16) * 257,
        pixels[:, ::-1][:, ::-1],
    ]  # fmt: skip
    for form in forms:
        np.testing.assert_array_equal(np.asarray(rgb_image(form)), pixels)
    grey = pixels[:, :, 0]
    for form in (grey, grey[:, :, None], grey[None]):
        np.testing.assert_array_equal(np.asarray(rgb_image(form))[:, :, 1], grey)


def test_urls_are_fetched_only_when_allowed(tmp_path: Path) -> None:
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    asked: list[str] = []
    (tmp_path / "a.png").write_bytes(PNG)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/a.png"
        with pytest.raises(UserError, match="URLs are not downloaded"):
            rgb_image(url)
        assert not asked
        assert rgb_image(url, allow_urls=True).size == (64, 48)
        with pytest.raises(UserError, match="404"):
            rgb_image(url + "x", allow_urls=True)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with pytest.raises(UserError, match="cannot be fetched"):
        rgb_image(url, allow_urls=True)


def test_sounds_of_every_form() -> None:
    t = np.arange(RATE) / RATE
    tone = (0.4 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    for form in (
        (tone, RATE), (tone.astype(np.float64), np.int64(RATE)), (torch.from_numpy(tone), RATE),
        {"array": np.stack([tone, tone]), "sampling_rate": RATE}, wav(tone, subtype="FLOAT"),
    ):  # fmt: skip
        np.testing.assert_allclose(mono_samples(form, RATE), tone, atol=1e-6)
    for kind, scale, shift in (
        (np.int16, 32767, 0),
        (np.int32, 2**31 - 1, 0),
        (np.uint8, 127, 128),
    ):
        given = np.round(tone.astype(np.float64) * scale + shift).astype(kind)
        np.testing.assert_allclose(mono_samples((given, RATE), RATE), tone, atol=0.01)
    double = mono_samples((tone, RATE), 2 * RATE)
    assert double.dtype == np.float32 and abs(len(double) - 2 * RATE) <= 1
    spectrum = np.abs(np.fft.rfft(double))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    np.testing.assert_allclose(double[1000:-1000:2][:10000], tone[500:-500][:10000], atol=0.01)
    # Tones above what the lower rate can hold disappear, instead of coming back as others.
    high = (0.4 * np.sin(2 * np.pi * 7000 * t)).astype(np.float32)
    assert np.abs(mono_samples((high, RATE), 8000)[200:-200]).max() < 0.01
    assert len(mono_samples((tone[:1], 96000), 8000)) == 1
