"""Indexes that were made without this project are imported and give a native index's answers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.errors import UserError

Image = pytest.importorskip("PIL.Image")
faiss = pytest.importorskip("faiss")
scenes = pytest.importorskip("m2m_tiny.scenes")
QUERIES = ("赤い四角", "مربع أحمر", "ein blauer Kreis", "a red square - a circle")
COUNT = 80


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, an adapter, the native index, and the vectors of the tiny target itself."""
    folder = tmp_path_factory.mktemp("world")
    drawn, _ = scenes.gallery()
    (folder / "photos").mkdir()
    for number, pixels in enumerate(scenes.render_batch(drawn[:COUNT], random.Random(5))):
        Image.fromarray(pixels).save(folder / "photos" / f"{number:03d}.png")
    m2m.align(
        "tiny-text", "tiny-clip", "tiny-scene-captions", max_sentences=3000, recipe="closed-form"
    ).save(folder / "adapter")
    m2m.build_index(str(folder / "adapter"), folder / "photos", folder / "native")
    np.save(folder / "vectors.npy", m2m.load_target("tiny-clip").encode_items(paths(folder)))
    return folder


def paths(world: Path) -> list[str]:
    return [str(path) for path in sorted((world / "photos").iterdir())]


def vectors(world: Path) -> Any:
    return np.load(world / "vectors.npy")


def clip_retrieval(world: Path, out: Path) -> dict[str, Any]:
    """As ``clip-retrieval inference`` writes it: fp16, in two partitions."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for name in ("img_emb", "metadata"):
        (out / name).mkdir(parents=True)
    for part, rows in enumerate((range(50), range(50, COUNT))):
        np.save(out / "img_emb" / f"img_emb_{part}.npy", vectors(world)[rows].astype(np.float16))
        table = {"image_path": [paths(world)[row] for row in rows],
                 "caption": [f"picture {row}" for row in rows]}  # fmt: skip
        pq.write_table(pa.table(table), out / "metadata" / f"metadata_{part}.parquet")
    return {"source": out}


def faiss_lists(world: Path, out: Path) -> dict[str, Any]:
    out.mkdir()
    index = faiss.index_factory(vectors(world).shape[1], "IVF2,Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(vectors(world))
    index.add(vectors(world))
    faiss.write_index(index, str(out / "items.index"))
    (out / "paths.txt").write_text("".join(f"{path}\n" for path in paths(world)))
    return {"source": out / "items.index", "ids": out / "paths.txt"}


def qdrant(world: Path, out: Path) -> dict[str, Any]:
    client_module = pytest.importorskip("qdrant_client")
    models = client_module.models
    client = client_module.QdrantClient(path=str(out))
    size = vectors(world).shape[1]
    client.create_collection("photos", models.VectorParams(size=size, distance="Cosine"))
    client.upsert("photos", [
        models.PointStruct(id=row, vector=vector.tolist(), payload={"path": paths(world)[row]})
        for row, vector in enumerate(vectors(world))
    ])  # fmt: skip
    client.close()
    return {"source": out}


def lance(world: Path, out: Path) -> dict[str, Any]:
    lancedb, pa = pytest.importorskip("lancedb"), pytest.importorskip("pyarrow")
    rows = vectors(world)
    column = pa.FixedSizeListArray.from_arrays(rows.ravel(), rows.shape[1])
    lancedb.connect(str(out)).create_table(
        "photos", pa.table({"path": paths(world), "vector": column})
    )
    return {"source": out / "photos.lance"}


def parquet(world: Path, out: Path) -> dict[str, Any]:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    out.mkdir()
    table = {"photo": paths(world), "emb": [row.tolist() for row in 7 * vectors(world)],
             "other": [[1.0]] * COUNT}  # fmt: skip
    pq.write_table(pa.table(table), out / "photos.parquet")
    return {"source": out / "photos.parquet", "columns": {"vector": "emb", "path": "photo"}}


def safetensors(world: Path, out: Path) -> dict[str, Any]:
    from safetensors.numpy import save_file

    out.mkdir()
    save_file({"vectors": vectors(world)}, out / "v.safetensors")
    lines = [json.dumps({"path": Path(path).name, "caption": "x"}) for path in paths(world)]
    (out / "ids.jsonl").write_text("\n".join(lines))
    return {"source": out / "v.safetensors", "ids": out / "ids.jsonl", "folder": world / "photos"}


@pytest.mark.parametrize("made", [clip_retrieval, faiss_lists, qdrant, lance, parquet, safetensors])
def test_answers_are_those_of_a_native_index(
    world: Path, tmp_path: Path, made: Callable[[Path, Path], dict[str, Any]]
) -> None:
    given = made(world, tmp_path / "theirs")
    index = m2m.import_index(str(world / "adapter"), out=tmp_path / "index", **given)
    native = m2m.load_index(world / "native")
    assert len(index) == COUNT and index.verify() == []
    assert index.record.origin is not None and index.record.origin.compared >= 8
    assert (index.record.origin.cosine or 0) > 0.999
    for mine, theirs in zip(native.search(QUERIES, 20), index.search(QUERIES, 20)):
        score = {hit.path: hit.score for hit in mine}
        # Vectors of other batches and of fp16 differ in the last digits, and near ties with them.
        assert len({hit.path for hit in theirs} & set(score)) >= 19
        for hit in theirs:
            assert hit.score == pytest.approx(score.get(hit.path, mine[-1].score), abs=2e-3)
    hit = index.search(QUERIES[0], 1)[0]
    assert index.preview(hit.item).thumbnail and hit.item.width and hit.item.date


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_dataset_of_items_knows_its_encoder(world: Path, tmp_path: Path, engine: str) -> None:
    pytest.importorskip("pyarrow")
    if engine == "ray":
        pytest.importorskip("ray")
    m2m.embed_dataset(
        "tiny-clip", str(world / "photos"), str(tmp_path / "set"), items=True, engine=engine
    )
    index = m2m.import_index("tiny-clip", tmp_path / "set", tmp_path / "index")
    by_address = m2m.import_index(
        "tiny-clip", (tmp_path / "set").as_uri(), tmp_path / "again", compare=0
    )
    assert by_address.record.files["flat.faiss"] == index.record.files["flat.faiss"]
    native = m2m.load_index(world / "native")
    for mine, theirs in zip(native.search(QUERIES, 10, adapter=str(world / "adapter")),
                            index.search(QUERIES, 10, adapter=str(world / "adapter"))):  # fmt: skip
        assert [hit.score for hit in mine] == pytest.approx([hit.score for hit in theirs], abs=2e-3)
    with pytest.raises(UserError, match="another encoder"):
        m2m.import_index("tiny-clap", tmp_path / "set", tmp_path / "other")


def test_a_qdrant_server(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """qdrant-client in memory stands for a server: it answers the same calls."""
    client_module = pytest.importorskip("qdrant_client")
    from m2m_adapters.search.readers import databases

    models = client_module.models
    client = client_module.QdrantClient(":memory:")
    size = vectors(world).shape[1]
    for name in ("photos", "others"):
        client.create_collection(name, {"image": models.VectorParams(size=size, distance="Cosine")})
    client.upsert("photos", [
        models.PointStruct(id=row, vector={"image": vector.tolist()}, payload={"f": paths(world)[row]})
        for row, vector in enumerate(vectors(world))
    ])  # fmt: skip
    monkeypatch.setattr(databases, "qdrant_client", lambda url: (client, (ValueError,)))
    monkeypatch.setattr(databases, "PAGE", 30)
    given: dict[str, Any] = {"source": "http://localhost:6333", "out": tmp_path / "index"}
    with pytest.raises(UserError, match="2 collections"):
        m2m.import_index("tiny-clip", **given)
    with pytest.raises(UserError, match="no 'file'"):
        m2m.import_index("tiny-clip", collection="photos", columns={"path": "file"}, **given)
    index = m2m.import_index("tiny-clip", collection="photos", columns={"path": "f"}, **given)
    assert len(index) == COUNT and index.record.origin is not None
    assert index.record.origin.place == "http://localhost:6333#photos"
    assert index.search(vectors(world)[7:8], 1)[0][0].path == paths(world)[7]


def test_a_collection_is_searched_where_it_is(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """qdrant-client in memory stands for a server; half of its ids are UUIDs."""
    from uuid import UUID

    client_module = pytest.importorskip("qdrant_client")
    from m2m_adapters.search import database_engine
    from m2m_adapters.search.readers import databases

    models = client_module.models
    client = client_module.QdrantClient(":memory:")
    size = vectors(world).shape[1]
    for name, distance in (("photos", "Cosine"), ("far", "Euclid")):
        client.create_collection(name, models.VectorParams(size=size, distance=distance))
    client.upsert("photos", [
        models.PointStruct(id=row if row % 2 else str(UUID(int=row)), vector=(3 * vector).tolist(),
                           payload={"path": paths(world)[row]})
        for row, vector in enumerate(vectors(world))
    ])  # fmt: skip
    monkeypatch.setattr(databases, "qdrant_client", lambda url: (client, (ValueError,)))
    given: dict[str, Any] = {"source": "http://localhost:6333", "in_place": True}
    with pytest.raises(UserError, match="not by cosine"):
        m2m.import_index("tiny-clip", out=tmp_path / "far", collection="far", **given)
    with pytest.raises(UserError, match="cannot be searched in place"):
        m2m.import_index("tiny-clip", world / "vectors.npy", tmp_path / "no", in_place=True)
    m2m.import_index(str(world / "adapter"), out=tmp_path / "index", collection="photos", **given)
    index, native = m2m.load_index(tmp_path / "index"), m2m.load_index(world / "native")
    assert not list((tmp_path / "index").rglob("*.faiss")) and index.verify() == []
    for where in (None, 'name contains "1"'):
        for listed in (10_000, 3):  # the filter is sent, or applied to the answers
            monkeypatch.setattr(database_engine, "LISTED", listed)
            for mine, theirs in zip(
                native.search(QUERIES, 15, where=where), index.search(QUERIES, 15, where=where)
            ):
                assert [h.score for h in mine] == pytest.approx([h.score for h in theirs], abs=2e-3)
                assert len({h.path for h in mine} & {h.path for h in theirs}) >= 14
    client.upsert("photos", [models.PointStruct(id=999, vector=vectors(world)[7].tolist())])
    assert index.search(vectors(world)[7:8], 1)[0][0].path == paths(world)[7]
    client.delete("photos", [1])
    with pytest.raises(UserError, match="are gone"):
        index.engine.vectors(np.arange(COUNT))


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("qdrant_client")
    with pytest.raises(UserError, match="does not answer"):
        m2m.import_index("tiny-clip", "http://127.0.0.1:9", tmp_path / "index")


def test_items_may_be_absent(world: Path, tmp_path: Path) -> None:
    names = [f"https://photos.example/{row}.jpg" for row in range(COUNT)]
    np.save(tmp_path / "ids.npy", np.array(names))
    index = m2m.import_index(
        "tiny-clip", world / "vectors.npy", tmp_path / "index", ids=tmp_path / "ids.npy"
    )
    assert index.record.origin is not None and index.record.origin.compared == 0
    hits = index.search(QUERIES[0], 3, adapter=str(world / "adapter"))
    assert hits[0].path in names and index.preview(hits[0].item).thumbnail is None
    assert "https://photos.example" in hits._repr_html_()
    numbered = m2m.import_index("tiny-clip", world / "vectors.npy", tmp_path / "numbered")
    assert numbered.search(vectors(world)[7:8], 1)[0][0].path == "7"


def test_vectors_of_another_model_or_in_another_order_are_refused(
    world: Path, tmp_path: Path
) -> None:
    (tmp_path / "paths.txt").write_text("\n".join(reversed(paths(world))))
    with pytest.raises(UserError, match="mean cosine of"):
        m2m.import_index(
            "tiny-clip", world / "vectors.npy", tmp_path / "index", ids=tmp_path / "paths.txt"
        )
    np.save(tmp_path / "wide.npy", np.ones((COUNT, 99), np.float32))
    with pytest.raises(UserError, match="dimension 99"):
        m2m.import_index("tiny-clip", tmp_path / "wide.npy", tmp_path / "index")
    assert not (tmp_path / "index" / "index.json").exists()


def test_vectors_that_say_nothing_are_counted(world: Path, tmp_path: Path) -> None:
    rows = vectors(world)
    rows[3], rows[5, 2] = 0, np.nan
    np.save(tmp_path / "v.npy", rows)
    index = m2m.import_index("tiny-clip", tmp_path / "v.npy", tmp_path / "index")
    assert len(index) == COUNT - 2 and [bad.path for bad in index.metadata.bad()] == ["3", "5"]
    assert index.search(rows[4:5], 1)[0][0].path == "4"


def test_ids_must_be_as_many_as_vectors(world: Path, tmp_path: Path) -> None:
    for count, word in ((COUNT - 1, "more"), (COUNT + 2, f"items for {COUNT} vectors")):
        (tmp_path / "ids.txt").write_text("".join(f"{row}\n" for row in range(count)))
        with pytest.raises(UserError, match=word):
            m2m.import_index(
                "tiny-clip", world / "vectors.npy", tmp_path / "index", ids=tmp_path / "ids.txt"
            )
    (tmp_path / "ids.csv").write_text("file,note\n0.png,x,more than the header names\n")
    with pytest.raises(UserError, match="has no column 'nope'"):
        m2m.import_index("tiny-clip", world / "vectors.npy", tmp_path / "index",
                         ids=tmp_path / "ids.csv", columns={"path": "nope"})  # fmt: skip


def test_pickles_in_a_qdrant_folder_are_not_run(world: Path, tmp_path: Path) -> None:
    import pickle
    import sqlite3

    given = qdrant(world, tmp_path / "theirs")

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    with sqlite3.connect(tmp_path / "theirs/collection/photos/storage.sqlite") as db:
        db.execute("UPDATE points SET point = ?", [pickle.dumps(Evil())])
    with pytest.raises(UserError, match="is not read"):
        m2m.import_index("tiny-clip", out=tmp_path / "index", **given)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["absent.npy", "broken.npy", "broken.parquet", "broken.index", "model.pt", "folder"]
)
def test_unreadable_sources_are_one_line(tmp_path: Path, name: str) -> None:
    if name == "folder":
        (tmp_path / name).mkdir()
    elif name != "absent.npy":
        (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(UserError) as caught:
        m2m.import_index("tiny-clip", tmp_path / name, tmp_path / "index")
    assert "\n" not in caught.value.what


def test_an_import_replaces_an_import_only(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    for _ in range(2):
        index = m2m.import_index("tiny-clip", world / "vectors.npy", out)
    assert len(list((out / "generations").iterdir())) == 1 and len(index) == COUNT
    with pytest.raises(UserError, match="new folder"):
        m2m.build_index("tiny-clip", world / "photos", out)
    with pytest.raises(UserError, match="new folder"):
        m2m.import_index("tiny-clip", world / "vectors.npy", world / "native")


def test_the_command(world: Path, tmp_path: Path) -> None:
    run = partial(run_m2m, cwd=world)

    clip_retrieval(world, tmp_path / "theirs")
    out = str(tmp_path / "index")
    done = run("index", "adapter", "--from", str(tmp_path / "theirs"), "--out", out)
    assert done.returncode == 0 and "encoded again: mean cosine" in done.stdout, done.stderr
    found = run("search", out, "赤い四角", "-k", "2", "--where", "text contains picture", "--json")
    assert json.loads(found.stdout)[0]["hits"][0]["text"].startswith("picture "), found.stderr
    wrong = run("index", "tiny-clap", "--from", str(tmp_path / "theirs"), "--out", out + "2")
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
    assert "cannot encode the files" in wrong.stderr, wrong.stderr
