"""Adapters learned from pairs of vectors alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from m2m_cli.main import app
from typer.testing import CliRunner

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.exporters import export


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def pairs():
    random = np.random.default_rng(0)
    x = unit(random.standard_normal((2000, 24)))
    turned = np.linalg.qr(random.standard_normal((24, 24)))[0][:, :16]
    return x, unit(x @ turned + 0.01 * random.standard_normal((2000, 16)))


def test_it_learns_the_map_and_comes_back_from_disk(pairs, tmp_path):
    x, y = pairs
    adapter = m2m.align_vectors(x, y, progress=False)
    assert (adapter.project(x) * y).sum(1).mean() > 0.98
    assert adapter.record.held_out.top1 > 0.95 and adapter.skipped == 0
    again = m2m.load_adapter(adapter.save(tmp_path / "a"))
    assert np.array_equal(again.project(x), adapter.project(x))
    assert again.record.source.class_name == "vectors" and again.record.source.name is None
    assert "pairs of vectors" in (tmp_path / "a" / "README.md").read_text()
    with pytest.raises(UserError, match="from vectors alone"):
        again.encode(["a dog"])


def test_it_is_exported_as_a_projector(pairs, tmp_path):
    adapter = m2m.align_vectors(*pairs, progress=False)
    for form, name in (("numpy", "p.npz"), ("onnx-projector", "p.onnx")):
        export(adapter, form, tmp_path / name)
        assert (tmp_path / name).is_file()


def written(pairs, folder, form):
    x, y = pairs
    if form == "npy":
        np.save(folder / "s.npy", x.astype(np.float16).astype(np.float64))
        np.save(folder / "t.npy", y)
        return [folder / "s.npy", folder / "t.npy"]
    if form == "npz":
        np.savez(folder / "both.npz", source=x, target=y)
        return [folder / "both.npz"]
    if form == "safetensors":
        from safetensors.numpy import save_file

        save_file({"source": x, "target": y}, folder / "both.safetensors")
        return [folder / "both.safetensors"]
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({"id": list(range(len(x))), "source": x.tolist(), "target": y.tolist()})
    pq.write_table(table, folder / "both.parquet")
    return [folder / "both.parquet"]


@pytest.mark.parametrize("form", ["npy", "npz", "safetensors", "parquet"])
def test_files_give_what_arrays_give(pairs, tmp_path, form):
    expected = m2m.align_vectors(*pairs, progress=False)
    adapter = m2m.align_vectors(*written(pairs, tmp_path, form), progress=False)
    assert np.allclose(adapter.project(pairs[0]), expected.project(pairs[0]), atol=2e-3)


def test_pairs_with_bad_vectors_are_left_out_and_counted(pairs):
    x, y = (one.copy() for one in pairs)
    x[3, 0], y[9, 1], x[100], y[1999] = np.nan, np.inf, 0, np.nan
    adapter = m2m.align_vectors(x, y, progress=False)
    assert adapter.skipped == 4
    good = np.setdiff1d(np.arange(2000), [3, 9, 100, 1999])
    clean = m2m.align_vectors(x[good], y[good], progress=False)
    assert np.allclose(adapter.project(pairs[0]), clean.project(pairs[0]), atol=1e-5)


def test_rows_keep_their_partners_across_chunks(monkeypatch, pairs):
    expected = m2m.align_vectors(*pairs, progress=False).project(pairs[0])
    monkeypatch.setattr("m2m_adapters.alignment.vectors.CHUNK", 7)
    found = m2m.align_vectors(*pairs, progress=False).project(pairs[0])
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda x, y: (x, y[:-1]), "do not pair up"),
        (lambda x, y: (x[0], y), "not a table of numbers"),
        (lambda x, y: (x.astype(str), y), "not a table of numbers"),
        (lambda x, y: (x[:20], y[:20]), "too few"),
        (lambda x, y: (x * np.nan, y), "too few"),
        (lambda x, y: (x, None), "needs its target"),
        (lambda x, y: ("missing.npy", "missing.npy"), "no file"),
    ],
)
def test_what_does_not_fit_is_refused(pairs, spoil, what):
    with pytest.raises(UserError, match=what):
        m2m.align_vectors(*spoil(*pairs), progress=False)


def test_damaged_and_unclear_files_are_refused(pairs, tmp_path):
    (tmp_path / "a.npy").write_bytes(b"no array")
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 50)
    (tmp_path / "a.txt").write_text("1 2")
    np.savez(tmp_path / "a.npz", one=pairs[0], two=pairs[1])
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name in ("a.npy", "a.safetensors", "a.txt", "a.npz", "o.npy"):
        with pytest.raises(UserError):
            m2m.align_vectors(tmp_path / name, progress=False)
        with pytest.raises(UserError):
            m2m.align_vectors(tmp_path / name, tmp_path / name, progress=False)


def test_the_command(pairs, tmp_path):
    files = [str(path) for path in written(pairs, tmp_path, "npy")]
    out = str(tmp_path / "a")
    run = CliRunner().invoke(
        app, ["align", "--pairs", *files, "--out", out, "--source-name", "toy-source", "--json"]
    )
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert told["source"]["name"] == "toy-source" and told["skipped"] == 0
    assert m2m.load_adapter(out).dim == 16
    plain = CliRunner().invoke(app, ["align", "--pairs", *files, "--out", out])
    assert "held-out top-1" in plain.output


@pytest.mark.parametrize(
    "arguments",
    [["--pairs", "x.npy", "--texts", "t.txt"], ["x.npy"], ["--source", "toy-source"], []],
)
def test_the_command_refuses_mixtures(arguments, tmp_path):
    run = CliRunner().invoke(app, ["align", *arguments, "--out", str(tmp_path / "a")])
    assert run.exit_code != 0
    assert not (tmp_path / "a").exists()
