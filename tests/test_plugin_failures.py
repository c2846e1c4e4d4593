"""What a plugin does wrong at run time: named in one line, nothing encoded is lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_dist import fake_dist, run_m2m

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.models.items import encode_items
from m2m_adapters.testing import ToySource, toy_sentences

FAILING = """
import sys
import numpy as np
import m2m_adapters as m2m
from m2m_adapters.testing import AffineTarget, ToySource

class Dies(ToySource):
    calls = 0
    fingerprint = "dies:1"  # exact, so that its vectors are stored
    def encode(self, texts, **options):
        Dies.calls += 1
        if Dies.calls == 2:
            {failure}
        return super().encode(texts)

class Textless(m2m.ModalityModel):
    modality = "words"

class NoModality(AffineTarget):
    modality = None

class BadItems(AffineTarget):
    def encode_items(self, items, **options):
        {failure}

class Wide(AffineTarget):
    def encode_items(self, items, **options):
        return np.zeros((len(items), 3), np.float32)

class NaN(AffineTarget):
    def encode_items(self, items, **options):
        return np.full((len(items), self.text.dim), np.nan, np.float32)

def factory():
    {failure}

def corpus():
    yield "a sentence"
    {failure}

@m2m.hookimpl
def m2m_register(register):
    register.source("dies", "failing:Dies")
    register.source("no-factory", "failing:factory")
    register.source("no-encoder", "failing:BadItems")
    for name in ("Textless", "NoModality", "BadItems", "Wide", "NaN"):
        register.target(name.lower(), f"failing:{{name}}")
"""


def failing(folder: Path, failure: str = "raise RuntimeError('boom')") -> tuple[Path]:
    return (fake_dist(folder, "failing", FAILING.format(failure=failure)),)


@pytest.mark.parametrize(("failure", "words"), [
    ("raise RuntimeError('boom')", "RuntimeError: boom"),
    ("sys.exit(0)", "called sys.exit(0)"),
])  # fmt: skip
def test_an_encoder_that_dies_is_named_and_what_it_encoded_is_kept(
    tmp_path: Path, failure: str, words: str
) -> None:
    paths = failing(tmp_path / "site", failure)
    (tmp_path / "t.txt").write_text("\n".join(toy_sentences(5000)))
    done = run_m2m("align", "-s", "dies", "-t", "toy-target", "--texts", "t.txt", "--out", "a",
                   cwd=tmp_path, paths=paths, M2M_CACHE=str(tmp_path / "cache"))  # fmt: skip
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "the plugin failing failed in Dies.encode" in last and words in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a").exists()
    stored = list((tmp_path / "cache").glob("vectors/*/*.shard"))
    assert stored, "the first sentences were encoded and should have been kept"


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["encode", "no-factory", "x"], 1, "the plugin failing failed in factory"),
    (["encode", "no-encoder", "x"], 2, "'no-encoder' of failing gave a BadItems"),
    (["encode", "textless", "x"], 2, "Textless of failing has no text tower"),
    (["encode", "nomodality", "x"], 2, "the target 'nomodality' of failing, has no modality"),
    (["encode", "baditems", "x", "--items"], 1, "the plugin failing failed in BadItems.encode_items"),
    (["encode", "wide", "x", "--items"], 2, "returned shape [1, 3] for 1 item;"),
    (["encode", "nan", "x", "--items"], 2, "gave NaN or infinity for x"),
])  # fmt: skip
def test_one_line_names_the_plugin(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = run_m2m(*arguments, paths=failing(tmp_path))
    assert done.returncode == code, done.stderr
    assert words in done.stderr and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_target_registered_without_modality_is_listed_and_works(tmp_path: Path) -> None:
    paths = failing(tmp_path, "pass")
    listed = run_m2m("list", "--targets", paths=paths)
    assert listed.returncode == 0 and "wide" in listed.stdout
    done = run_m2m("encode", "wide", "a dog", paths=paths)
    assert done.returncode == 0, done.stderr


def test_a_plugin_for_another_interface_is_skipped_with_a_clear_message(tmp_path: Path) -> None:
    fake_dist(tmp_path, "future", "M2M_INTERFACE = 99\n" + FAILING.format(failure="pass"))
    done = run_m2m("list", "--sources", paths=(tmp_path,))
    assert done.returncode == 0
    assert "interface 99" in done.stderr and "toy-source" in done.stdout


class Assigned(m2m.ModalityModel):
    modality = "words"

    def __init__(self) -> None:
        self.text = ToySource()


def test_text_is_assigned_in_init() -> None:
    model = Assigned()
    assert model.space.dim == model.text.dim == 64


def test_a_model_without_text_says_what_to_add() -> None:
    class Forgot(m2m.ModalityModel):
        modality = "words"

    with pytest.raises(UserError, match=r"Forgot of .*: nothing sets `text`; set self\.text"):
        Forgot().space  # noqa: B018


def test_objects_loaded_by_name_remember_it(tmp_path: Path) -> None:
    adapter = m2m.align(
        m2m.load_source("toy-source"), m2m.load_target("toy-target"), list(toy_sentences(300))
    )
    adapter.save(tmp_path / "a")
    again = m2m.load_adapter(tmp_path / "a")
    rows = again.encode(["a dog"])
    np.testing.assert_array_equal(rows, adapter.encode(["a dog"]))
    assert again.encode_items(["a dog"]).shape == rows.shape


def test_a_fusion_loaded_by_name_remembers_it(tmp_path: Path) -> None:
    adapter = m2m.align(
        m2m.load_source("toy-source+2*toy-source"), "toy-target", list(toy_sentences(300))
    )
    adapter.save(tmp_path / "a")
    assert m2m.load_adapter(tmp_path / "a").encode(["x"]).shape == (1, 48)


class _Skips(Assigned):
    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        from m2m_adapters.models.items import Skipped

        options["skipped"].append(Skipped(1, "b", "bad"))
        return self.text.encode([str(item) for item in items[:1]])


def test_items_left_out_are_not_missed() -> None:
    assert encode_items(_Skips(), ["a", "b"], on_error="skip").shape == (1, 64)
    with pytest.raises(UserError, match=r"returned shape \[1, 64\] for 2 items"):
        encode_items(_Skips(), ["a", "b", "c"], on_error="skip")


class _Mistaken(m2m.ItemTarget):
    modality = "image"

    def __init__(self) -> None:
        self.text = ToySource()

    def prepare(self, item: Any, **options: Any) -> Any:
        return item.no_such_attribute

    def forward(self, batch: list[Any]) -> Any:
        return batch


def test_a_mistake_in_code_is_not_a_bad_photo() -> None:
    with pytest.raises(AttributeError, match="no_such_attribute"):
        _Mistaken().encode_items(["a.png", "b.png"], on_error="skip")
