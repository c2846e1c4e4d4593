"""The English bank of an adapter: its mathematics, its file, its use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.artifact.bank import NEAR, WEIGHT, Bank, item_bias, make_bank
from m2m_adapters.errors import UserError
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(1500))


@pytest.fixture(scope="module")
def adapter() -> m2m.Adapter:
    return m2m.align(ToySource(), AffineTarget(), SENTENCES, progress=False, store=False)


def units(n: int, dim: int, seed: int) -> Any:
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_bias_is_the_mean_cosine_with_the_nearest_share() -> None:
    items, bank = units(30, 8, 0), units(200, 8, 1).astype(np.float16)
    nearest = int(np.ceil(200 * NEAR))
    for item, bias in zip(items, item_bias(items, Bank(bank)), strict=True):
        cosines = sorted((float(item @ row.astype(np.float32)) for row in bank), reverse=True)
        assert bias == pytest.approx(-WEIGHT * np.mean(cosines[:nearest]), abs=1e-5)


def test_centroids_are_few_and_the_same_every_time() -> None:
    rows = units(3000, 8, 2)
    first, second = make_bank(rows, 64).rows, make_bank(rows, 64).rows
    assert first.shape == (64, 8) and first.dtype == np.float16
    assert first.tobytes() == second.tobytes()
    assert len(make_bank(rows[:10], 64).rows) == 10


def test_a_hub_is_lowered_more_than_an_item_apart() -> None:
    bank = units(500, 8, 3)
    hub = bank.mean(0, keepdims=True) + 0.3 * bank[:1]
    apart = np.linalg.svd(np.vstack([bank, hub]))[2][-1:]  # as far from all of them as can be
    lowered = item_bias(np.vstack([hub, apart]).astype(np.float32), Bank(bank.astype(np.float16)))
    assert lowered[0] != lowered[1]
    assert lowered.min() == min(lowered) and (lowered <= 0).all()


def test_it_is_saved_and_read_again(adapter: m2m.Adapter, tmp_path: Path) -> None:
    assert adapter.bank is not None
    adapter.save(tmp_path / "a")
    again = m2m.load_adapter(tmp_path / "a")
    assert again.record.bank is not None and again.record.bank.rows == len(adapter.bank.rows)
    items = units(20, adapter.dim, 4)
    assert np.array_equal(again.item_bias(items), adapter.item_bias(items))


@pytest.mark.parametrize("where", [0, 40, -1])
def test_a_changed_byte_is_refused(adapter: m2m.Adapter, tmp_path: Path, where: int) -> None:
    adapter.save(tmp_path / "a")
    path = tmp_path / "a" / "bank.safetensors"
    raw = bytearray(path.read_bytes())
    raw[where] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(UserError, match="digest differs"):
        m2m.load_adapter(tmp_path / "a")


def test_a_missing_bank_is_refused(adapter: m2m.Adapter, tmp_path: Path) -> None:
    adapter.save(tmp_path / "a")
    (tmp_path / "a" / "bank.safetensors").unlink()
    with pytest.raises(UserError, match="bank"):
        m2m.load_adapter(tmp_path / "a")


def test_an_adapter_without_a_bank_does_not_use_an_older_one(
    adapter: m2m.Adapter, tmp_path: Path
) -> None:
    adapter.save(tmp_path / "a")
    plain = m2m.Adapter(adapter.projector, adapter.record)
    plain.save(tmp_path / "a")
    loaded = m2m.load_adapter(tmp_path / "a")
    assert loaded.bank is None and not loaded.item_bias(units(3, adapter.dim, 5)).any()
    assert not (tmp_path / "a" / "bank.safetensors").exists()


def test_the_digest_covers_the_bank(adapter: m2m.Adapter, tmp_path: Path) -> None:
    folder = adapter.save(tmp_path / "a")
    good = adapter.digest
    assert m2m.load_adapter(folder, digest=good).digest == good
    weights = m2m.Adapter(adapter.projector, adapter.record)
    assert weights.digest == adapter.record.weights.sha256 != good
    for other in (
        Bank(adapter.bank.rows[::-1].copy()),
        Bank(adapter.bank.rows, weight=0.5),
        Bank(adapter.bank.rows, near=0.5),
    ):
        m2m.Adapter(adapter.projector, adapter.record, bank=other).save(folder)
        with pytest.raises(UserError, match="digest"):
            m2m.load_adapter(folder, digest=good)


def test_how_the_bank_is_used_comes_from_the_record(adapter: m2m.Adapter, tmp_path: Path) -> None:
    assert adapter.bank is not None
    double = Bank(adapter.bank.rows, weight=2 * adapter.bank.weight)
    folder = m2m.Adapter(adapter.projector, adapter.record, bank=double).save(tmp_path / "a")
    items = units(20, adapter.dim, 4)
    np.testing.assert_allclose(
        m2m.load_adapter(folder).item_bias(items), 2 * adapter.item_bias(items), rtol=1e-6
    )


def test_no_bank_where_nothing_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Texts(AffineTarget):
        encode_items = m2m.ModalityModel.encode_items

    quiet = {"progress": False, "store": False}
    assert m2m.align(ToySource(), Texts(), SENTENCES, **quiet).bank is None
    assert m2m.align(ToySource(), AffineTarget(), SENTENCES, bank=False, **quiet).bank is None
    made = m2m.align(ToySource(), AffineTarget(), SENTENCES, **quiet)
    monkeypatch.setattr("m2m_adapters.artifact.bank.make_bank", None)  # baselines need none
    benchmark = m2m.Benchmark("words", "words", SENTENCES[:20], {"en": SENTENCES[:20]})
    m2m.evaluate(made, benchmark, baselines=["ridge", "procrustes"], texts=SENTENCES)


def test_evaluation_reports_with_and_without(adapter: m2m.Adapter) -> None:
    benchmark = m2m.Benchmark("words", "words", SENTENCES[:60], {"en": SENTENCES[:60]})
    result = m2m.evaluate(adapter, benchmark, corrections=["centered"])
    names = [one.system.name for one in result.scored]
    assert names == ["adapter", "adapter without bank", "centered"]
    assert "adapter without bank" in result.to_dict()["compared with the adapter"]
    plain = m2m.evaluate(adapter, benchmark, bank=False)
    assert [one.system.name for one in plain.scored] == ["adapter"]
    for way in ("text_to_item", "item_to_text"):
        assert plain.value("adapter", "en", direction=way) == result.value(
            "adapter without bank", "en", direction=way
        )
    bare = m2m.Adapter(adapter.projector, adapter.record, source=adapter.source,
                       target=adapter.target)  # fmt: skip
    assert [one.system.name for one in m2m.evaluate(bare, benchmark).scored] == ["adapter"]


def test_evaluation_adds_the_bias_to_the_scores_of_items(adapter: m2m.Adapter) -> None:
    benchmark = m2m.Benchmark("words", "words", SENTENCES[:60], {"en": SENTENCES[:60]})
    scored = m2m.evaluate(adapter, benchmark).scored[0]
    items = adapter.encode_items(SENTENCES[:60])
    scores = adapter.similarity(adapter.encode(SENTENCES[:60]), items) + adapter.item_bias(items)
    assert np.array_equal(scored.top["en"][:, 0], scores.argmax(1))


def test_kept_results_hold_both(adapter: m2m.Adapter) -> None:
    from m2m_adapters.artifact.results import keep_results

    benchmark = m2m.Benchmark("words", "words", SENTENCES[:60], {"en": SENTENCES[:60]})
    kept = keep_results(adapter.record, m2m.evaluate(adapter, benchmark).to_dict())
    assert set(kept.evaluation[0].systems) == {"adapter", "adapter without bank"}


def test_the_command_leaves_the_bank_out(
    adapter: m2m.Adapter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from m2m_cli.main import run

    toys = m2m.align("toy-source", "toy-target", SENTENCES[:400], progress=False, store=False)
    folder = toys.save(tmp_path / "a")
    lines = ["item,en", *(f"{line},{line}" for line in SENTENCES[:20])]
    (tmp_path / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    asked = ["evaluate", str(folder), "-b", str(tmp_path / "captions.csv"), "--no-trust"]
    for more, there in (([], True), (["--no-bank"], False)):
        with pytest.raises(SystemExit) as left:
            run([*asked, *more])
        assert left.value.code == 0
        assert ("adapter without bank" in capsys.readouterr().out) is there
    with pytest.raises(SystemExit) as left:
        run(["evaluate", str(folder), "--false-friends", "--no-bank"])
    assert left.value.code == 2 and "--no-bank is for items" in capsys.readouterr().err
