"""Options that would have no effect, and misspelled ones, are refused or noted."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.search.build import BUILD_OPTIONS
from m2m_adapters.search.imported import IMPORT_OPTIONS
from m2m_adapters.search.query import Query
from m2m_adapters.search.several import search_several

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter to the toy target, the same under another name, and an index of some vectors."""
    folder = tmp_path_factory.mktemp("world")
    adapter = m2m.align("toy-source", "toy-target", "toy-sentences", max_sentences=500,
                        recipe="closed-form")  # fmt: skip
    adapter.save(folder / "ad")
    adapter.save(folder / "ad2")
    np.save(folder / "v.npy", np.eye(48, dtype=np.float32))
    m2m.import_index("toy-target", folder / "v.npy", folder / "index", compare=0, progress=False)
    (folder / "link").symlink_to(folder / "index", target_is_directory=True)
    (folder / "pictures").mkdir()
    return folder


def run(world: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "m2m_cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=world)


def test_misspelled_options_are_named(world: Path) -> None:
    index: Any = m2m.load_index(world / "index")
    with pytest.raises(UserError, match="'wehre'") as caught:
        index.search("red", 3, adapter=str(world / "ad"), wehre="width > 1")
    assert caught.value.remedy == "did you mean 'where'?"
    with pytest.raises(UserError, match="'langauge'"):
        search_several([index], [Query.of_text("red")], adapters=["native"], langauge="de")
    with pytest.raises(UserError, match="'precison'"):
        m2m.build_index("toy-target", world / "pictures", world / "new", precison="bf16")
    with pytest.raises(UserError, match="'previws'"):
        m2m.import_index("toy-target", world / "v.npy", world / "new", previws=False)
    assert not (world / "new").exists()


def test_the_known_options_are_those_there_are() -> None:
    assert set(BUILD_OPTIONS) == set(m2m.build_index.__kwdefaults__)
    assert set(IMPORT_OPTIONS) == set(m2m.import_index.__kwdefaults__)


def test_options_of_a_model_that_is_loaded_are_refused(world: Path) -> None:
    target, adapter = m2m.load_target("toy-target"), m2m.load_adapter(world / "ad")
    for given in (target, adapter):
        with pytest.raises(UserError, match="loaded already"):
            m2m.build_index(given, world / "pictures", world / "new", precision="bf16")
        with pytest.raises(UserError, match="loaded already"):
            m2m.import_index(given, world / "v.npy", world / "new", device="cpu")
    with pytest.raises(UserError, match="loaded already, so device would"):
        m2m.load_index(world / "index").search("red", 3, adapter=adapter, device="cpu")


def test_a_language_is_a_language_and_has_an_effect(world: Path) -> None:
    index = m2m.load_index(world / "index")
    for adapter in (str(world / "ad"), "native"):
        for code in ("no such language", ""):
            with pytest.raises(UserError, match="not a language"):
                index.search("rot", adapter=adapter, language=code)
        with pytest.warns(UserWarning, match="language 'de' has no effect"):
            index.search("rot", adapter=adapter, language="de")
    taught = m2m.load_adapter(world / "ad")
    from m2m_adapters.artifact.languages import LanguageTable

    taught.languages = LanguageTable({"de": np.ones(48, np.float32)}, 1.0, 10, ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index.search("rot", adapter=taught, language="German")
    said = run(world, "search", "index", "rot", "--adapter", "native", "--lang", "de")
    assert said.returncode == 0 and "the target's own text tower has no table" in said.stderr


def test_one_index_has_one_adapter(world: Path) -> None:
    index, query = m2m.load_index(world / "index"), [Query.of_text("red")]
    one, other = str(world / "ad"), str(world / "ad2")
    for several in ([one, other], [one, "native"], ["native", one], [one, "native", other]):
        with pytest.raises(UserError, match="are both for the index"):
            search_several([index], query, adapters=several)
    (alone,) = search_several([index], query, 3, adapters=[one])
    assert len(alone) == 3


@pytest.mark.parametrize("name", ["index", "link"])
def test_an_index_is_searched_once(world: Path, name: str) -> None:
    indexes = [m2m.load_index(world / "index"), m2m.load_index(world / name)]
    with pytest.raises(UserError, match="named twice"):
        search_several(indexes, [Query.of_text("red")], adapters=["native"])


@pytest.mark.parametrize(
    "words", [["--in-place"], ["--no-previews"], ["--compare", "24"], ["--ids", "x.csv"],
              ["--from", "v.npy", "--window", "10"], ["--from", "v.npy", "--batch-size", "8"],
              ["--from", "v.npy", "--retry-bad"]]
)  # fmt: skip
def test_options_of_the_other_way_to_an_index_are_refused(world: Path, words: list[str]) -> None:
    done = run(world, "index", "toy-target", "pictures", "--out", "new", *words)
    option = next(word for word in reversed(words) if word.startswith("--"))
    assert done.returncode == 2 and option in done.stderr and done.stderr.count("\n") == 1
    assert not (world / "new").exists()
