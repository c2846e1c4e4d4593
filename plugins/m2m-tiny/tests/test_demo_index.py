"""What `m2m demo --serve` shows: the tiny world as files, aligned and indexed once."""

from __future__ import annotations

from pathlib import Path

import pytest

import m2m_adapters as m2m
from m2m_adapters.report.demo_index import Prepared, prepare_demo

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    return prepare_demo(tmp_path_factory.mktemp("demo"), sentences=600, items=30)


def test_pictures_and_sounds_are_found(prepared: list[Prepared]) -> None:
    assert [one.name for one in prepared] == ["images", "sounds"]
    for one, query, modality in zip(
        prepared, ("ein rotes Quadrat", "ein hoher Ton"), ("image", "audio")
    ):
        index = m2m.load_index(one.index)
        assert (len(index), index.modality) == (30, modality)
        hits = index.search(query, k=3)
        assert len(hits) == 3 and all(Path(hit.path).is_file() for hit in hits)
        assert len(index.search(query, where='folder = "group 02"')) == 5
        assert len(index.search(query, where="date < 2020-01-11")) == 10


def test_a_second_start_does_nothing_again(prepared: list[Prepared]) -> None:
    place = prepared[0].index.parent.parent
    files = {p: p.stat().st_mtime_ns for p in place.rglob("*") if p.suffix in (".png", ".flac")}
    adapter = (prepared[0].adapter / "adapter.json").stat().st_mtime_ns
    again = prepare_demo(place, sentences=600, items=30)
    assert again == prepared
    assert {p: p.stat().st_mtime_ns for p in files} == files
    assert (prepared[0].adapter / "adapter.json").stat().st_mtime_ns == adapter


def test_a_start_loads_each_model_once(
    prepared: list[Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    from m2m_tiny import family

    from m2m_adapters.report.demo import TINY
    from m2m_adapters.search.index import load_index
    from m2m_adapters.serve.holdings import open_holdings

    loads: list[str] = []
    for name in ("tiny_text", "tiny_clip"):
        load = getattr(family, name)
        monkeypatch.setattr(
            family, name, lambda load=load, name=name, **o: (loads.append(name), load(**o))[1]
        )
    (one,) = prepare_demo(prepared[0].index.parent.parent, TINY[:1], sentences=600, items=30)
    index = load_index(one.index, target=one.loaded.target)
    holdings = open_holdings([index], [one.loaded], adapter_names=[one.adapter.name])
    holdings.warm_up()
    (space,) = holdings.spaces
    assert list(space.adapters) == ["tiny-text-tiny-clip"]
    assert space.encode_texts("native", ["a red square"]).shape == (1, index.dim)
    assert sorted(loads) == ["tiny_clip", "tiny_text"]


def test_other_sentences_get_a_folder_of_their_own(prepared: list[Prepared]) -> None:
    place = prepared[0].index.parent.parent
    from m2m_adapters.report.demo import TINY

    other = prepare_demo(place, TINY[:1], sentences=500, items=30)
    assert other[0].adapter != prepared[0].adapter


def test_an_adapter_of_another_version_is_made_again(prepared: list[Prepared]) -> None:
    place = prepared[0].index.parent.parent
    record = prepared[0].adapter / "adapter.json"
    record.write_text(record.read_text().replace('"projector"', '"projector_of_old"', 1))
    assert prepare_demo(place, sentences=600, items=30) == prepared
    assert m2m.load_adapter(prepared[0].adapter).encode(["ein rotes Quadrat"]).shape[0] == 1
