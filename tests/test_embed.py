"""Datasets of vectors: complete, exactly once, and never encoded twice, whoever is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fake_dist import fake_dist, run_m2m
from half_written import half_written

import m2m_adapters as m2m
from m2m_adapters._internal.files import whole_file
from m2m_adapters.embeddings.bulk import add_to_store, embed_dataset
from m2m_adapters.embeddings.dataset import BLOCK, Dataset, Place, open_dataset
from m2m_adapters.embeddings.store import Store
from m2m_adapters.errors import UserError
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

pytest.importorskip("pyarrow", reason="datasets are parquet files")

SENTENCES = list(toy_sentences(9000))

# A source and a target by name: filed exactly, slow enough to be hit, every text it is given is
# noted; with M2M_TEST_DIE the process that meets a chosen text kills itself, once.
PLUGIN = """
import os, signal, time
import m2m_adapters as m2m
from m2m_adapters.testing import AffineTarget, ToySource

def note(texts):
    log = os.environ["M2M_TEST_LOG"]
    flag = os.environ.get("M2M_TEST_DIE")
    if flag and len(texts) > 3 and "DIE" in texts:
        try:
            os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    with open(f"{log}.{os.getpid()}", "a") as file:
        file.write("".join(text + chr(10) for text in texts))

class Noted(ToySource):
    fingerprint = "noted"
    def encode(self, texts, **options):
        note(texts)
        time.sleep(float(os.environ.get("M2M_TEST_SLEEP", "0")))
        return super().encode(texts, **options)

def source():
    return Noted(16)

def target():
    made = AffineTarget(12)
    inner = made.text
    class Text(m2m.TextEncoder):
        dim, fingerprint = 12, "noted-target"
        def encode(self, texts, **options):
            note(texts)
            return inner.encode(texts)
    text = Text()
    class Target(AffineTarget):
        text = property(lambda self: text)
        def encode_items(self, items, **options):
            note([os.path.basename(i) for i in items])
            return text.encode([open(i).read() for i in items])
    return Target(12)

@m2m.hookimpl
def m2m_register(register):
    register.source("noted", "noted_plugin:source", description="counts", dim=16)
    register.target("noted-target", "noted_plugin:target", modality="words",
                    description="counts", dim=12)
"""


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = fake_dist(tmp_path / "plugin", "noted-plugin", PLUGIN)
    # Ray's workers and child processes find it as we do.
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    monkeypatch.setenv("PYTHONPATH", paths)
    monkeypatch.setenv("M2M_TEST_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("M2M_CACHE", str(tmp_path / "cache"))
    (tmp_path / "corpus.txt").write_text("\n".join(SENTENCES) + "\n")
    return tmp_path


def encoded(folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for log in folder.glob("log.*"):
        found.update(log.read_text().splitlines())
        log.unlink()
    return found


def contents(place: Path) -> tuple[list[str], np.ndarray, list[int]]:
    import pyarrow.parquet as pq

    table = pq.read_table(sorted(place.glob("part-*.parquet")))
    vectors = np.stack(table.column("vector").to_pylist()).astype(np.float32)
    return table.column("text").to_pylist(), vectors, table.column("id").to_pylist()


def test_every_row_is_there_once_in_order(tmp_path: Path) -> None:
    rows = [*SENTENCES[: BLOCK + 10], "", "  two  spaces ", SENTENCES[0]]
    (tmp_path / "c.txt").write_text("\n".join(rows) + "\n")
    done = embed_dataset("toy-source", tmp_path / "c.txt", tmp_path / "out")
    assert (done.rows, done.encoded, done.dim) == (len(rows), len(rows), 64)
    texts, vectors, ids = contents(tmp_path / "out")
    assert texts == [*rows[:-2], "two spaces", rows[-1]] and ids == list(range(len(rows)))
    np.testing.assert_allclose(vectors, ToySource(64).encode(texts), atol=1e-6)
    about = open_dataset(tmp_path / "out")[1]
    assert (about.encoder, about.rows, about.kind) == ("toy-source", len(rows), "text")
    again = embed_dataset("toy-source", tmp_path / "c.txt", tmp_path / "out")
    assert (again.rows, again.encoded) == (len(rows), 0)


def test_targets_adapters_and_items(noted: Path) -> None:
    pictures = noted / "items"
    (pictures / "inner").mkdir(parents=True)
    for name in ("b.txt", "inner/a.txt", ".hidden"):
        (pictures / name).write_text(SENTENCES[len(name)])
    done = run_m2m(
        "embed", "noted-target", str(pictures), "--items", "-o", str(noted / "i"), "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 2
    (told,) = Dataset(noted / "i").read()
    assert told[0] == [str(pictures / "b.txt"), str(pictures / "inner" / "a.txt")]
    expected = AffineTarget(12).text.encode([SENTENCES[5], SENTENCES[11]])
    np.testing.assert_allclose(told[1], expected, atol=1e-6)

    adapter = m2m.align(
        "toy-source", "toy-target", SENTENCES[:400], recipe="closed-form", progress=False
    )
    adapter.save(noted / "adapter")
    embed_dataset(str(noted / "adapter"), noted / "corpus.txt", noted / "a", max_rows=50)
    ((texts, vectors),) = Dataset(noted / "a").read()
    np.testing.assert_allclose(vectors, adapter.encode(texts), atol=1e-6)
    assert texts == SENTENCES[:50]


def test_align_takes_datasets_and_encodes_nothing(noted: Path) -> None:
    corpus, out = str(noted / "corpus.txt"), str(noted / "adapter")
    for name in ("noted", "noted-target"):
        done = run_m2m("embed", name, corpus, "-o", str(noted / name), "--no-cache")
        assert done.returncode == 0, done.stderr
    assert set(encoded(noted).values()) == {2}
    added = run_m2m("cache", "add", str(noted / "noted"), str(noted / "noted-target"), "--json")
    assert [row["new"] for row in json.loads(added.stdout)] == [len(set(SENTENCES))] * 2
    done = run_m2m("align", "-s", "noted", "-t", "noted-target", "--texts", str(noted / "noted"),
                   "-o", out, "--recipe", "closed-form", "--all")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not encoded(noted), "vectors of the datasets were computed again"
    record = json.loads((Path(out) / "adapter.json").read_text())
    assert record["source"]["fingerprint"] == "noted"
    assert record["corpus"]["used"] == len(set(SENTENCES))
    assert add_to_store(noted / "noted", Store(noted / "cache")) == (len(SENTENCES), 0)


def test_a_run_killed_at_random_instants_goes_on(
    noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2M_TEST_SLEEP", "0.1")
    command = [sys.executable, "-m", "m2m_cli.main", "embed", "noted", str(noted / "corpus.txt"),
               "-o", str(noted / "out"), "--no-cache"]  # fmt: skip
    rng = random.Random(3)
    for _ in range(3):
        before = {p: p.stat().st_size for p in noted.glob("log.*")}
        started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while {
            p: p.stat().st_size for p in noted.glob("log.*")
        } == before and started.poll() is None:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.25))
        started.send_signal(signal.SIGKILL)
        started.wait()
    assert run_m2m(*command[3:]).returncode == 0
    texts, vectors, ids = contents(noted / "out")
    assert texts == SENTENCES and ids == list(range(len(SENTENCES)))
    np.testing.assert_allclose(vectors, ToySource(16).encode(texts), atol=1e-6)
    counts = encoded(noted)
    # Probing for a vector's length aside, no more than the block in flight at each kill.
    assert sum(counts.values()) <= len(set(SENTENCES)) + 3 * BLOCK


def test_what_a_kill_left_unfinished_goes(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("a dog\na cat\n")
    out = tmp_path / "out"
    embed_dataset("toy-source", tmp_path / "c.txt", out)
    (part,) = out.glob("part-*")
    part.unlink()
    left = [half_written(part), half_written(out / "_about.json")]
    with whole_file(part) as running:  # of another run, which is still going on
        running.write_text("half")
        embed_dataset("toy-source", tmp_path / "c.txt", out)
        assert [path for path in left if path.exists()] == [] and running.exists()


def test_another_corpus_or_encoder_is_not_mixed_in(tmp_path: Path) -> None:
    corpus, out = tmp_path / "c.txt", tmp_path / "out"
    corpus.write_text("\n".join(SENTENCES[: BLOCK + 5]))
    embed_dataset("toy-source", corpus, out)
    with pytest.raises(UserError, match="another encoder"):
        embed_dataset("toy-target", corpus, out)
    corpus.write_text("\n".join([*SENTENCES[:BLOCK], "something else"]))
    with pytest.raises(UserError, match="another corpus: its rows from 2,048 on differ"):
        embed_dataset("toy-source", corpus, out)
    corpus.write_text("\n".join(SENTENCES[:BLOCK]))
    with pytest.raises(UserError, match="does not hold the 1 parts"):
        embed_dataset("toy-source", corpus, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UserError, match="holds other files"):
        embed_dataset("toy-source", corpus, tmp_path / "mine")


def test_what_is_damaged_or_unfinished_is_not_read(tmp_path: Path) -> None:
    corpus, out = tmp_path / "c.txt", tmp_path / "out"
    corpus.write_text("\n".join(SENTENCES[:40]))
    embed_dataset("toy-source", corpus, out)
    (part,) = out.glob("part-*.parquet")
    whole = part.read_bytes()
    rng = random.Random(0)
    for place in rng.sample(range(len(whole)), 150):
        broken = bytearray(whole)
        broken[place] ^= 1 << rng.randrange(8)
        part.write_bytes(broken)
        try:
            ((texts, vectors),) = Dataset(out).read()
        except UserError as error:
            assert "damaged" in str(error)
        else:  # a byte that carries nothing that we use, such as the name of the writer
            assert texts == SENTENCES[:40]
            np.testing.assert_allclose(vectors, ToySource(64).encode(texts), atol=1e-6)
    part.write_bytes(whole)
    with pytest.raises(UserError, match="without a fingerprint of its own"):
        add_to_store(out, Store(tmp_path / "cache"))  # the toys have no exact fingerprint
    about = json.loads((out / "_about.json").read_text())
    (out / "_about.json").write_text(json.dumps({**about, "rows": None}))
    with pytest.raises(UserError, match="not complete"):
        open_dataset(out)
    for change in ({"format": 2}, {"dim": -1}, {"dim": "64"}, {"kind": "x"}, {"extra": 1}):
        (out / "_about.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(UserError, match="of this release"):
            open_dataset(out)
    with pytest.raises(UserError, match="not a dataset"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(("arguments", "told"), [
    (["toy-source", "c.txt", "--items"], "encodes texts only"),
    (["toy-sorce", "c.txt"], "did you mean 'toy-source'"),
    (["toy-source", "absent.txt"], "no file or corpus called"),
    (["toy-source", "empty.txt"], "contains no rows"),
    (["toy-source", "c.txt", "--engine", "slurm"], "no engine 'slurm'"),
    (["toy-source", "c.txt", "--workers", "2"], "belong to --engine ray"),
    (["toy-source", "s3//x.txt"], "no file or corpus called"),
])  # fmt: skip
def test_mistakes_are_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "c.txt").write_text("a dog\n")
    (tmp_path / "empty.txt").touch()
    done = run_m2m("embed", *arguments, "-o", "out", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_place_that_is_no_local_folder(tmp_path: Path) -> None:
    """The way to an object store, on the one such file system that needs no server."""
    import pyarrow.fs as fs

    place = Place(tmp_path / "x")
    place._fs, place._path, place.local = fs._MockFileSystem(), "bucket/vectors", False
    assert place.names() == []
    place.write("part-1", b"abc")
    assert place.names() == ["part-1"] and place.read("part-1") == b"abc"
    assert place.has("part-1") and not place.has("part-2")
    address = (tmp_path / "in").as_uri()
    embed_dataset("toy-source", _listing(tmp_path), tmp_path / "first", max_rows=30)
    (tmp_path / "first").rename(tmp_path / "in")
    done = embed_dataset("toy-source", address, (tmp_path / "out").as_uri())
    assert done.rows == 30 and contents(tmp_path / "out")[0] == SENTENCES[:30]


def _listing(folder: Path) -> Path:
    (folder / "c.txt").write_text("\n".join(SENTENCES))
    return folder / "c.txt"


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_with_a_worker_killed_mid_run(noted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun here, continued on Ray, one encoder killed there: complete, exactly once."""
    texts = [*SENTENCES[:-100], "DIE", *SENTENCES[-99:]]
    corpus = noted / "corpus.txt"
    corpus.write_text("\n".join(texts) + "\n")
    out = str(noted / "out")
    started = run_m2m(
        "embed", "noted", str(corpus), "-o", out, "--no-cache", "--max-rows", str(BLOCK)
    )
    assert started.returncode == 0, started.stderr
    first = encoded(noted)
    assert sum(first.values()) == len(set(texts[:BLOCK]))
    monkeypatch.setenv("M2M_TEST_DIE", str(noted / "died"))
    monkeypatch.setenv("M2M_TEST_SLEEP", "0.2")
    done = run_m2m(
        "embed", "noted", str(corpus), "-o", out, "--engine", "ray", "--workers", "2", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert (noted / "died").exists(), "no worker was killed"
    told = json.loads(done.stdout)
    assert (told["rows"], told["encoded"]) == (len(texts), len(texts) - BLOCK)
    found, vectors, ids = contents(noted / "out")
    assert found == texts and ids == list(range(len(texts)))
    np.testing.assert_allclose(vectors, ToySource(16).encode(texts), atol=1e-6)
    workers = len(list(noted.glob("log.*")))
    counts = encoded(noted)
    assert workers >= 2
    # What was there at the start, and what the dead worker had finished, was not done again.
    unique = [len(set(texts[i : i + BLOCK])) for i in range(BLOCK, len(texts), BLOCK)]
    assert sum(counts.values()) <= sum(unique) + BLOCK
    assert open_dataset(noted / "out")[1].rows == len(texts)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_machine_that_joins_while_ray_encodes(
    noted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    texts = [f"a dog number {number} barks" for number in range(24 * BLOCK)]
    (noted / "corpus.txt").write_text("\n".join(texts))
    monkeypatch.setenv("M2M_TEST_SLEEP", "1")
    node = {"num_cpus": 2, "object_store_memory": 1 << 28}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        command = [sys.executable, "-m", "m2m_cli.main", "embed", "noted",
                   str(noted / "corpus.txt"), "-o", str(noted / "out"), "--engine", "ray",
                   "--ray-address", cluster.address]  # fmt: skip
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not list(noted.glob("out/part-*")) and running.poll() is None:
            time.sleep(0.1)
        before = len(list(noted.glob("log.*")))
        cluster.add_node(**node)
        assert running.wait(timeout=300) == 0
    finally:
        cluster.shutdown()
    assert before >= 1 and len(list(noted.glob("log.*"))) > before
    assert contents(noted / "out")[0] == texts
    counts = encoded(noted)
    assert sum(counts.values()) == len(set(texts))


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_mistakes_that_ray_workers_notice(tmp_path: Path) -> None:
    import ray

    (tmp_path / "c.txt").write_text("a dog\n")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=1 << 28)
    try:
        for name, corpus, told in (("toy-sorce", "c.txt", "did you mean 'toy-source'"),
                                   ("toy-source", "absent.txt", "no file or corpus")):  # fmt: skip
            with pytest.raises(UserError, match=told):
                embed_dataset(
                    name, tmp_path / corpus, tmp_path / "out", engine="ray", progress=False
                )
        with pytest.raises(UserError, match="standard input"):
            embed_dataset("toy-source", "-", tmp_path / "out", engine="ray")
    finally:
        ray.shutdown()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_how_a_cluster_is_shared_out() -> None:
    from m2m_adapters.embeddings.ray import READER_CPUS, shares

    for cores in (1, 2, 4, 16, 96):
        for workers in (None, 1, 2, 7):
            pool, each = shares({"CPU": float(cores)}, workers, "auto")
            assert pool >= 1 and each["num_cpus"] > 0
            assert pool * each["num_cpus"] + READER_CPUS <= cores, (cores, workers)
    assert shares({"CPU": 16.0, "GPU": 4.0}, None, "auto") == (4, {"num_gpus": 1.0, "num_cpus": 1})
    assert shares({"CPU": 16.0, "GPU": 1.0}, 2, "cuda")[1]["num_gpus"] == 0.5
    assert "num_gpus" not in shares({"CPU": 16.0, "GPU": 4.0}, None, "cpu")[1]


PICKY = """
import numpy as np
import m2m_adapters as m2m
from m2m_adapters.models.items import ItemTarget
from m2m_adapters.testing import ToySource

class Picky(ItemTarget):
    modality = "image"
    def __init__(self):
        self.text = ToySource(8)
    def prepare(self, item, **options):
        content = open(item).read()
        if "broken" in content:
            raise ValueError("this is not a picture")
        return content
    def forward(self, batch):
        import torch
        return torch.from_numpy(self.text.encode(batch))

@m2m.hookimpl
def m2m_register(register):
    register.target("picky", "picky_plugin:Picky", modality="image")
"""


def test_items_of_a_folder_with_other_files_and_a_broken_one(tmp_path: Path) -> None:
    paths = (fake_dist(tmp_path / "plugin", "picky-plugin", PICKY),)
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for name, content in {
        "a.jpg": "a dog", "b.jpg": "broken", "more/c.PNG": "a cat", "captions.csv": "item,caption",
        "notes.txt": "notes", "Thumbs.db": "binary", ".hidden.jpg": "x",
    }.items():  # fmt: skip
        (photos / name).write_text(content)
    out = tmp_path / "out"
    embed = ["embed", "picky", str(photos), "--items", "--out", str(out)]
    done = run_m2m(*embed, paths=paths)
    assert done.returncode == 2 and "b.jpg" in done.stderr and "--skip-bad" in done.stderr
    done = run_m2m(*embed, "--skip-bad", "--json", paths=paths)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 3 and "skipped 1 of 3 items" in done.stderr
    ((rows, vectors),) = list(Dataset(out).read())
    assert [Path(row).name for row in rows] == ["a.jpg", "c.PNG"]
    np.testing.assert_allclose(vectors, ToySource(8).encode(["a dog", "a cat"]), atol=1e-6)
    pictures = [str(photos / name) for name in ("a.jpg", "b.jpg")]
    done = run_m2m("encode", "picky", "--items", "--skip-bad", *pictures, paths=paths)
    assert [Path(json.loads(line)["item"]).name for line in done.stdout.splitlines()] == ["a.jpg"]


def test_one_resolver_for_encode_and_embed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry entry that is an adapter, and ORG/NAME, go to the hub's loader in both."""
    from m2m_adapters.artifact import load
    from m2m_adapters.artifact.resolve import kind_of, resolve_encoder

    m2m.align("toy-source", "toy-target", list(toy_sentences(300)), recipe="closed-form",
              progress=False).save(tmp_path / "adapter")  # fmt: skip
    (tmp_path / "registry.yaml").write_text(
        "adapters: {ours: {model: org/name, source: toy-source, target: toy-target}}\n"
    )
    monkeypatch.setenv("M2M_REGISTRY", str(tmp_path / "registry.yaml"))
    monkeypatch.setattr(load, "find", lambda name, digest=None: tmp_path / "adapter")
    for name in ("ours", "org/name", "org/name@main", str(tmp_path / "adapter")):
        assert kind_of(name) == "adapter"
        assert resolve_encoder(name).encode(["a dog"]).shape == (1, 48)
        done = embed_dataset(name, "toy-sentences", tmp_path / f"out-{name[-4:]}", max_rows=5)
        assert done.rows == 5
    assert [kind_of(n) for n in ("toy-source", "toy-target", "toy-source+toy-source", "st:x/y",
                                 "clip:x/y")] == ["source", "target", "source", "source",
                                                  "target"]  # fmt: skip
