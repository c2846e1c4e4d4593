"""Studies on the tiny models: layers read right, questions answered, bad input refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.analysis.cross_lingual import Precision
from m2m_adapters.analysis.gaps import center_distance, matching_depth
from m2m_adapters.analysis.layers import LayerStack, item_layers, names_of, text_layers
from m2m_adapters.analysis.length import cut
from m2m_adapters.analysis.maps import deviation, effective_rank, map_study, rotation
from m2m_adapters.analysis.parallel import FEWEST, parallel_of, read_parallel
from m2m_adapters.analysis.resources import resource_class
from m2m_adapters.errors import UserError

QUICK = Precision(shuffles=1, halves=2)


@pytest.fixture(scope="module")
def texts() -> m2m.Parallel:
    return m2m.parallel_texts(m2m.load_benchmark("tiny-scenes").only(["de", "ja"]), limit=120)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> m2m.Store:
    return m2m.Store(tmp_path_factory.mktemp("store"))


def test_layers_equal_those_of_transformers() -> None:
    """Mean, first and last token of every layer, against the library called one text at a time."""
    import torch

    encoder = m2m.load_source("tiny-text", precision="fp32")
    texts = ["a dog", "two red squares above a small blue circle", "ein Hund"]
    model, tokenizer = encoder.model[0].auto_model, encoder.tokenizer
    ours = {how: encoder.encode_layers(texts, pooling=how) for how in ("mean", "first", "last")}
    for row, text in enumerate(texts):
        with torch.inference_mode():
            inputs = tokenizer([text], return_tensors="pt")
            states = model(**inputs, output_hidden_states=True).hidden_states
        assert len(states) == len(ours["mean"])
        for layer, state in enumerate(states):
            for how, expected in (("mean", state[0].mean(0)), ("first", state[0, 0]),
                                  ("last", state[0, -1])):  # fmt: skip
                np.testing.assert_allclose(ours[how][layer][row], expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(("target", "benchmark"), [("tiny-clip", "tiny-scenes"),
                                                   ("tiny-clap", "tiny-sounds")])  # fmt: skip
def test_layers_of_items_do_not_depend_on_their_batch(target: str, benchmark: str) -> None:
    model = m2m.load_target(target)
    items = m2m.load_benchmark(benchmark).items[:3]
    together = item_layers(model, items)
    alone = [item_layers(model, [item]) for item in items]
    assert len(together) > 3 and names_of(together)[-1] == "output"
    for layer, rows in enumerate(together):
        assert rows.shape[0] == 3
        for row in range(3):
            np.testing.assert_allclose(rows[row], alone[row][layer][0], atol=1e-4)


def test_layers_are_stored_and_read_back(store: m2m.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = m2m.load_source("tiny-text")
    first = text_layers(encoder, ["a dog", "a cat"], store=store)
    stack = LayerStack(encoder)
    assert first[-1].shape[1] == encoder.dim and sum(stack.widths) == stack.dim
    monkeypatch.setattr(LayerStack, "encode", lambda *_, **__: pytest.fail("encoded again"))
    again = text_layers(encoder, ["a cat", "a dog"], store=store)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b[::-1])


def test_translations_come_closer_with_depth(texts: m2m.Parallel, store: m2m.Store) -> None:
    study = m2m.analyze("tiny-text", "layers", texts, precision=QUICK, store=store)
    found = {row["layer"]: row["value"] for row in study.rows
             if row["language"] == "ja" and row["measure"] == "retrieval"}  # fmt: skip
    assert found["output"] > 0.9 > 0.6 > found["embeddings"]
    assert all(row["chance"] < 0.1 for row in study.rows if row["measure"] == "retrieval")
    assert any("raised by chance" in warning for warning in study.warnings)


def test_an_adapter_shows_its_sources_layers_and_its_own_output(
    tmp_path: Path, texts: m2m.Parallel
) -> None:
    adapter = m2m.align("tiny-text", "tiny-clip", texts=texts.texts["en"], recipe="closed-form")
    adapter.save(tmp_path / "a")
    study = m2m.analyze(str(tmp_path / "a"), "layers", texts, precision=QUICK)
    assert len({row["layer"] for row in study.rows}) == 5
    inside = m2m.analyze(str(tmp_path / "a"), "map", texts)
    by_map = {row["map"]: row for row in inside.rows}
    assert by_map["Procrustes rotation"]["deviation from a rotation"] == 0
    assert by_map["Procrustes rotation"]["cosine with Procrustes"] == 1
    assert by_map["random matrix"]["deviation from a rotation"] > 0.1
    assert sum("stretched most" in line for line in inside.findings) == 5


def test_gaps_of_a_target(texts: m2m.Parallel, store: m2m.Store) -> None:
    study = m2m.analyze("tiny-clip", "gaps", texts, measures=["cka"], precision=QUICK, store=store)
    output = [row for row in study.rows if row["layer"] == "output"]
    assert {row["gap"] for row in output} == {"image", "language"}
    assert all(row["distance of centers"] is not None for row in output)
    assert "gap" in study.findings[0] and study.charts[0].series[0][0] == "language gap"


@pytest.mark.parametrize("name", ["length", "families", "codeswitch"])
def test_other_studies_answer(
    name: str, texts: m2m.Parallel, store: m2m.Store, tmp_path: Path
) -> None:
    study = m2m.analyze("tiny-text", name, texts, measures=["cka"], precision=QUICK, store=store)
    assert study.rows and study.findings
    for suffix in (".html", ".json", ".csv"):
        m2m.write_study(study, tmp_path / f"study{suffix}")
    assert json.loads((tmp_path / "study.json").read_text())["study"] == name
    assert (tmp_path / "study.csv").read_text().count("\n") == len(study.rows) + 1
    assert "<svg" in (tmp_path / "study.html").read_text() or not study.charts


def test_a_study_shows_itself_in_a_notebook() -> None:
    study = m2m.Study(
        "layers", "Is <it> near?", "a & b", "texts", [{"layer": "1 < 2", "value": 0.12345678},
                                                      {"layer": "output", "value": None}],
        findings=["near"], warnings=["few rows"],
    )  # fmt: skip
    page = study._repr_html_()
    assert "Is &lt;it&gt; near?" in page and "a &amp; b: layers" in page
    assert "<th>value</th>" in page and "<td>1 &lt; 2</td><td>0.1235</td>" in page
    assert "<td>-</td>" in page and "<li>near</li><li>few rows</li>" in page
    assert "<script" not in page and "http" not in page
    assert "<table>" in m2m.Study("layers", "?", "m", "d", [])._repr_html_()


def test_half_english_is_closer_to_english_than_none(texts: m2m.Parallel, store: m2m.Store) -> None:
    study = m2m.analyze(
        "tiny-text", "codeswitch", texts, measures=["cka"], precision=QUICK, store=store
    )
    value = {
        (row["sentence"], row["layer"]): row["value"]
        for row in study.rows
        if row["language"] == "ja"
    }
    assert value["mixed", "embeddings"] > value["whole", "embeddings"]


def test_parts_of_studies() -> None:
    assert [matching_depth(i, 4, 7) for i in range(4)] == [0, 2, 4, 6]
    x = np.random.default_rng(0).standard_normal((50, 4))
    assert center_distance(x, x) == 0 and center_distance(x, x[:, :3]) is None
    assert cut("one two three four", 0.5) == "one two" and cut("one", 0.25) == "one"
    assert effective_rank(np.eye(5)) == 5 and deviation(3 * np.eye(5)) == 0
    turned = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    np.testing.assert_allclose(rotation(x, x @ turned.T), turned, atol=1e-8)
    assert resource_class("de") == "class 5" and resource_class("xx") == "unknown"


def test_a_maps_directions_are_named_by_their_sentences() -> None:
    source = np.random.default_rng(0).standard_normal((30, 3))
    source[4] = [9, 0, 0]
    texts = [f"sentence {i}" for i in range(30)]
    study = map_study(np.diag([5.0, 1.0, 0.1]), source, source, texts, model="m", data="d")
    assert "sentence 4" in study.findings[1] and "5.00 times" in study.findings[1]


def test_tables_of_translations(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    lines = ["en\tde", *(f"text {i}\tSatz {i}" for i in range(FEWEST)), "only English\t"]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = read_parallel(path)
    assert found.rows == FEWEST and found.others == ["de"]
    path.write_text("english only\n", encoding="utf-8")
    with pytest.raises(UserError, match="no header with 'en'"):
        read_parallel(path)
    with pytest.raises(UserError, match="not parallel text"):
        parallel_of("x", {"en": ["a"] * 30, "de": ["b"] * 29})


def test_items_without_a_caption_in_every_language_are_left_out() -> None:
    data = m2m.Benchmark(
        "own", "image", [f"{i}.png" for i in range(30)],
        {"en": [f"a {i}" for i in range(30)], "de": [f"ein {i}" for i in range(1, 26)]},
        owners={"de": np.arange(1, 26)},
    )  # fmt: skip
    found = m2m.parallel_texts(data)
    assert found.rows == 25 and found.texts["en"][0] == "a 1" and found.texts["de"][0] == "ein 1"
    with pytest.raises(UserError, match="English and at least one other"):
        m2m.parallel_texts(data.only(["en"]))


def test_text_is_studied_without_the_pictures(tmp_path: Path) -> None:
    """XTD10's captions alone, as published; its pictures are on Flickr."""
    (tmp_path / "test_image_names.txt").write_text("".join(f"{i}.jpg\n" for i in range(30)))
    for code, what in (("en", "a dog"), ("de", "ein Hund")):
        lines = "".join(f"{what} {i}\n" for i in range(30))
        (tmp_path / f"test_1kcaptions_{code}.txt").write_text(lines, encoding="utf-8")
    arguments = ["--benchmark", "xtd10", "--data", str(tmp_path), "--halves", "0"]
    done = run_m2m("analyze", "tiny-text", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"][0]["rows"] == 30
    done = run_m2m("analyze", "tiny-clip", *arguments, "--study", "gaps")
    assert done.returncode == 2 and "30 of 30 items of 'xtd10' are not in" in done.stderr


@pytest.mark.parametrize(("arguments", "message"), [
    (["tiny-text", "--benchmark", "tiny-scenes", "--study", "depth"], "unknown study 'depth'"),
    (["tiny-text", "--benchmark", "tiny-scenes", "--study", "map"], "is not an adapter"),
    (["tiny-text", "--benchmark", "tiny-scenes", "--study", "gaps"], "give a target"),
    (["tiny-text", "--benchmark", "tiny-scenes", "--measures", "dcca"], "unknown measure 'dcca'"),
    (["tiny-text", "--benchmark", "tiny-scenes", "--pooling", "max"], "unknown pooling 'max'"),
    (["tiny-text", "--benchmark", "tiny-scenes", "--report", "x.pdf"], "cannot write a study"),
    (["tiny-text"], "no texts are named"),
    (["tiny-text", "--benchmark", "tiny-scenes", "--limit", "3"], "give at least 20"),
    (["tiny-open-clip", "--benchmark", "tiny-scenes", "--limit", "20"], "does not show its layers"),
])  # fmt: skip
def test_bad_questions_end_in_one_line(arguments: list[str], message: str) -> None:
    done = run_m2m("analyze", *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_the_command_prints_a_table_and_json(tmp_path: Path) -> None:
    arguments = ["analyze", "tiny-text", "--benchmark", "tiny-scenes", "--langs", "de", "--limit",
                 "40", "--halves", "0", "--shuffles", "1"]  # fmt: skip
    done = run_m2m(*arguments, "--report", str(tmp_path / "a.html"))
    assert done.returncode == 0 and "svcca: " in done.stdout, done.stderr
    assert (tmp_path / "a.html").is_file()
    assert json.loads(run_m2m(*arguments, "--json").stdout)["study"] == "layers"
