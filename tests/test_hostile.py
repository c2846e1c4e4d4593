"""Adapter folders that mean harm: refused in one line, running and allocating nothing."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import change_record

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.testing import toy_sentences

WEIGHTS, RECORD = "adapter.safetensors", "adapter.json"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = m2m.align(
        "toy-source", "toy-target", list(toy_sentences(200)), recipe="closed-form", progress=False
    )
    return made.save(tmp_path_factory.mktemp("good") / "adapter")


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.trace),))


def record(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    change_record(folder, change)


def text(folder: Path, old: str, new: str) -> None:
    told = (folder / RECORD).read_text()
    assert old in told
    (folder / RECORD).write_text(told.replace(old, new, 1))


def weights(folder: Path, raw: bytes) -> None:
    """Put ``raw`` in place of the weights, with a record that vouches for it."""
    import hashlib

    (folder / WEIGHTS).write_bytes(raw)
    digest = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    record(folder, lambda r: r.__setitem__("weights", digest))


def tensors(folder: Path, change: Callable[[dict[str, Any]], None], data: bytes = b"") -> None:
    """Rewrite the header of the weights."""
    raw = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    change(header)
    made = json.dumps(header).encode()
    weights(folder, len(made).to_bytes(8, "little") + made + raw[8 + length :] + data)


def rename(header: dict[str, Any], new: str) -> None:
    header[new] = header.pop("layers.0.bias")


def pickle_as_weights(folder: Path) -> None:
    weights(folder, pickle.dumps(Bomb(folder / "ran")))


def pickle_beside(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder / "ran")))


def pickle_as_record(folder: Path) -> None:
    (folder / RECORD).write_bytes(pickle.dumps(Bomb(folder / "ran")))


def numpy_pickle_as_weights(folder: Path) -> None:
    import io

    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb(folder / "ran")], dtype=object), allow_pickle=True)
    weights(folder, buffer.getvalue())


def linked_weights(folder: Path) -> None:
    shutil.move(folder / WEIGHTS, folder.parent / "elsewhere")
    (folder / WEIGHTS).symlink_to(folder.parent / "elsewhere")


def linked_record(folder: Path) -> None:
    (folder / RECORD).unlink()
    (folder / RECORD).symlink_to("/etc/passwd")


def circle(folder: Path) -> None:
    (folder / RECORD).unlink()
    (folder / RECORD).symlink_to(folder / RECORD)


def pipe(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)


def a_folder_as_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()


def sparse_record(folder: Path) -> None:
    os.truncate(folder / RECORD, 1 << 36)


def sparse_weights(folder: Path) -> None:
    os.truncate(folder / WEIGHTS, 1 << 36)


def huge_header(folder: Path) -> None:
    raw = (folder / WEIGHTS).read_bytes()
    weights(folder, (1 << 62).to_bytes(8, "little") + raw[8:])


def dtype(folder: Path) -> None:
    tensors(folder, lambda h: h["layers.0.bias"].__setitem__("dtype", "F64"))


def nan(folder: Path) -> None:
    raw = bytearray((folder / WEIGHTS).read_bytes())
    raw[-4:] = np.float32(np.nan).tobytes()
    weights(folder, bytes(raw))


def flip(folder: Path) -> None:
    raw = bytearray((folder / WEIGHTS).read_bytes())
    raw[-1] ^= 1
    (folder / WEIGHTS).write_bytes(raw)


def absurd(**arguments: Any) -> Callable[[Path], None]:
    return lambda f: record(f, lambda r: r["projector"]["arguments"].update(arguments))


def twice_in_header(folder: Path) -> None:
    raw = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = raw[8 : 8 + length].rstrip()[:-1] + b',"layers.0.bias":{"dtype":"F32"}}'
    weights(folder, len(header).to_bytes(8, "little") + header + raw[8 + length :])


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pickle as weights": (pickle_as_weights, "header of"),
    "a pickle beside the weights": (pickle_beside, "can run code"),
    "a pickle as record": (pickle_as_record, "not valid JSON"),
    "a pickled array as weights": (numpy_pickle_as_weights, "header of"),
    "weights are a link elsewhere": (
        linked_weights,
        "is a symbolic link that points outside its folder",
    ),
    "the record is a link elsewhere": (
        linked_record,
        "is a symbolic link that points outside its folder",
    ),
    "the record is a link to itself": (circle, "cannot read"),
    "weights are a pipe that never ends": (pipe, "not a plain file"),
    "weights are a folder": (a_folder_as_weights, "adapter.safetensors"),
    "a record of 64 GiB": (sparse_record, "bytes where at most"),
    "weights of 64 GiB": (sparse_weights, "bytes where at most"),
    "weights that say they have 2^60 bytes": (
        lambda f: record(f, lambda r: r["weights"].update(bytes=1 << 60)),
        "'weights.bytes' is wrong",
    ),
    "a header of 2^62 bytes": (huge_header, "header of 4,611,"),
    "a projector of terabytes": (absurd(d_in=1_000_000, d_out=1_000_000), "does not match"),
    "a projector of 10^9 layers": (absurd(layers=10**9), "layers"),
    "a hidden width of 10^12": (absurd(layers=2, hidden=10**12), "hidden width"),
    "a negative dimension": (absurd(d_in=-64), "must be a positive whole number"),
    "a dimension that is a text": (absurd(d_in="64"), "must be a positive whole number"),
    "an unknown argument": (absurd(__class__="os.system"), "arguments are wrong"),
    "an import path as projector": (
        lambda f: record(f, lambda r: r["projector"].update(name="os:system")),
        "unknown projector",
    ),
    "a way out in a tensor's name": (
        lambda f: tensors(f, lambda h: rename(h, "../../../etc/cron.d/x")),
        "does not match",
    ),
    "a way out as the weights' file": (
        lambda f: record(f, lambda r: r["weights"].update(file="../../secret.safetensors")),
        "unknown key 'weights.file'",
    ),
    "one tensor too many": (
        lambda f: tensors(f, lambda h: h.update(extra=dict(h["layers.0.bias"]))),
        "'extra' does not match",
    ),
    "a tensor's shape of 2^80": (
        lambda f: tensors(f, lambda h: h["layers.0.bias"].__setitem__("shape", [1 << 40] * 2)),
        "the shape of 'layers.0.bias'",
    ),
    "tensors that overlap": (
        lambda f: tensors(f, lambda h: h["layers.0.bias"].__setitem__("data_offsets", [96, 288])),
        "overlap or leave gaps",
    ),
    "offsets that are texts": (
        lambda f: tensors(f, lambda h: h["layers.0.bias"].__setitem__("data_offsets", ["0", "9"])),
        "the offsets of",
    ),
    "data after the end": (
        lambda f: tensors(f, lambda h: None, b"#!/bin/sh\n"),
        "its size does not match its header",
    ),
    "a tensor twice in the header": (twice_in_header, "appears twice"),
    "another dtype": (dtype, "is F64, not float32"),
    "NaN in the weights": (nan, "NaN or infinity"),
    "one bit changed": (flip, "digest differs"),
    "a record nested 100,000 deep": (
        lambda f: (f / RECORD).write_text('{"a":' * 100_000 + "1" + "}" * 100_000) and None,
        "not valid JSON",
    ),
    "a number of a million digits": (
        lambda f: text(f, '"format": 2', '"format": 2' + "0" * 1_000_000),
        "format|not valid JSON",
    ),
    "NaN in the record": (lambda f: text(f, '"format": 2', '"format": NaN'), "not valid JSON"),
    "a key twice": (
        lambda f: text(f, '"format": 2', '"format": 2, "format": 2'),
        "the key 'format' appears twice",
    ),
    "not UTF-8": (lambda f: (f / RECORD).write_bytes(b"\xff\xfe{}") and None, "not valid JSON"),
    "a list instead of an object": (lambda f: (f / RECORD).write_text("[]") and None, "object"),
    "control characters in a name": (
        lambda f: record(f, lambda r: r["source"].update(name="toy-source\x1b[2J\nrm -rf")),
        "control characters",
    ),
    "a name that is a list": (
        lambda f: record(f, lambda r: r["target"].update(name=["toy-target"])),
        "'target.name' is wrong .expected str . null, got array",
    ),
    "a switch that is a text": (
        lambda f: record(f, lambda r: r["source"].update(normalize="no")),
        "'source.normalize' is wrong .expected bool, got str",
    ),
    "dimensions that disagree": (
        lambda f: record(f, lambda r: r["target"].update(dim=47)),
        "the target has dimension 47",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_in_one_line(good: Path, tmp_path: Path, case: str) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(good, folder)
    change, told = CASES[case]
    change(folder)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=told) as refused:
        m2m.load_adapter(folder)
    line = str(refused.value)
    assert "\n" not in line and line.isprintable() and len(line) < 600
    assert refused.value.remedy
    assert not (folder / "ran").exists() and sorted(p.name for p in tmp_path.rglob("*")) == before
    # ru_maxrss is in KiB: nothing near the sizes these folders claim was ever allocated.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 128 * 1024


def test_the_good_one_is_good(good: Path, tmp_path: Path) -> None:
    """The folder all cases start from loads, also through a link to it."""
    (tmp_path / "link").symlink_to(good)
    assert m2m.load_adapter(tmp_path / "link").encode(["a dog barks"]).shape == (1, 48)


def test_an_adapter_cannot_switch_on_remote_code(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only options that choose numbers reach a model's factory from a record."""
    folder = tmp_path / "adapter"
    shutil.copytree(good, folder)
    for hostile in ({"trust_remote_code": True}, {"cache_dir": "/"}, {"precision": {"x": 1}}):
        record(folder, lambda r, bad=hostile: r["source"].update(options=bad))  # type: ignore[misc]
        with pytest.raises(UserError, match=r"'source\.options\."):
            m2m.load_adapter(folder)
    record(folder, lambda r: r["source"].update(options={"revision": "a"}))
    seen: dict[str, Any] = {}

    def watch(name: str, **options: Any) -> Any:
        seen.update(options)
        return m2m.load_source(name)

    monkeypatch.setattr("m2m_adapters.artifact.adapter.load_source", watch)
    m2m.load_adapter(folder).encode(["a dog"])
    assert seen == {"revision": "a"}
    m2m.load_adapter(folder, trust_remote_code=True).encode(["a dog"])
    assert seen == {"revision": "a", "trust_remote_code": True}


def test_a_name_cannot_have_a_home_folder_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from m2m_adapters.models.weights import digest_folder

    (tmp_path / "home" / "model").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for folder in (tmp_path / "home", tmp_path, Path("/")):
        with pytest.raises(UserError, match="home folder, not a model"):
            digest_folder(folder)
    digest_folder(tmp_path / "home" / "model")


def test_a_name_cannot_have_a_whole_disk_hashed(tmp_path: Path) -> None:
    from m2m_adapters.models.weights import MOST_FILES, digest_folder

    for number in range(MOST_FILES):
        (tmp_path / f"{number}.txt").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x").touch()
    digest_folder(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one-more.txt").touch()
    with pytest.raises(UserError, match="more than 2,000 files, which no model does"):
        digest_folder(tmp_path)


def test_the_command_line_says_it_in_one_line(good: Path, tmp_path: Path) -> None:
    from fake_dist import run_python

    folder = tmp_path / "adapter"
    shutil.copytree(good, folder)
    pickle_as_weights(folder)
    code = f"from m2m_cli.main import run; run(['encode', {str(folder)!r}, 'a dog'])"
    done = run_python(code)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("m2m: ") and done.stderr.count("\n") == 1
    assert not (folder / "ran").exists()
