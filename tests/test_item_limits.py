"""Items that would run a program or fill memory are refused, or cost no more than they should."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from fake_dist import run_python
from PIL import Image

from m2m_adapters.errors import UserError
from m2m_adapters.models import mono_samples, rgb_image

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n%%EOF\n"


def test_an_eps_called_png_is_not_handed_to_ghostscript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import EpsImagePlugin

    ran: list[object] = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: ran.append(a))
    path = tmp_path / "photo.png"
    path.write_bytes(EPS)
    for item in (path, EPS):
        with pytest.raises(UserError, match="of an unsupported format; use PNG, JPEG"):
            rgb_image(item)
    with pytest.raises(UserError, match="EPS pictures are not supported"):
        rgb_image(Image.open(io.BytesIO(EPS)))
    assert not ran


def png(width: int, height: int, kind: int, depth: int, channels: int) -> bytes:
    """A valid PNG of one color, compressed row by row so that the test itself stays small."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packer = zlib.compressobj(6)
    row = b"\0" + b"\x80" * (width * channels * depth // 8)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body)
            + chunk(b"IEND", b""))  # fmt: skip


PEAK = """
import resource, sys
from m2m_adapters.models import rgb_image, mono_samples
import numpy, PIL.Image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{code}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize(("kind", "depth", "channels"), [(6, 8, 4), (0, 16, 1)],
                         ids=["RGBA", "16-bit grey"])  # fmt: skip
def test_a_large_picture_is_not_held_several_times(
    tmp_path: Path, kind: int, depth: int, channels: int
) -> None:
    side = 8000  # 64 million pixels: 244 MiB as RGB, which Pillow keeps in four bytes
    path = tmp_path / "large.png"
    path.write_bytes(png(side, side, kind, depth, channels))
    done = run_python(PEAK.format(code=f"assert rgb_image({str(path)!r}).size == ({side}, {side})"))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 700, f"{done.stdout.strip()} MiB"


def wav(samples: int, rate: int, channels: int = 1) -> bytes:
    size = samples * channels * 2
    return (b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
            + b"data" + struct.pack("<I", size) + bytes(size))  # fmt: skip


def test_a_sound_that_resampling_would_inflate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slow.wav"
    path.write_bytes(wav(14_000, 1))  # 28 kB, 2.7 GB at 48 kHz
    for item in (path, path.read_bytes(), (np.zeros(14_000, np.float32), 1)):
        with pytest.raises(UserError, match="14,000 samples at 1 Hz are too many"):
            mono_samples(item, 48_000)


def test_channels_are_averaged_while_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    path.write_bytes(wav(4_000_000, 16_000, channels=8))  # as float32: 122 MiB
    done = run_python(
        PEAK.format(code=f"assert mono_samples({str(path)!r}, 16000).shape == (4000000,)")
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 200, f"{done.stdout.strip()} MiB"


def test_strips_change_no_pixel() -> None:
    rng = np.random.default_rng(0)
    rgba = Image.fromarray(rng.integers(0, 256, (2500, 2100, 4), dtype=np.uint8), "RGBA")
    ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    whole = np.asarray(Image.alpha_composite(ground, rgba).convert("RGB"))
    np.testing.assert_array_equal(np.asarray(rgb_image(rgba)), whole)
    grey = rng.integers(0, 65536, (2500, 2100), dtype=np.uint16)
    found = np.asarray(rgb_image(Image.fromarray(grey)))[:, :, 0]
    np.testing.assert_array_equal(found, np.rint(grey / 65535 * 255).astype(np.uint8))
