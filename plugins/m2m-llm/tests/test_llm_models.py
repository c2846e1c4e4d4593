"""The plugin as llm finds and runs it: by its entry point, in llm's own processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.testing import toy_sentences

pytest.importorskip("llm", reason="llm is not installed")

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PLUGIN = Path(__file__).parents[1]
TEXTS = ["ein Hund", "a red star", "犬"]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapters") / "toy-adapter"
    texts = list(toy_sentences(300))
    made = m2m.align("toy-source", "toy-target", texts, recipe="closed-form", progress=False)
    made.save(out)
    return out


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """llm with a folder of its own and this plugin alone, by the entry point in its pyproject."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / "site" / "m2m_llm-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: m2m-llm\nVersion: 0.1.0\n")
    ((name, module),) = project["entry-points"]["llm"].items()
    (info / "entry_points.txt").write_text(f"[llm]\n{name} = {module}\n")
    (tmp_path / "llm").mkdir()
    paths = [str(tmp_path / "site"), str(PLUGIN), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "LLM_LOAD_PLUGINS": "m2m-llm", "LLM_USER_PATH": str(tmp_path / "llm")}  # fmt: skip


def run_llm(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llm", *arguments],
        env=environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_listed_adapter_embeds(adapter: Path, environment: dict[str, str]) -> None:
    environment["M2M_LLM_ADAPTERS"] = str(adapter)
    models = run_llm(environment, "embed-models")
    assert "m2m/toy-adapter" in models.stdout, models.stderr
    wanted = m2m.load_adapter(adapter).encode(TEXTS)
    for text, row in zip(TEXTS, wanted, strict=True):
        done = run_llm(environment, "embed", "-m", "m2m/toy-adapter", "-c", text)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(json.loads(done.stdout), row, atol=1e-6)


def test_from_python_by_name_and_by_path(adapter: Path, environment: dict[str, str]) -> None:
    """llm.get_embedding_model, with the adapter listed in llm's folder instead."""
    folder = Path(environment["LLM_USER_PATH"])
    (folder / "m2m-adapters.txt").write_text(f"# mine\n\n{adapter}\n")
    code = (
        "import json, sys, llm\n"
        f"one = llm.get_embedding_model('m2m/toy-adapter')\n"
        f"other = llm.get_embedding_model('m2m/{adapter}')\n"
        "assert one.model_id == other.model_id == 'm2m/toy-adapter'\n"
        "assert 'torch' not in sys.modules, 'loaded before it is used'\n"
        f"print(json.dumps([list(v) for v in one.embed_multi({TEXTS!r})]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    wanted = m2m.load_adapter(adapter).encode(TEXTS)
    np.testing.assert_allclose(json.loads(done.stdout), wanted, atol=1e-6)


def test_a_collection_of_llm(adapter: Path, environment: dict[str, str], tmp_path: Path) -> None:
    environment["M2M_LLM_ADAPTERS"] = str(adapter)
    lines = tmp_path / "texts.csv"
    lines.write_text("id,text\n" + "".join(f"{n},{text}\n" for n, text in enumerate(TEXTS)))
    done = run_llm(environment, "embed-multi", "texts", str(lines), "-m", "m2m/toy-adapter")
    assert done.returncode == 0, done.stderr
    found = run_llm(environment, "similar", "texts", "-c", TEXTS[1], "-n", "1")
    assert json.loads(found.stdout)["id"] == "1", found.stderr


@pytest.mark.parametrize("listed", ["nowhere/at-all", "", "no-such-adapter"])
def test_a_missing_adapter_is_one_line(listed: str, environment: dict[str, str]) -> None:
    environment["M2M_LLM_ADAPTERS"] = listed
    assert run_llm(environment, "embed-models").returncode == 0
    name = f"m2m/{listed or 'toy-adapter'}"
    done = run_llm(environment, "embed", "-m", name, "-c", "ein Hund")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ") and len(done.stderr.strip().splitlines()) == 1


def test_two_folders_of_one_name(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from m2m_llm.listed import listed

    (tmp_path / "toy-adapter").mkdir()
    both = [str(adapter), str(tmp_path / "toy-adapter")]
    monkeypatch.setenv("M2M_LLM_ADAPTERS", os.pathsep.join([*both, both[0], " ", "org/name"]))
    assert listed() == {"toy-adapter": both[0], both[1]: both[1], "org/name": "org/name"}


def test_pictures_are_in_the_same_space(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    import toy_media
    from m2m_llm.model import AdapterModel

    from m2m_adapters.testing import ToySource

    texts = list(toy_sentences(300))
    made = m2m.align(ToySource(), toy_media.Pictures(), texts, recipe="closed-form", progress=False)
    toy_media.save_picture(tmp_path / "a.png", "a small dog")
    model = AdapterModel("m2m/toy", "toy")
    model.adapter = made
    data = (tmp_path / "a.png").read_bytes()
    rows = np.array(list(model.embed_multi(["a small dog", data, "rain"])))
    wanted = np.stack([made.encode(["a small dog"])[0], made.encode_items([data])[0],
                       made.encode(["rain"])[0]])  # fmt: skip
    np.testing.assert_allclose(rows, wanted, atol=1e-6)
