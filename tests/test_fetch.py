"""Fetching: from a server on this machine, whole or not at all, and honest without a network."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hub_stand_in
import pytest
from fake_dist import run_m2m
from served import Quiet, serving

from m2m_adapters.corpus import published
from m2m_adapters.corpus.fetch import fetch, unpack
from m2m_adapters.corpus.published import SOURCES, Each, File, Hub, Source, fetched_folder
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.datasets import READERS
from m2m_adapters.evaluation.find import load_benchmark

NAMES = ["COCO_train2014_1.jpg", "COCO_val2014_2.jpg"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with serving(tmp_path / "served") as base:
        yield base, tmp_path / "served"


def serve_xtd(base: str, root: Path) -> Source:
    (root / "XTD10").mkdir()
    (root / "XTD10/test_image_names.txt").write_text("\n".join(NAMES))
    for code in ("en", "ko"):
        (root / f"XTD10/test_1kcaptions_{code}.txt").write_text(f"{code} one\n{code} two")
    for part in ("train2014", "val2014"):
        (root / part).mkdir()
    for name in NAMES:
        (root / name.split("_")[1] / name).write_bytes(b"pixels of " + name.encode())
    texts = ("test_image_names", "test_1kcaptions_en", "test_1kcaptions_ko")
    return Source(
        (
            *(File(f"{base}/XTD10/{t}.txt", f"XTD10/{t}.txt") for t in texts),
            Each("XTD10/test_image_names.txt", lambda n: f"{base}/{n.split('_')[1]}/{n}", "images"),
        ),
        "small",
    )


def test_fetch_and_read(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, root = server
    monkeypatch.setitem(SOURCES, "xtd10", serve_xtd(base, root))
    monkeypatch.setenv("M2M_DATA", str(tmp_path / "data"))
    folder = fetch("xtd10")
    assert folder == fetched_folder("xtd10") == tmp_path / "data/xtd10"
    found = load_benchmark("xtd10")
    assert found.captions["ko"] == ["ko one", "ko two"] and len(found.items) == 2
    record = json.loads((folder / "fetched.json").read_text())
    image = record[f"images/{NAMES[0]}"]
    assert (
        image["sha256"] == hashlib.sha256((folder / "images" / NAMES[0]).read_bytes()).hexdigest()
    )
    assert image["url"].endswith("/train2014/COCO_train2014_1.jpg")
    assert not [p for p in folder.rglob("*") if p.name.endswith(".part")]
    # Again: nothing is asked for twice; what went missing comes back.
    before = len(Quiet.seen)
    (folder / "images" / NAMES[1]).unlink()
    fetch("xtd10")
    assert Quiet.seen[before:] == [f"/val2014/{NAMES[1]}"]


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_archives(
    kind: str, server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, root = server
    make_archive(root / f"a.{kind}", {"inner/one.txt": b"1", "two.txt": b"2"})
    source = Source((File(f"{base}/a.{kind}", "things", unpack=True),), "")
    monkeypatch.setitem(SOURCES, "xm3600", source)
    folder = fetch("xm3600", tmp_path / "out")
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "fetched.json", "things/inner/one.txt", "things/two.txt"]  # fmt: skip


def make_archive(path: Path, files: dict[str, bytes]) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for name, data in files.items():
                out.writestr(name, data)
        return
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("kind", ["zip", "tgz"])
@pytest.mark.parametrize("name", ["../out.txt", "/tmp/m2m-never", "a/../../b"])
def test_archives_that_lead_out_are_refused(kind: str, name: str, tmp_path: Path) -> None:
    make_archive(tmp_path / f"bad.{kind}", {"fine.txt": b"", name: b"evil"})
    with pytest.raises(UserError, match="points outside its folder"):
        unpack(tmp_path / f"bad.{kind}", tmp_path / "in/here")
    assert not (tmp_path / "in/here").exists() and not list((tmp_path / "in").iterdir())


def test_links_in_archives_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    unpack(tmp_path / "a.tgz", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_damaged_archives(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    make_archive(path, {"x": bytes(range(256)) * 400})
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(data[: len(data) // 2]))
    with pytest.raises(UserError, match="damaged"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_connection_leaves_nothing(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, _ = server
    monkeypatch.setitem(SOURCES, "xm3600", Source((File(f"{base}/short.zip", "x"),), ""))
    with pytest.raises(UserError, match="was interrupted"):
        fetch("xm3600", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == []


def test_what_is_not_there(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, _ = server
    monkeypatch.setitem(SOURCES, "xm3600", Source((File(f"{base}/nothing", "x"),), ""))
    with pytest.raises(UserError, match="404"):
        fetch("xm3600", tmp_path / "out")
    monkeypatch.setitem(SOURCES, "xm3600", Source((File("http://127.0.0.1:9/x", "x"),), ""))
    with pytest.raises(UserError, match="check the network"):
        fetch("xm3600", tmp_path / "out")
    monkeypatch.setitem(SOURCES, "xm3600", Source((Hub("nobody/nothing", ("*",)),), ""))
    with pytest.raises(UserError, match="cannot fetch nobody/nothing from the hub"):
        fetch("xm3600", tmp_path / "out")
    with pytest.raises(UserError, match="did you mean 'xtd10'"):
        fetch("xtd1")


def test_names_that_lead_out_are_refused(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, root = server
    (root / "names.txt").write_text("fine.jpg\n../../evil.jpg\n")
    parts = (File(f"{base}/names.txt", "names.txt"),
             Each("names.txt", lambda n: f"{base}/{n}", "images"))  # fmt: skip
    monkeypatch.setitem(SOURCES, "xm3600", Source(parts, ""))
    with pytest.raises(UserError, match="not a plain file name"):
        fetch("xm3600", tmp_path / "out")


def test_every_benchmark_can_be_fetched() -> None:
    # FLEURS is hundreds of gigabytes of speech; its users have the folders they need.
    assert set(READERS) - set(SOURCES) == {"table", "fleurs"}
    assert published._coco(NAMES[1]) == "http://images.cocodataset.org/val2014/COCO_val2014_2.jpg"


def test_data_sets_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a stand-in for the hub: the branch becomes a recorded commit, zips are unpacked."""
    pytest.importorskip("huggingface_hub")

    def as_dataset(self: hub_stand_in.Hub, method: str, path: str, *rest: Any) -> Any:
        if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)", path):
            files = self.repos[found[1]].commits[found[2]]
            return 200, {}, [
                {"type": "file", "path": name, "size": len(raw),
                 "oid": hashlib.sha1(raw).hexdigest()} for name, raw in files.items()]  # fmt: skip
        path = path.replace("/api/datasets/", "/api/models/").replace("/datasets/", "/")
        return answer(self, method, path, *rest)

    answer = hub_stand_in.Hub.answer
    monkeypatch.setattr(hub_stand_in.Hub, "answer", as_dataset)
    make_archive(tmp_path / "test.zip", {
        "test/metadata.csv": "file_name,caption,Korean\na.jpg,a dog,개\nb.jpg,a cat,고양이\n".encode(),
        "test/a.jpg": b"a", "test/b.jpg": b"b",
    })  # fmt: skip
    name = "piyushsinghpasi/mscoco-multilingual-30k"
    environment = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf"),
                   "HF_HUB_DISABLE_XET": "1", "M2M_DATA": str(tmp_path / "data")}  # fmt: skip
    with hub_stand_in.hub_stand_in() as hub:
        hub.repos[name] = hub_stand_in.Repo()
        commit = hub.repos[name].commit(
            {"test.zip": (tmp_path / "test.zip").read_bytes(), "README.md": b"#", "big.bin": b"x"}
        )
        for _ in range(2):
            done = run_m2m("fetch", "mscoco-multilingual", HF_ENDPOINT=hub.address, **environment)
            assert done.returncode == 0, done.stderr
        asked = list(hub.asked)
        hub.down = True
        environment["M2M_DATA"] = str(tmp_path / "other")
        down = run_m2m("fetch", "mscoco-multilingual", HF_ENDPOINT=hub.address, **environment)
    assert down.returncode == 2 and "from the hub" in down.stderr
    assert "Traceback" not in down.stderr
    folder = Path(done.stdout.strip())
    assert folder == tmp_path / "data/mscoco-multilingual"
    assert json.loads((folder / "fetched.json").read_text())[name]["revision"] == commit
    assert not (folder / "big.bin").exists()
    assert sum("resolve" in line and line.startswith("GET") for line in asked) == 1
    monkeypatch.setenv("M2M_DATA", str(tmp_path / "data"))
    found = load_benchmark("mscoco-multilingual")
    assert found.captions["ko"] == ["개", "고양이"] and Path(found.items[1]).read_bytes() == b"b"
