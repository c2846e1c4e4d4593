"""The first-party plugins as a user meets them: by name, from the shell, side by side."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.testing import toy_sentences

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
# scheme -> (distribution's folder, package, module with folder builders, arguments of folder())
TARGETS = {
    "clip:": ("m2m-clip", "m2m_clip", "clip_folders", ("siglip2",)),
    "open-clip:local-dir:": ("m2m-open-clip", "m2m_open_clip", "oc_folders", ("tokenizer",)),
    "clap:": ("m2m-clap", "m2m_clap", "clap_folders", ()),
}


def small_folder(plugin: str, package: str, builder: str, *which: str) -> Path:
    """A small model of ``plugin``, made by the builder its own tests use."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{plugin} is not installed")
    place = str(PLUGINS / plugin / "tests")
    if place not in sys.path:
        sys.path.insert(0, place)
    folder: Path = importlib.import_module(builder).folder(*which)
    return folder


@pytest.fixture
def source() -> str:
    folder = small_folder(
        "m2m-sentence-transformers", "m2m_sentence_transformers", "st_folders", "e5"
    )
    return f"st:{folder}"


@pytest.mark.parametrize("scheme", TARGETS)
def test_align_from_the_shell(scheme: str, source: str, tmp_path: Path) -> None:
    folder = small_folder(*TARGETS[scheme][:3], *TARGETS[scheme][3])
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(400)), encoding="utf-8")
    done = run_m2m(
        "align", "--source", source, "--target", f"{scheme}{folder}",
        "--texts", "texts.txt", "--out", "out", cwd=tmp_path, HF_HUB_OFFLINE="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Loading weights" not in done.stderr
    # Another process finds both models again and is told when they are no longer the same.
    adapter = m2m.load_adapter(tmp_path / "out")
    vectors = adapter.encode(["ein Hund bellt", "zwei rote Quadrate"])
    assert vectors.shape == (2, adapter.target.space.dim)
    assert adapter.target.space.fingerprint == adapter.record.target.fingerprint
    assert adapter.source.fingerprint == adapter.record.source.fingerprint


def test_both_at_once_and_fused(source: str, tmp_path: Path) -> None:
    """A fusion of two sources, aligned to an image and to a sound target in one process."""
    other = small_folder(
        "m2m-sentence-transformers", "m2m_sentence_transformers", "st_folders", "labse"
    )
    texts = list(toy_sentences(300))
    for scheme in ("clip:", "clap:"):
        folder = small_folder(*TARGETS[scheme][:3], *TARGETS[scheme][3])
        adapter = m2m.align(
            f"{source}+st:{other}", f"{scheme}{folder}", texts, recipe="closed-form",
            progress=False,
        )  # fmt: skip
        adapter.save(tmp_path / scheme.strip(":"))
        again = m2m.load_adapter(tmp_path / scheme.strip(":"))
        assert again.source.dim == 48
        assert (again.encode(texts[:3]) == adapter.encode(texts[:3])).all()
