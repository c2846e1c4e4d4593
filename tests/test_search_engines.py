"""One index in faiss, Qdrant and LanceDB: the same answers, updates, kills and refusals.

qdrant-client's own engine in memory answers in place of a server; LanceDB is itself.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_dist import run_m2m
from test_search_index import Colors, picture

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.search import database_engine
from m2m_adapters.search.readers import databases

URL = "http://localhost:6333"
ENGINES = ("qdrant", "lancedb", "lancedb elsewhere")
Engine = dict[str, Any]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    for number, color in enumerate(rng.integers(5, 250, (60, 3)).tolist()):
        picture(tmp_path / "photos" / "ab"[number % 2] / f"{number:02d}.png", tuple(color))
    return tmp_path / "photos"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    client = pytest.importorskip("qdrant_client").QdrantClient(":memory:")
    monkeypatch.setattr(databases, "qdrant_client", lambda url: (client, (ValueError,)))
    return client


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "qdrant":
        request.getfixturevalue("server")
        return {"engine": "qdrant", "url": URL}
    pytest.importorskip("lancedb")
    elsewhere = {"url": str(tmp_path / "tables")} if " " in request.param else {}
    return {"engine": "lancedb", **elsewhere}


def found(index: Any, where: str | None = None) -> list[list[tuple[str, float]]]:
    queries = ["red", "blue + green", "2:green - red"]
    return [[(hit.item.name, hit.score) for hit in hits]
            for hits in index.search(queries, 12, where=where)]  # fmt: skip


def same(mine: Any, theirs: Any) -> None:
    """Equal answers; two items whose scores differ by rounding may change places."""
    for where in (None, "folder = a", 'name contains "7"'):
        for one, other in zip(found(mine, where), found(theirs, where)):
            assert [s for _, s in one] == pytest.approx([s for _, s in other], abs=1e-4)
            assert len(dict(one).keys() & dict(other).keys()) >= len(other) - 1


def test_answers_and_updates_are_those_of_faiss(
    photos: Path, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = m2m.build_index(Colors(), photos, tmp_path / "plain")
    index = m2m.build_index(Colors(), photos, tmp_path / "index", **engine)
    assert index.record.engine.kind == engine["engine"]
    assert not list((tmp_path / "index").rglob("*.faiss")) and index.verify() == []
    for listed in (10_000, 5):  # the filter is sent, or applied to the answers
        monkeypatch.setattr(database_engine, "LISTED", listed)
        same(index, plain)
    rows = np.array([7, 3, 3, 59])
    assert np.array_equal(index.engine.vectors(rows), plain.engine.vectors(rows))
    (photos / "a" / "00.png").unlink()
    (photos / "b" / "01.png").rename(photos / "moved.png")
    picture(photos / "new.png", (9, 9, 200))
    target = Colors()
    updated = m2m.build_index(target, [], tmp_path / "index")  # the engine is remembered
    again = m2m.build_index(Colors(), [], tmp_path / "plain")
    assert [Path(name).name for name in target.seen] == ["new.png"]
    assert updated.record.engine.collection.endswith("-000002")
    same(updated, again)
    assert len(found(index)[0]) == 12  # who had the generation before open reads on


def test_a_bias_column_is_kept(photos: Path, tmp_path: Path, engine: Engine) -> None:
    from m2m_adapters.search.update import ItemBias

    bias = ItemBias("dark", lambda vectors: -0.3 * vectors[:, 0])
    plain = m2m.build_index(Colors(), photos, tmp_path / "plain", bias=bias)
    same(m2m.build_index(Colors(), photos, tmp_path / "index", bias=bias, **engine), plain)


def test_only_collections_of_this_index_go(photos: Path, tmp_path: Path, server: Any) -> None:
    from qdrant_client import models

    size = models.VectorParams(size=3, distance=models.Distance.DOT)
    options: Engine = {"engine": "qdrant", "url": URL}
    first = m2m.build_index(Colors(), photos, tmp_path / "index", **options)
    base = first.record.engine.collection.removesuffix("000001")
    server.create_collection("m2m-index-000001", size)
    server.create_collection(f"{base}000009", size)  # of a run that was killed
    for number in range(3):
        picture(photos / f"new{number}.png", (9, 9, 200 + number))
        m2m.build_index(Colors(), photos, tmp_path / "index")
    names = {one.name for one in server.get_collections().collections}
    assert names == {"m2m-index-000001", f"{base}000003", f"{base}000004"}
    server.delete_collection(f"{base}000004")
    with pytest.raises(UserError, match="holds 0 vectors, the record of"):
        m2m.load_index(tmp_path / "index")


def test_vectors_are_imported_into_an_engine(tmp_path: Path, engine: Engine) -> None:
    rows = np.random.default_rng(1).standard_normal((90, 48)).astype(np.float32)
    np.save(tmp_path / "v.npy", rows)
    for _ in range(2):
        index = m2m.import_index("toy-target", tmp_path / "v.npy", tmp_path / "index", **engine)
    assert [hits[0].path for hits in index.search(rows[:5], 1)] == list("01234")


def test_refusals_say_what_to_do(photos: Path, tmp_path: Path, server: Any) -> None:
    def build(name: str, **options: Any) -> Any:
        return m2m.build_index(Colors(), photos, tmp_path / name, **options)

    refused: list[tuple[str, Callable[[], Any]]] = [
        ("choose one of faiss, qdrant", lambda: build("index", engine="pinecone")),
        ("--url http://localhost:6333", lambda: build("index", engine="qdrant")),
        (
            "leave --url out",
            lambda: build("index", engine="faiss", url=URL.removeprefix("http://")),
        ),
        ("are in faiss", lambda: build("plain", engine="lancedb")),
        ("are in qdrant at http://localhost", lambda: build("theirs", url="http://other:1")),
    ]
    build("plain")
    build("theirs", url=URL)
    for message, call in refused:
        with pytest.raises(UserError, match=re.escape(message)):
            call()


RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import test_search_index as t
import m2m_adapters as m2m
print("ready", flush=True)
m2m.build_index(t.Colors(), sys.argv[2], sys.argv[3], batch_size=5, workers=1, engine="lancedb")
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process as POSIX does")
def test_a_killed_build_ends_as_an_undisturbed_one(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    command = [sys.executable, "-c", RUN, str(Path(__file__).parent), str(photos)]
    killed = tmp_path / "killed"
    for turn in range(5):
        run = subprocess.Popen([*command, str(killed)], stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None and run.stdout.readline() == "ready\n"
        time.sleep(0.15 + 0.1 * turn)
        run.send_signal(signal.SIGKILL)
        run.wait(timeout=60)
    index = m2m.build_index(Colors(), photos, killed, engine="lancedb")
    calm = m2m.build_index(Colors(), photos, tmp_path / "calm")
    same(index, calm)
    shutil.rmtree(killed / "lancedb")
    with pytest.raises(UserError, match="has no table"):
        m2m.load_index(killed)


def test_the_commands_take_an_engine(photos: Path, tmp_path: Path) -> None:
    for package in ("lancedb", "m2m_tiny"):
        pytest.importorskip(package)
    out = str(tmp_path / "index")
    made = run_m2m("index", "tiny-clip", str(photos), "--out", out, "--engine", "lancedb")
    assert made.returncode == 0, made.stderr
    assert f"60 vectors, in the collection vectors-000001 at {out}" in made.stdout
    found = run_m2m("search", out, "a red square", "-k", "3", "--adapter", "native", "--json")
    assert found.returncode == 0 and found.stdout.count('"path"') == 3, found.stderr
    refused = run_m2m("index", "tiny-clip", "--out", out, "--engine", "faiss")
    assert refused.returncode == 2 and "are in lancedb" in refused.stderr


def test_a_missing_faiss_is_named_before_anything_is_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "photos" / "red.png", (255, 0, 0))
    monkeypatch.setitem(sys.modules, "faiss", None)
    target = Colors()
    with pytest.raises(UserError, match="search needs faiss"):
        m2m.build_index(target, tmp_path / "photos", tmp_path / "index")
    assert target.seen == [] and not (tmp_path / "index").exists()


def test_a_server_that_does_not_answer_is_named_before_anything_is_encoded(
    tmp_path: Path,
) -> None:
    pytest.importorskip("qdrant_client")
    picture(tmp_path / "photos" / "red.png", (255, 0, 0))
    target, out = Colors(), tmp_path / "index"
    with pytest.raises(UserError, match="does not answer"):
        m2m.build_index(target, tmp_path / "photos", out, engine="qdrant", url="http://127.0.0.1:1")
    assert target.seen == [] and not out.exists()
