"""Build, update and ask an index; a target of colors stands for a model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.search.query import Query, parse

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("faiss")

WORDS = ("red", "green", "blue")


class Words(m2m.TextEncoder):
    dim, fingerprint = 3, "test:words"

    def encode(self, texts: Any, **options: Any) -> Any:
        rows = np.array([[text.lower().count(w) for w in WORDS] for text in texts], np.float32)
        return rows.reshape(-1, 3) / np.maximum(1e-9, np.linalg.norm(rows, axis=1, keepdims=True))


class Colors(m2m.ItemTarget):
    """The mean color of a picture; ``seen`` lists what was encoded."""

    modality = "image"

    def __init__(self) -> None:
        self.text, self.seen = Words(), []  # type: ignore[assignment]

    def prepare(self, item: Any, **options: Any) -> Any:
        from m2m_adapters.models.images import rgb_image

        self.seen.append(str(item))
        return np.asarray(rgb_image(item), np.float32).mean((0, 1))

    def forward(self, batch: list[Any]) -> Any:
        import torch

        return torch.tensor(np.stack(batch))


def picture(
    path: Path, color: tuple[int, int, int], size: tuple[int, int] = (40, 20), **save: Any
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **save)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(6):
        picture(folder / "a" / f"red{number}.png", (250 - number, 10, 0))
        picture(folder / "b" / f"green{number}.png", (0, 250 - number, 10), (64, 64))
    picture(folder / "b" / "blue.png", (0, 0, 255))
    return folder


def names(hits: Any) -> list[str]:
    return [hit.item.name for hit in hits]


def test_items_are_found_by_text(photos: Path, tmp_path: Path) -> None:
    index = m2m.build_index(Colors(), photos, tmp_path / "index")
    assert len(index) == 13 and index.changes is not None and index.changes.new == 13
    assert names(index.search("blue", 1)) == ["blue.png"]
    assert all("green" in name for name in names(index.search("green", 6)))
    several = index.search(["red", "blue + green", "red - green"], 3)
    assert [len(hits) for hits in several] == [3, 3, 3]
    assert index.verify() == []


def test_an_update_encodes_only_what_is_new(photos: Path, tmp_path: Path) -> None:
    target, out = Colors(), tmp_path / "index"
    m2m.build_index(target, photos, out)
    target.seen.clear()
    picture(photos / "new.png", (9, 9, 200))
    picture(photos / "a" / "red0.png", (0, 0, 99))
    (photos / "a" / "red1.png").rename(photos / "moved.png")
    (photos / "b" / "green0.png").unlink()
    os.utime(photos / "b" / "green1.png", (1, 1))
    index = m2m.build_index(target, [], out)
    changes = index.changes
    assert changes is not None
    counts = (changes.new, changes.changed, changes.moved, changes.deleted, changes.unchanged)
    assert counts == (1, 1, 1, 1, 10) and changes.encoded == 2
    assert sorted(Path(name).name for name in target.seen) == ["new.png", "red0.png"]
    assert "moved.png" in names(index.search("red", 20))
    assert len(list((out / "generations").iterdir())) == 1 and not (out / "work").exists()


def test_copies_are_encoded_once(photos: Path, tmp_path: Path) -> None:
    for number in range(5):
        shutil.copy(photos / "b" / "blue.png", photos / f"copy{number}.png")
    target = Colors()
    index = m2m.build_index(target, photos, tmp_path / "index", batch_size=4)
    assert len(index) == 18 and len(target.seen) == 13


def test_bad_items_are_named_and_not_tried_again(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    (photos / "empty.png").write_bytes(b"")
    for _ in range(2):
        index = m2m.build_index(Colors(), photos, tmp_path / "index")
        assert index.changes is not None and index.record.bad == 2
        assert [Path(bad.path).name for bad in index.changes.bad] == ["broken.jpg", "empty.png"]


def test_orientation_and_date_come_from_exif(tmp_path: Path) -> None:
    import io

    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, "2019:05:04 03:02:01"
    picture(tmp_path / "p" / "x.jpg", (1, 2, 250), (60, 20), exif=exif)
    index = m2m.build_index(Colors(), tmp_path / "p", tmp_path / "index")
    (hit,) = index.search("blue", 1)
    assert (hit.item.width, hit.item.height, hit.item.date) == (20, 60, "2019-05-04T03:02:01")
    thumbnail = index.preview(hit.item).thumbnail
    assert thumbnail is not None and Image.open(io.BytesIO(thumbnail)).size == (20, 60)


def test_a_reader_keeps_its_generation(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    m2m.build_index(Colors(), photos, out)
    reader = m2m.load_index(out, target=Colors())
    (photos / "b" / "blue.png").unlink()
    m2m.build_index(Colors(), photos, out)
    assert reader.newer() and names(reader.search("blue", 1)) == ["blue.png"]
    assert names(m2m.load_index(out, target=Colors()).search("blue", 1)) != ["blue.png"]


def test_filters(photos: Path, tmp_path: Path) -> None:
    index = m2m.build_index(Colors(), photos, tmp_path / "index")
    assert all("green" in n for n in names(index.search("red", 20, where="width >= 64")))
    assert len(index.search("red", 20, where="folder = a or name = blue.png")) == 7
    assert len(index.search("red", 20, where="not suffix in (jpg, gif) and date > 2001")) == 13
    assert len(index.search("red", 20, where='name contains "GREEN" and size < 5MB')) == 6
    assert len(index.search("red", 20, where="date < 1990")) == 0


def test_queries_that_say_nothing_are_refused(photos: Path, tmp_path: Path) -> None:
    index = m2m.build_index(Colors(), photos, tmp_path / "index")
    with pytest.raises(UserError, match="cancel out"):
        index.search("red - red")
    assert len(index.search([Query.of_item(str(photos / "b" / "blue.png"))], 1)[0]) == 1


def test_a_filter_is_answered_whoever_forgets_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may put out a filter that was just kept; here none is kept at all."""
    index = m2m.build_index(Colors(), photos, tmp_path / "index")
    monkeypatch.setattr("m2m_adapters.search.index.FILTERS_KEPT", 0)
    assert len(index.search("red", 20, where="width >= 64")) == 6


def test_more_than_there_is_may_be_asked_for(photos: Path, tmp_path: Path) -> None:
    """Whatever is asked for, only as many columns as rows are allocated."""
    index = m2m.build_index(Colors(), photos, tmp_path / "index")
    for k in (13, 10**11, 10**30):
        assert len(index.search("red", k)) == 13
        assert len(index.search("red", k, where="width >= 64")) == 6


def test_another_target_is_refused(photos: Path, tmp_path: Path) -> None:
    class Others(Colors):
        def __init__(self) -> None:
            super().__init__()
            self.text.fingerprint = "test:others"  # type: ignore[misc]

    m2m.build_index(Colors(), photos, tmp_path / "index")
    with pytest.raises(UserError, match="choose another folder"):
        m2m.build_index(Others(), photos, tmp_path / "index")
    with pytest.raises(UserError, match="not the one this index"):
        m2m.load_index(tmp_path / "index", target=Others())


def test_folders_of_others_and_damage_are_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="contains files that m2m did not write"):
        m2m.build_index(Colors(), photos, photos)
    with pytest.raises(UserError, match="there is no folder"):
        m2m.build_index(Colors(), tmp_path / "nowhere", tmp_path / "index")
    with pytest.raises(UserError, match="not an index"):
        m2m.load_index(photos)
    out = tmp_path / "index"
    m2m.build_index(Colors(), photos, out)
    (out / "index.json").write_text(
        (out / "index.json").read_text().replace('"rows": 13', '"rows": "13"')
    )
    with pytest.raises(UserError, match="damaged"):
        m2m.load_index(out)


def test_hits_and_pages_are_escaped(photos: Path, tmp_path: Path) -> None:
    from m2m_adapters.search.page import write_page

    index = m2m.build_index(Colors(), photos, tmp_path / "index")
    hits = index.search("blue <script>", 2)
    write_page(tmp_path / "found.html", [hits])
    page = (tmp_path / "found.html").read_text()
    assert (
        "<script>" not in page
        and "data:image/jpeg;base64," in page
        and "http" not in page.replace("http-equiv", "")
    )
    assert "&lt;script&gt;" in hits._repr_html_()


def test_lists_reach_the_recall_they_record_also_under_a_filter() -> None:
    """Clustered rows through the approximate index: measured against an exact scan."""
    from m2m_adapters.search import faiss_files, lists
    from m2m_adapters.search.engine import FaissEngine

    random = np.random.default_rng(0)
    centers = random.normal(size=(60, 32))
    rows = centers[random.integers(0, 60, 6000)] + 0.4 * random.normal(size=(6000, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    flat = faiss_files.flat(32)
    flat.add(rows)
    ivf = lists.build_lists(flat)
    record = lists.measured(flat, ivf)
    assert record.kind == "ivf" and record.lists > 1
    engine, exact = FaissEngine(flat, ivf), FaissEngine(flat)
    engine.nprobe = record.nprobe
    queries = rows[:200] + 0.05 * random.normal(size=(200, 32)).astype(np.float32)
    assert lists.recall(engine.search(queries, 10)[1], exact.search(queries, 10)[1]) >= 0.97
    for share in (0.01, 0.3):
        kept = np.flatnonzero(random.random(6000) < share)
        found = engine.search(queries, 10, kept)[1]
        assert set(np.unique(found)) <= {*kept.tolist(), -1}
        assert lists.recall(found, exact.search(queries, 10, kept)[1]) >= 0.97


def test_several_indexes_are_asked_at_once(photos: Path, tmp_path: Path) -> None:
    from m2m_adapters.search.several import search_several

    first = m2m.build_index(Colors(), photos / "a", tmp_path / "first")
    second = m2m.build_index(Colors(), photos / "b", tmp_path / "second")
    answers = search_several([first, second], [parse("blue"), parse("red")], 3, adapters=["native"])
    assert names(answers[0])[0] == "blue.png"
    assert all("red" in name for name in names(answers[1]))


def test_a_bias_of_items_changes_their_order(photos: Path, tmp_path: Path) -> None:
    from m2m_adapters.search.update import ItemBias

    plain = m2m.build_index(Colors(), photos, tmp_path / "plain")
    assert names(plain.search("blue", 1)) == ["blue.png"]
    against = ItemBias("no-blue", lambda rows: -2 * rows[:, 2])
    biased = m2m.build_index(Colors(), photos, tmp_path / "biased", bias=against)
    assert "blue.png" not in names(biased.search("blue", 5))


def test_what_a_kill_right_after_the_switch_left_goes(photos: Path, tmp_path: Path) -> None:
    from m2m_adapters.search.media import Media, Preview

    out = tmp_path / "index"
    m2m.build_index(Colors(), photos, out)
    shutil.copytree(out / "generations" / "000001", out / "generations" / "000007")
    Media(out / "media.sqlite", write=True).add([("gone", Preview(peaks=b"1"))])
    m2m.build_index(Colors(), photos, out)
    assert [path.name for path in (out / "generations").iterdir()] == ["000001"]
    assert Media(out / "media.sqlite").get("gone") == Preview()


def test_rows_are_compared_again_where_8_bits_lose_too_much() -> None:
    """Near copies, which 8 bits cannot tell apart."""
    from m2m_adapters.search import faiss_files, lists
    from m2m_adapters.search.engine import FaissEngine

    random = np.random.default_rng(0)
    centers = random.normal(size=(300, 32))
    rows = np.repeat(centers, 20, 0) + 0.02 * random.normal(size=(6000, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    flat = faiss_files.flat(32)
    flat.add(rows)
    ivf = lists.build_lists(flat, 64)
    record = lists.measured(flat, ivf)
    assert record.rescored and record.recall is not None and record.recall.at >= 0.97
    engine, exact = FaissEngine(flat, ivf, record.nprobe, rescored=True), FaissEngine(flat)
    queries = rows[::30]
    wanted_scores, wanted = exact.search(queries, 10)
    scores, found = engine.search(queries, 10)
    assert lists.recall(found, wanted) >= 0.97
    assert np.abs(scores - wanted_scores).max() < 0.01
    plain = FaissEngine(flat, ivf, record.nprobe).search(queries, 10)[1]
    assert lists.recall(plain, wanted) < 0.97


def test_many_queries_and_one_get_the_same_answers() -> None:
    from m2m_adapters.search import faiss_files
    from m2m_adapters.search.engine import MANY, FaissEngine

    random = np.random.default_rng(0)
    flat = faiss_files.flat(16)
    flat.add(random.normal(size=(2000, 16)).astype(np.float32))
    engine, queries = FaissEngine(flat), random.normal(size=(MANY, 16)).astype(np.float32)
    for kept in (None, np.arange(0, 2000, 3), np.arange(100)):
        scores, rows = engine.search(queries, 10, kept)
        for at in range(MANY):
            alone = engine.search(queries[at : at + 1], 10, kept)
            assert np.allclose(alone[0][0], scores[at], atol=1e-4)
            assert len(np.intersect1d(alone[1][0], rows[at])) >= 9
