"""Adapters and the target's own tower ask the index of the tiny target."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.errors import UserError

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("faiss")
scenes = pytest.importorskip("m2m_tiny.scenes")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty scenes, an adapter, and the index of them."""
    folder = tmp_path_factory.mktemp("world")
    drawn, _ = scenes.gallery()
    for number, pixels in enumerate(scenes.render_batch(drawn[:60], random.Random(5))):
        (folder / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:02d}.png")
    adapter = m2m.align(
        "tiny-text", "tiny-clip", "tiny-scene-captions", max_sentences=3000, recipe="closed-form"
    )
    adapter.save(folder / "adapter")
    m2m.build_index(str(folder / "adapter"), folder / "photos", folder / "index")
    return folder


def test_answers_are_those_of_a_plain_product(world: Path) -> None:
    import numpy as np

    index, adapter = m2m.load_index(world / "index"), m2m.load_adapter(world / "adapter")
    paths = sorted((world / "photos").iterdir())
    items = adapter.encode_items([str(path) for path in paths])
    for text in ("ein rotes Quadrat", "赤い四角", "مربع أحمر"):
        scores = items @ adapter.encode([text])[0]
        hits = index.search(text, 5, bank=False)
        assert [hit.score for hit in hits] == pytest.approx(np.sort(scores)[::-1][:5], abs=2e-3)
        scores += adapter.item_bias(items)
        hits = index.search(text, 5)
        assert [hit.score for hit in hits] == pytest.approx(np.sort(scores)[::-1][:5], abs=2e-3)
        native = index.search(text, 5, adapter="native")
        assert len(native) == 5


def test_the_bank_corrects_texts_of_its_adapter_only(world: Path) -> None:
    import numpy as np

    from m2m_adapters.search.query import Query, Term

    index, adapter = m2m.load_index(world / "index"), m2m.load_adapter(world / "adapter")
    assert adapter.bank is not None
    text = Query.of_text("ein Kreis")
    item = Query.of_item(str(world / "photos" / "07.png"))
    both = Query("both", (*text.terms, Term(item=str(world / "photos" / "07.png"))))
    biases = index.biases([text, item, both])
    assert biases[0] is not None and biases[1:] == [None, None]
    assert index.biases([text], "native") == [None]
    stored = index.engine.vectors(np.arange(60))
    assert np.allclose(biases[0].values, adapter.item_bias(stored), atol=1e-6)
    plain = index.search([item, both], 3, bank=False)
    assert [list(hits) for hits in index.search([item, both], 3)] == [list(hits) for hits in plain]
    loaded = m2m.load_adapter(world / "adapter")
    loaded.bank = None
    assert index.biases([text], loaded) == [None]


def test_a_bias_is_kept_for_each_generation(world: Path, tmp_path: Path) -> None:
    import shutil

    import numpy as np

    from m2m_adapters.search.bias import Biases

    photos = tmp_path / "photos"
    shutil.copytree(world / "photos", photos)
    index = m2m.build_index(str(world / "adapter"), photos, tmp_path / "index")
    (kept,) = (tmp_path / "index" / "biases").iterdir()
    assert kept.name.startswith("000001-") and np.load(kept).shape == (60,)
    (photos / "07.png").unlink()
    index = m2m.build_index(str(world / "adapter"), photos, tmp_path / "index")
    (kept,) = (tmp_path / "index" / "biases").iterdir()
    assert kept.name.startswith("000002-") and np.load(kept).shape == (59,)
    kept.write_bytes(b"damaged")
    bank = m2m.load_adapter(world / "adapter").bank
    assert bank is not None
    again = Biases(tmp_path / "index", "000002", index.engine, index.dim).of(bank).values
    assert len(again) == 59 and np.array_equal(again, np.load(kept))
    (tmp_path / "file").write_bytes(b"")  # nothing can be kept inside a file
    unkept = Biases(tmp_path / "file", "1", index.engine, index.dim).of(bank)
    assert np.array_equal(unkept.values, again)


def test_a_query_does_not_digest_the_bank_again(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That would cost as much as a tenth of a short query's encoding."""
    from m2m_adapters.search import bias

    asked: list[object] = []
    name_of = bias.name_of
    monkeypatch.setattr(bias, "name_of", lambda bank: (asked.append(bank), name_of(bank))[1])
    index = m2m.load_index(world / "index")
    for query in ("ein Quadrat", "ein Kreis", "ein Stern"):
        index.search(query, 3)
    assert len(asked) == 1


@pytest.mark.parametrize("kept", [None, 300, 5])
def test_a_bias_gives_the_best_of_all_rows(kept: int | None) -> None:
    """Also where the best by score alone are far from the best after the bias."""
    import numpy as np

    from m2m_adapters.search import faiss_files
    from m2m_adapters.search.bias import RowBias, search_with
    from m2m_adapters.search.engine import FaissEngine

    random = np.random.default_rng(0)
    rows = random.normal(size=(3000, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    bias = random.normal(size=3000).astype(np.float32)
    flat = faiss_files.flat(8)
    flat.add(rows)
    engine = FaissEngine(flat)
    chosen = None if kept is None else np.sort(random.choice(3000, kept, replace=False))
    scores, found = search_with(engine, rows[:20], 10, chosen, RowBias(bias))
    every = engine.vectors(np.arange(3000))
    wanted = rows[:20] @ every.T + bias
    if chosen is not None:
        wanted[:, np.setdiff1d(np.arange(3000), chosen)] = -np.inf
    best = np.sort(wanted, 1)[:, ::-1][:, :10]
    assert np.allclose(scores, best, atol=1e-3)
    assert ((found < 0) == np.isinf(best)).all()


def test_a_query_loads_no_item_tower(world: Path) -> None:
    code = (
        "import m2m_adapters as m2m, m2m_clip.target, m2m_adapters.registry.names as names\n"
        "import m2m_adapters.search.towers as towers, m2m_adapters.artifact.adapter as artifact\n"
        "def refuse(*a, **k): raise SystemExit('the target was loaded')\n"
        "towers.load_target = artifact.load_target = names.load_target = refuse\n"
        f"print(len(m2m.load_index({str(world / 'index')!r}).search('ein Quadrat', 3)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "3", done.stdout + done.stderr


def test_an_adapter_to_another_target_is_refused(world: Path) -> None:
    other = m2m.align("toy-source", "toy-target", "toy-sentences", max_sentences=500,
                      recipe="closed-form")  # fmt: skip
    with pytest.raises(UserError, match="another space"):
        m2m.load_index(world / "index").search("x", adapter=other)


def test_the_commands(world: Path) -> None:
    run = partial(run_m2m, cwd=world)

    updated = run("index", "tiny-clip", "--out", "index", "--json")
    assert json.loads(updated.stdout)["unchanged"] == 60, updated.stderr
    found = run("search", "index", "ein Kreis", "--item", "photos/07.png", "-k", "2", "--json")
    answers = json.loads(found.stdout)
    assert answers[1]["hits"][0]["path"].endswith("07.png") and len(answers) == 2
    refused = run("search", "index", "a", "--where", "color = red")
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert run("search", "index", "a", "--page", "found.html").returncode == 0
    assert "data:image/jpeg" in (world / "found.html").read_text()


def test_sounds_by_their_windows(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    sounds = pytest.importorskip("m2m_tiny.sounds")
    drawn, _ = sounds.gallery()
    (tmp_path / "sounds").mkdir()
    for number, spec in enumerate(drawn[:8]):
        samples = sounds.render(spec, random.Random(number))
        soundfile.write(tmp_path / "sounds" / f"{number}.wav", samples, sounds.RATE)
    index = m2m.build_index("tiny-clap", tmp_path / "sounds", tmp_path / "index", window=2)
    assert index.record.rows == 16 and len(index) == 8
    hits = index.search("a low tone", 8)
    assert len(hits) == 8 and {hit.start for hit in hits} <= {0.0, 2.0}
    assert index.preview(hits[0].item).peaks and "<svg" in hits._repr_html_()


def test_a_server_corrects_as_the_index_does(world: Path) -> None:
    pytest.importorskip("starlette")
    from m2m_adapters.search.query import Query
    from m2m_adapters.serve.holdings import open_holdings
    from m2m_adapters.serve.work import SearchJob, answer

    holdings = open_holdings([world / "index"], [world / "adapter"])
    holdings.warm_up()
    (held,) = holdings.indexes.values()
    query = Query.of_text("ein Kreis")
    jobs = [SearchJob([held], [side], [query], 5, None) for side in (held.space.default, "native")]
    found = answer(jobs)
    for hits, adapter in zip(found, (None, "native")):
        wanted = held.index.search([query], 5, adapter=adapter)[0]
        assert [hit.path for hit in hits] == [hit.path for hit in wanted]
        assert [h.score for h in hits] == pytest.approx([h.score for h in wanted], abs=1e-5)


def test_a_chosen_language_is_read_by_the_table_of_the_adapter(world: Path) -> None:
    pytest.importorskip("starlette")
    import numpy as np

    from m2m_adapters.artifact.languages import LanguageTable
    from m2m_adapters.search.query import Query
    from m2m_adapters.serve.holdings import open_holdings
    from m2m_adapters.serve.work import SearchJob, TextsJob, answer

    adapter = m2m.load_adapter(world / "adapter")
    shift = np.zeros(adapter.dim, np.float32)
    shift[0] = 0.5
    adapter.languages = LanguageTable({"de": shift}, 1.0, 10, ())
    holdings = open_holdings([world / "index"], [adapter])
    (held,) = holdings.indexes.values()
    assert holdings.adapters()[0]["languages"] == ["de"]
    side, query = held.space.default, Query.of_text("ein Kreis")
    jobs = [SearchJob([held], [side], [query], 5, None, code) for code in (None, "de", "fr")]
    plain, german, french = answer(jobs)
    wanted = held.index.search([query], 5, adapter=adapter, language="de")[0]
    assert [h.score for h in german] == pytest.approx([h.score for h in wanted], abs=1e-5)
    assert [h.score for h in german] != pytest.approx([h.score for h in plain], abs=1e-5)
    assert list(french) == list(plain)
    rows = answer([TextsJob(held.space, side, ["ein Kreis"], "de")])[0]
    assert np.allclose(rows, held.space.encode_texts(side, ["ein Kreis"], "de"), atol=1e-6)
