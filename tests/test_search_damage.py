"""One file that cannot be used, or a damaged cache, does not end a run."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_media import Pictures, Sounds, save_picture

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.journal import Journal

pytest.importorskip("PIL.Image")
pytest.importorskip("faiss")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(3):
        save_picture(tmp_path / "pictures" / f"{number}.png", f"picture {number}")
    return tmp_path / "pictures"


@pytest.mark.parametrize("seconds", [1e12, -1e12])
def test_a_time_in_no_year_is_no_date(pictures: Path, tmp_path: Path, seconds: float) -> None:
    os.utime(pictures / "0.png", (seconds, seconds))
    np.save(tmp_path / "v.npy", np.eye(48, dtype=np.float32)[:3])
    (tmp_path / "ids.txt").write_text("".join(f"{pictures / f'{n}.png'}\n" for n in range(3)))
    for previews in (True, False):
        m2m.import_index("toy-target", tmp_path / "v.npy", tmp_path / f"import-{previews}",
                         ids=tmp_path / "ids.txt", compare=0, previews=previews, progress=False)  # fmt: skip
    for _ in range(2):
        index = m2m.build_index(Pictures(), pictures, tmp_path / "index")
    changes = index.changes
    assert changes is not None and changes.unchanged == 3
    if abs(os.stat(pictures / "0.png").st_mtime_ns) >= 1 << 63:  # some file systems keep less
        assert [item.date is None for _, item in index.metadata] == [True, False, False]


@pytest.mark.parametrize("window", [0.0, -1.0, float("inf"), float("nan")])
def test_a_window_is_a_length(pictures: Path, tmp_path: Path, window: float) -> None:
    with pytest.raises(UserError, match="the window is"):
        m2m.build_index(Pictures(), pictures, tmp_path / "index", window=window)


def test_a_long_sound_that_goes_while_it_is_read_is_one_bad_item(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "sounds").mkdir()
    for number in range(2):
        samples = np.full(4000, (65 + number) / 256, np.float32)
        soundfile.write(tmp_path / "sounds" / f"{number}.wav", samples, 8000, subtype="FLOAT")

    class Slow(Sounds):
        def encode_items(self, items: Any, **options: Any) -> Vectors:
            (tmp_path / "sounds" / "1.wav").unlink(missing_ok=True)
            return super().encode_items(items, **options)

    index = m2m.build_index(Slow(), tmp_path / "sounds", tmp_path / "index", window=0.3,
                            batch_size=1)  # fmt: skip
    assert index.changes is not None and len(index) == 1
    (bad,) = index.changes.bad
    assert bad.path.endswith("1.wav") and "soundfile cannot read it" in bad.reason


def test_a_damaged_journal_is_begun_anew(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    (out / "work").mkdir(parents=True)
    (out / "work" / "journal.sqlite").write_bytes(random.Random(0).randbytes(5000))
    assert len(m2m.build_index(Pictures(), pictures, out)) == 3


def test_a_journal_that_is_damaged_in_its_middle_is_begun_anew(tmp_path: Path) -> None:
    journal, key = Journal(tmp_path, ""), ("digest", 0.0)
    rows = [((f"digest {n}", 0.0), np.ones(256, np.float32)) for n in range(200)]
    journal.commit([], [], [(key, rows[0][1]), *rows], [])
    journal.close()
    with open(tmp_path / "journal.sqlite", "rb+") as file:
        file.seek(40_000)
        file.write(bytes(60_000))
    assert not Journal(tmp_path, "").has(key)


def test_damaged_previews_are_begun_anew(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    m2m.build_index(Pictures(), pictures, out)
    (out / "media.sqlite").write_bytes(random.Random(0).randbytes(5000))
    save_picture(pictures / "new.png", "a new picture")
    with pytest.warns(UserWarning, match="damaged"):
        index = m2m.build_index(Pictures(), pictures, out)
    shown = {item.name: index.preview(item).thumbnail is not None for _, item in index.metadata}
    assert shown == {"0.png": False, "1.png": False, "2.png": False, "new.png": True}
