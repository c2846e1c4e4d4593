"""The artifact: round trips, strictness, the closing of the interfaces."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import change_record

import m2m_adapters as m2m
from m2m_adapters.artifact import load
from m2m_adapters.errors import UserError
from m2m_adapters.testing import AffineTarget, TextEncoderSuite, ToySource, toy_sentences

SENTENCES = list(toy_sentences(400))


@pytest.fixture(scope="module")
def adapter() -> m2m.Adapter:
    return m2m.align("toy-source", "toy-target", SENTENCES, recipe="closed-form", progress=False)


@pytest.fixture
def folder(adapter: m2m.Adapter, tmp_path: Path) -> Path:
    return adapter.save(tmp_path / "adapter")


def test_round_trip(adapter: m2m.Adapter, folder: Path) -> None:
    loaded = m2m.load_adapter(folder)
    np.testing.assert_array_equal(loaded.encode(SENTENCES[:9]), adapter.encode(SENTENCES[:9]))
    assert loaded.digest == adapter.digest
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "adapter.json", "adapter.safetensors", "bank.safetensors"]  # fmt: skip
    assert [p.name for p in folder.parent.iterdir()] == ["adapter"]


@pytest.mark.parametrize("weight", [3e38, -3e38, 1e30])
def test_weights_that_overflow_are_never_vectors_of_zeros(folder: Path, weight: float) -> None:
    import hashlib

    import torch
    from safetensors.torch import load_file, save_file

    path = folder / "adapter.safetensors"
    tensors = load_file(path)
    save_file({k: torch.full_like(v, weight) for k, v in tensors.items()}, path)
    raw = path.read_bytes()
    change_record(folder, lambda record: record["weights"].update(
        sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw)))  # fmt: skip
    with pytest.raises(UserError, match="to NaN, infinity or zero; its weights are damaged"):
        m2m.load_adapter(folder).encode(SENTENCES[:3])


def test_texts_and_items_meet(folder: Path) -> None:
    loaded = m2m.load_adapter(folder)
    scores = loaded.similarity(loaded.encode(SENTENCES[:20]), loaded.encode_items(SENTENCES[:20]))
    assert scores.shape == (20, 20) and scores.dtype == np.float32
    assert (scores.argmax(1) == np.arange(20)).mean() > 0.9
    assert loaded.encode("one text").shape == (1, 48)
    assert loaded.encode([]).shape == (0, 48)


class TestAdaptedEncoder(TextEncoderSuite):
    """An adapter joined to its source is again a TextEncoder."""

    def make(self) -> m2m.TextEncoder:
        return m2m.align("toy-source", "toy-target", SENTENCES, recipe="closed-form",
                         progress=False).as_text_encoder()  # fmt: skip


def test_the_interfaces_close(adapter: m2m.Adapter) -> None:
    """An adapted encoder can be the source of another alignment."""
    again = m2m.align(adapter.as_text_encoder(), AffineTarget(24, seed=3), SENTENCES,
                      recipe="closed-form", progress=False)  # fmt: skip
    assert again.encode(["a dog"]).shape == (1, 24)


def test_another_source_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="not the one this adapter was aligned with"):
        m2m.load_adapter(folder, source=ToySource(64, salt=5)).encode(["a"])
    with pytest.raises(UserError, match="dimension 32"):
        m2m.load_adapter(folder, source=ToySource(32)).encode(["a"])
    assert m2m.load_adapter(folder, source=ToySource(64)).encode(["a"]).shape == (1, 48)
    with pytest.raises(UserError, match="the target is not the one"):
        m2m.load_adapter(folder, target=AffineTarget(48, seed=1)).encode_items(["a"])


def test_objects_without_names_must_be_given_again(tmp_path: Path) -> None:
    made = m2m.align(ToySource(), AffineTarget(), SENTENCES, recipe="closed-form", progress=False)
    made.save(tmp_path / "a")
    with pytest.raises(UserError, match="has no name"):
        m2m.load_adapter(tmp_path / "a").encode(["a"])


def test_absent_ability_is_honest(folder: Path) -> None:
    with pytest.raises(m2m.AbilityMissing, match="does not generate"):
        m2m.load_adapter(folder).generate(["a red cube"])


def edit(folder: Path, **changes: object) -> None:
    def change(record: dict[str, Any]) -> None:
        for path, value in changes.items():
            place = record
            *parents, last = path.split("__")
            for key in parents:
                place = place[key]
            place.pop(last) if value is None else place.__setitem__(last, value)

    change_record(folder, change)


@pytest.mark.parametrize(("changes", "told"), [
    ({"format": 99}, "format 99"), ({"format": None}, "format None"),
    ({"projector": None}, "lacks 'projector'"), ({"weights": None}, "lacks 'weights'"),
    ({"source__dim": 65}, "dimension 65"), ({"source__fingerprint": None}, "source.fingerprint"),
    ({"projector__arguments__d_out": 47}, "does not match"),
    ({"projector__name": "os.system"}, "unknown projector"),
    ({"weights__sha256": "0" * 64}, "digest differs"),
])  # fmt: skip
def test_a_changed_record_is_refused(folder: Path, changes: dict[str, object], told: str) -> None:
    edit(folder, **changes)
    with pytest.raises(UserError, match=told):
        m2m.load_adapter(folder)


def test_a_cut_file_is_refused(folder: Path) -> None:
    weights = folder / "adapter.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(UserError, match="digest"):
        m2m.load_adapter(folder)
    weights.unlink()
    with pytest.raises(UserError, match="cannot read"):
        m2m.load_adapter(folder)
    (folder / "adapter.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        m2m.load_adapter(folder)


def test_saving_spares_what_is_not_ours(adapter: m2m.Adapter, tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(UserError, match="files that m2m did not write"):
        adapter.save(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        adapter.save(tmp_path / "letters.txt")
    adapter.save(tmp_path / "mine")
    with pytest.raises(UserError, match="already holds"):
        adapter.save(tmp_path / "mine", overwrite=False)
    adapter.save(tmp_path / "mine")


def test_another_programs_adapter_json_is_not_taken_for_ours(
    adapter: m2m.Adapter, tmp_path: Path
) -> None:
    (tmp_path / "adapter.json").write_text('{"baud": 9600}')
    (tmp_path / "README.md").write_text("of another program")
    with pytest.raises(UserError, match="files that m2m did not write"):
        adapter.save(tmp_path)
    assert (tmp_path / "README.md").read_text() == "of another program"


def test_saving_again_spares_the_neighbors(adapter: m2m.Adapter, folder: Path) -> None:
    for name in (".git/HEAD", "notes.txt", "onnx/model.onnx"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    before = (folder / "adapter.json").read_bytes()
    adapter.save(folder)
    for name in (".git/HEAD", "notes.txt", "onnx/model.onnx"):
        assert (folder / name).read_text() == "mine"
    assert (folder / "adapter.json").read_bytes() == before
    assert m2m.load_adapter(folder).digest == adapter.digest


def test_a_link_to_an_adapter_stays_a_link(adapter: m2m.Adapter, folder: Path) -> None:
    link = folder.parent / "latest"
    link.symlink_to(folder)
    adapter.save(link)
    assert link.is_symlink() and m2m.load_adapter(link).digest == adapter.digest


def test_readers_always_see_one_version(adapter: m2m.Adapter, folder: Path) -> None:
    other = m2m.align("toy-source", "toy-target", SENTENCES[:150], recipe="closed-form",
                      progress=False)  # fmt: skip
    pid = os.fork()
    if pid == 0:
        for _ in range(40):
            other.save(folder)
            adapter.save(folder)
        os._exit(0)
    seen = set()
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        seen.add(m2m.load_adapter(folder).digest)
    assert seen <= {adapter.digest, other.digest} and seen


def test_a_failed_save_leaves_the_old_one(
    adapter: m2m.Adapter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setattr("m2m_adapters.artifact.adapter.card", lambda record: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        adapter.save(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == ["adapter"]


def test_bad_vectors_to_project(adapter: m2m.Adapter) -> None:
    with pytest.raises(UserError, match="shape"):
        adapter.project(np.zeros((2, 5), np.float32))
    with pytest.raises(UserError, match="text 1 is a int"):
        adapter.encode(["a", 3])  # type: ignore[list-item]


def test_misspelled_options_are_refused_with_a_hint(tmp_path: Path) -> None:
    from m2m_adapters.testing import toy_sentences

    texts = list(toy_sentences(300))
    adapter = m2m.align("toy-source", "toy-target", texts, recipe="closed-form", progress=False)
    adapter.save(tmp_path / "a")
    with pytest.raises(UserError, match="no option 'precison'; did you mean 'precision'"):
        m2m.load_adapter(tmp_path / "a", precison="bf16")
    with pytest.raises(UserError, match="no option 'batchsize'; did you mean 'batch_size'"):
        adapter.encode("a dog", batchsize=3)
    with pytest.raises(UserError, match="did you mean 'max_sentences'"):
        m2m.align("toy-source", "toy-target", texts, max_sentence=3)
    with pytest.raises(UserError, match=r"pass model_options=\{.device.: ...\}"):
        m2m.align("toy-source", "toy-target", texts, device="cpu")
    with pytest.raises(UserError, match=r"pass stopping=Stopping\(tolerance=...\)"):
        m2m.align("toy-source", "toy-target", texts, tolerance=0.1)
    assert adapter.encode_items("a dog").shape == (1, 48)


def test_another_adapter_than_the_one_asked_for_is_refused(folder: Path) -> None:
    digest = m2m.load_adapter(folder).digest
    for same in (digest, digest.upper(), f"sha256:{digest}"):
        assert m2m.load_adapter(folder, digest=same).digest == digest
    with pytest.raises(UserError, match="another adapter than the one you asked for"):
        m2m.load_adapter(folder, digest="0" * 64)


@pytest.mark.parametrize("saved_meanwhile", [True, False])
def test_a_reader_tries_again_only_while_others_save(
    folder: Path, monkeypatch: pytest.MonkeyPatch, saved_meanwhile: bool
) -> None:
    stamps, tries = itertools.count(), itertools.count(1)
    read = load._described

    def described(*arguments: Any) -> bytes:
        if next(tries) <= 3:
            raise UserError("not the file that adapter.json describes")
        return read(*arguments)

    # Equal, but not one object, where nobody saves.
    monkeypatch.setattr(load, "_stamps", lambda _: [(next(stamps) if saved_meanwhile else 0, 0)])
    monkeypatch.setattr(load, "_described", described)
    if saved_meanwhile:
        assert m2m.load_adapter(folder).encode(["a"]).shape == (1, 48)
    else:
        with pytest.raises(UserError, match="not the file"):
            m2m.load_adapter(folder)
        assert next(tries) == 3  # after two tries
