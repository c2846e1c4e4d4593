"""An index is written beside nothing of the user's, and removes nothing but its own files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from toy_media import Pictures, save_picture

import m2m_adapters as m2m
from m2m_adapters.errors import UserError

pytest.importorskip("PIL.Image")
pytest.importorskip("faiss")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(3):
        save_picture(tmp_path / "pictures" / f"{number}.png", f"picture {number}")
    return tmp_path / "pictures"


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    np.save(tmp_path / "v.npy", np.eye(48, dtype=np.float32))
    return tmp_path / "v.npy"


@pytest.mark.parametrize(
    "name", ["work/thesis.txt", "generations/2023/photo.jpg", "generations/000001/photo.jpg",
             "biases/2023-mine.npy", "lancedb/my_table.lance", "media.sqlite", "notes.txt"]
)  # fmt: skip
def test_files_of_the_user_stay(pictures: Path, vectors: Path, tmp_path: Path, name: str) -> None:
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    if name == "media.sqlite":
        with sqlite3.connect(mine) as db:
            db.execute("CREATE TABLE films (title TEXT)")
    else:
        mine.write_text("my thesis")
    before = mine.read_bytes()
    with pytest.raises(UserError, match="files that m2m did not write"):
        m2m.build_index(Pictures(), pictures, tmp_path / "mine")
    with pytest.raises(UserError, match="files that m2m did not write"):
        m2m.import_index("toy-target", vectors, tmp_path / "mine", compare=0, progress=False)
    assert mine.read_bytes() == before
    with pytest.raises(UserError, match="is not an index"):
        m2m.load_index(tmp_path / "mine")


def test_files_that_came_into_an_index_later_stay(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    m2m.build_index(Pictures(), pictures, out)
    came = [out / "work" / "thesis.txt", out / "generations" / "000001" / "photo.jpg",
            out / "generations" / "2023" / "photo.jpg", out / "biases" / "2023-mine.npy"]  # fmt: skip
    for path in came:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    save_picture(pictures / "new.png", "a new picture")
    index = m2m.build_index(Pictures(), pictures, out)
    assert len(index) == 4 and index.verify() == []
    assert all(path.read_text() == "mine" for path in came)
    assert [path.name for path in (out / "generations" / "000001").iterdir()] == ["photo.jpg"]
    assert not (out / "work" / "journal.sqlite").exists()


def test_a_first_run_that_ended_early_goes_on(pictures: Path, tmp_path: Path) -> None:
    class Tired(Pictures):
        """Fails at its second batch; ``seen`` counts items."""

        left, seen = 1, 0

        def encode_items(self, items: object, **options: object) -> object:  # type: ignore[override]
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.seen += len(items)  # type: ignore[arg-type]
            return super().encode_items(items, **options)  # type: ignore[arg-type]

    out, target = tmp_path / "index", Tired()
    with pytest.raises(KeyboardInterrupt):
        m2m.build_index(target, pictures, out, batch_size=2)
    with pytest.raises(UserError, match="not finished"):
        m2m.load_index(out)
    target.left = 9
    assert len(m2m.build_index(target, pictures, out, batch_size=2)) == 3
    assert target.seen == 3 and not (out / "work").exists()


@pytest.mark.parametrize("engine", ["faiss", "lancedb"])
def test_a_refused_import_leaves_nothing(vectors: Path, tmp_path: Path, engine: str) -> None:
    if engine == "lancedb":
        pytest.importorskip("lancedb")
    (tmp_path / "ids.txt").write_text("only one\n")
    with pytest.raises(UserError, match="more"):
        m2m.import_index("toy-target", vectors, tmp_path / "index", ids=tmp_path / "ids.txt",
                         compare=0, engine=engine, progress=False)  # fmt: skip
    assert not (tmp_path / "index").exists()


def test_a_refused_import_leaves_the_index_that_was_there(vectors: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    m2m.import_index("toy-target", vectors, out, compare=0, progress=False)
    before = sorted(out.rglob("*"))
    (tmp_path / "ids.txt").write_text("only one\n")
    with pytest.raises(UserError, match="more"):
        m2m.import_index("toy-target", vectors, out, ids=tmp_path / "ids.txt", compare=0,
                         progress=False)  # fmt: skip
    assert sorted(out.rglob("*")) == before and len(m2m.load_index(out)) == 48
