"""Directions of languages and maps of the space: planted worlds, independent formulas, bad input."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.analysis.directions import (
    applied,
    centers,
    language_subspace,
    language_told,
    lir,
    lsar,
    methods,
    variance_between,
)
from m2m_adapters.analysis.directions_study import directions_study
from m2m_adapters.analysis.measures import unit
from m2m_adapters.analysis.paired import Resamples
from m2m_adapters.analysis.space import own_group, same_meaning, space_study
from m2m_adapters.analysis.stored_vectors import analyze_vectors, read_vectors
from m2m_adapters.errors import UserError

CODES = ("en", "de", "ja", "ar")


@pytest.fixture(scope="module")
def world() -> dict[str, np.ndarray]:
    """Meaning in 20 directions, and for each language a place of its own in three others."""
    draw = np.random.default_rng(0).standard_normal
    meaning = np.hstack([draw((200, 20)), np.zeros((200, 4))])
    places = 3 * draw((len(CODES), 3))
    found = {}
    for code, place in zip(CODES, places, strict=True):
        shift = np.concatenate([np.zeros(20), [12.0], place])
        found[code] = meaning + shift + 0.05 * draw((200, 24))
    return found


def test_lir_agrees_with_the_eigenvectors_of_the_gram_matrix(world: dict[str, np.ndarray]) -> None:
    """The axes of the SVD are the eigenvectors of x'x, computed here by another routine."""
    x = world["de"]
    _, vectors = np.linalg.eigh(x.T @ x)
    top = vectors[:, -2:]
    expected = x @ (np.eye(24) - top @ top.T)
    np.testing.assert_allclose(lir({"de": x}, 2)("de", x), expected, atol=1e-8)


def test_lir_agrees_with_sklearns_truncated_svd(world: dict[str, np.ndarray]) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = world["ja"]
    svd = decomposition.TruncatedSVD(3, algorithm="arpack").fit(x)
    expected = x - svd.inverse_transform(svd.transform(x))
    np.testing.assert_allclose(lir({"ja": x}, 3)("ja", x), expected, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_lsar_solves_the_published_problem(world: dict[str, np.ndarray], rank: int) -> None:
    """What is shared is orthogonal to the basis, and no nearby solution fits the means better."""
    means = np.stack([x.mean(0) for x in world.values()], axis=1)
    shared, own = language_subspace(means, rank)
    np.testing.assert_allclose(own.T @ own, np.eye(own.shape[1]), atol=1e-9)
    np.testing.assert_allclose(own.T @ shared, 0, atol=1e-9)

    def loss(common: np.ndarray, basis: np.ndarray) -> float:
        left = means - common[:, None]
        return float(np.square(left - basis @ (basis.T @ left)).sum())

    least = loss(shared, own)
    generator = np.random.default_rng(rank)
    for _ in range(200):
        basis, _ = np.linalg.qr(own + 0.05 * generator.standard_normal(own.shape))
        common = shared + 0.2 * generator.standard_normal(24)
        common -= basis @ (basis.T @ common)
        assert loss(common, basis) >= least - 1e-9
    if rank == 3:
        assert least == pytest.approx(0, abs=1e-9)


def test_the_planted_directions_go_and_the_meaning_stays(world: dict[str, np.ndarray]) -> None:
    removed = lsar(world)
    for x in world.values():
        meaning = x[:, :20]
        assert np.abs(removed("en", x)[:, :20] - meaning).mean() < 0.1
    spread = np.stack([removed(code, x).mean(0) for code, x in world.items()]).std(0).max()
    assert spread < 1e-6
    half = lsar(world, None, 0.5)("de", world["de"])
    np.testing.assert_allclose(half, (world["de"] + removed("de", world["de"])) / 2)
    moved = centers(world)
    np.testing.assert_allclose(moved("de", world["de"]).mean(0), moved("en", world["en"]).mean(0))


def test_the_study_finds_what_was_planted(world: dict[str, np.ndarray]) -> None:
    """How much a row shows of its language varies, which disturbs retrieval until it is removed."""
    draw = np.random.default_rng(1).standard_normal
    loud = {code: x + 0.5 * draw((200, 1)) * (x.mean(0) - np.mean(list(world.values()), (0, 1)))
            for code, x in world.items()}  # fmt: skip
    study = directions_study({code: [x] for code, x in loud.items()}, model="m", data="d")
    mean = {row["removed"]: row for row in study.rows if row["language"] == "mean"}
    assert mean["none"]["language told"] > 0.85 and mean["none"]["change"] == 0
    assert mean["lsar 1"]["language told"] < 0.5 and mean["lsar 1"]["change low"] > 0
    assert mean["lsar 1"]["retrieval"] > 0.95 > mean["none"]["retrieval"] + 0.1
    assert mean["none"]["variance between languages"] > 0.2
    assert mean["lsar 1"]["variance between languages"] < 0.01
    assert len(mean) == len(methods(4)) and "change +" in study.findings[0]


def test_halves_are_treated_with_what_the_other_half_taught(world: dict[str, np.ndarray]) -> None:
    method = next(one for one in methods(4) if one.name == "centered")
    after = applied(method, world)
    order = np.random.default_rng(0).permutation(200)
    one, two = order[:100], order[100:]
    units = {code: unit(x) for code, x in world.items()}
    overall = np.mean([x[one].mean(0) for x in units.values()], axis=0)
    expected = units["de"][two] - units["de"][one].mean(0) + overall
    np.testing.assert_allclose(after["de"][two], expected)


def test_telling_languages_apart_by_chance_and_by_certainty() -> None:
    draw = np.random.default_rng(3).standard_normal
    same = {code: draw((400, 8)) for code in CODES}
    assert language_told(same) == pytest.approx(0.25, abs=0.05)
    assert variance_between(same) < 0.01
    one = np.zeros((30, 4))
    apart = {code: one + np.eye(4)[i] for i, code in enumerate(CODES)}
    assert language_told(apart) == 1 and variance_between(apart) == pytest.approx(1)


def test_intervals_agree_with_the_formula_for_shares() -> None:
    right = (np.arange(500) % 5 == 0).astype(float)
    found = Resamples(500).mean(right)
    assert found.value == pytest.approx(0.2)
    half = 1.96 * np.sqrt(0.2 * 0.8 / 500)
    assert found.low == pytest.approx(0.2 - half, abs=0.006)
    assert found.high == pytest.approx(0.2 + half, abs=0.006)


def test_layers_of_a_real_encoder_are_compared(tmp_path: Path) -> None:
    texts = m2m.parallel_texts(m2m.load_benchmark("tiny-scenes").only(["de", "ja"]), limit=60)
    study = m2m.analyze("tiny-text", "directions", texts)
    by_layer = study.charts[1]
    assert [name for name, _ in by_layer.series] == ["none", "centered", "lir 1", "lsar 1"]
    m2m.write_study(study, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert page.count("<svg") == 2 and 'class="whisker"' in page


def _space() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(5).standard_normal
    meaning = draw((40, 12))
    return {"en": meaning, "de": meaning + 0.01 * draw((40, 12)), "image": draw((40, 12)) + 30}


def test_what_the_map_shows_is_counted() -> None:
    groups = _space()
    own, meaning = own_group(groups), same_meaning(groups)
    assert own["image"] == 1 and own["en"] < 0.6
    assert meaning["en"] == meaning["de"] == 1 and meaning["image"] < 0.3


def test_the_map_is_drawn_and_repeats_itself(tmp_path: Path) -> None:
    pytest.importorskip("openTSNE")
    labels = {"en": [f"text <{i}>" for i in range(40)]}
    studies = [space_study({"before": _space()}, labels, model="m", data="d") for _ in range(2)]
    assert studies[0].charts == studies[1].charts
    places = np.array([point[:2] for point in studies[0].charts[0].points])
    names = [point[2] for point in studies[0].charts[0].points]
    pairs = np.linalg.norm(places[:40] - places[40:80], axis=1)
    assert names.count("image") == 40
    assert np.median(pairs) < 0.2 * np.linalg.norm(places - places.mean(0), axis=1).mean()
    m2m.write_study(studies[0], tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert page.count("<circle") == 120 + 3 and "en: text &lt;1&gt;" in page


def test_the_map_of_an_adapter_has_items_and_two_stages(tmp_path: Path) -> None:
    pytest.importorskip("openTSNE")
    texts = m2m.parallel_texts(m2m.load_benchmark("tiny-scenes").only(["de"]), limit=40)
    adapter = m2m.align("tiny-text", "tiny-clip", texts=texts.texts["en"], recipe="closed-form")
    adapter.save(tmp_path / "a")
    study = m2m.analyze(str(tmp_path / "a"), "space", texts)
    assert [(row["stage"], row["group"]) for row in study.rows] == [
        ("before", "en"), ("before", "de"), ("after", "en"), ("after", "de"), ("after", "image"),
    ]  # fmt: skip


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "openTSNE":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match="needs the package openTSNE"):
        space_study({"before": _space()}, {}, model="m", data="d")


def _file(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_stored_vectors_are_studied(tmp_path: Path, world: dict[str, np.ndarray]) -> None:
    arrays = {f"mine_{code}": x.astype(np.float16) for code, x in world.items()}
    path = _file(tmp_path / "v.npz", **arrays, other=np.ones(3))
    assert list(read_vectors(f"{path}:mine")) == ["en", "ar", "de", "ja"]
    assert list(read_vectors(f"{path}:mine", languages=["ja"])) == ["en", "ja"]
    done = run_m2m("analyze", f"{path}:mine", "--study", "directions", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["study"] == "directions"
    for study in ("layers", "families"):
        found = analyze_vectors(read_vectors(f"{path}:mine"), study)
        assert found.rows and found.findings and "embeddings" not in found.findings[0]


@pytest.mark.parametrize(("arrays", "arguments", "message"), [
    ({"x_en": 1, "x_de": 1}, [], "choose with v.npz:PART: x"),
    ({"en": 1, "de": 1}, ["--langs", "ja"], "no array for 'ja'"),
    ({"en": 1, "de": 2}, [], "arrays differ in shape"),
    ({"en": 0, "de": 0}, [], "5 rows are too few"),
    ({"en": 3, "de": 3}, [], "values that are not numbers"),
    ({"en": 1, "de": 1}, ["--study", "gaps"], "the study 'gaps' needs a model"),
    ({"en": 1, "de": 1}, ["--benchmark", "tiny-scenes"], "vectors need no texts"),
    ({"en": 4, "de": 4}, [], "is not a file of arrays"),
])  # fmt: skip
def test_unusable_vectors_end_in_one_line(
    tmp_path: Path, arrays: dict[str, int], arguments: list[str], message: str
) -> None:
    kinds = [np.ones((5, 3)), np.ones((30, 3)), np.ones((30, 4)), np.full((30, 3), np.nan),
             np.array([{}] * 30)]  # fmt: skip
    path = _file(tmp_path / "v.npz", **{name: kinds[kind] for name, kind in arrays.items()})
    done = run_m2m("analyze", str(path), *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_a_missing_or_broken_file_of_vectors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file"):
        read_vectors(tmp_path / "v.npz")
    (tmp_path / "v.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(UserError, match="is not a file of arrays"):
        read_vectors(tmp_path / "v.npz")
