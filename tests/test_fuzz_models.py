"""Every input either works or is refused in one line: no traceback, no hang, no wrong result."""

from __future__ import annotations

import io
import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import FUZZ, changed, mutated, outcome, parquet
from hypothesis import example, given
from hypothesis import strategies as st
from records import change_record

import m2m_adapters as m2m
from m2m_adapters.alignment.losses import Loss, parse_loss
from m2m_adapters.alignment.sweep import parse_grid
from m2m_adapters.errors import UserError
from m2m_adapters.models.images import rgb_image
from m2m_adapters.models.sounds import mono_samples
from m2m_adapters.testing import toy_sentences


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose files each example overwrites."""
    return tmp_path_factory.mktemp("fuzz")


# --- adapters ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = m2m.align(
        "toy-source", "toy-target", list(toy_sentences(200)), recipe="closed-form", progress=False
    )
    return made.save(tmp_path_factory.mktemp("good") / "adapter")


PROBE = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)


def projected(folder: Path) -> np.ndarray | UserError:
    return outcome(lambda: m2m.load_adapter(folder).project(PROBE[:, : _width(folder)]))


def _width(folder: Path) -> int:
    return m2m.load_adapter(folder).projector.shape.d_in


@FUZZ
@given(st.data())
def test_damaged_adapters_never_give_other_vectors(good: Path, place: Path, data: Any) -> None:
    name = data.draw(st.sampled_from(["adapter.json", "adapter.safetensors", "bank.safetensors"]))
    folder = place / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    (folder / name).write_bytes(data.draw(mutated((good / name).read_bytes())))
    vectors = projected(folder)
    if not isinstance(vectors, UserError):
        np.testing.assert_array_equal(vectors, projected(good))


@FUZZ
@given(st.data())
def test_records_of_strangers(good: Path, place: Path, data: Any) -> None:
    """Whoever can write the record can also compute its checksum."""
    content = json.loads((good / "adapter.json").read_text(encoding="utf-8"))
    content.pop("checksum", None)
    other = data.draw(changed(content))
    folder = place / "strange"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)

    def change(record: dict[str, Any]) -> None:
        record.clear()
        record.update(other if isinstance(other, dict) else {"x": other})

    try:
        change_record(folder, change)
    except ValueError:  # a number that JSON does not have
        return
    outcome(lambda: m2m.load_adapter(folder).save(place / "again"))
    vectors = projected(folder)
    if not isinstance(vectors, UserError):
        assert np.isfinite(vectors).all()


# --- names, expressions, registries ------------------------------------------------------------

PIECES = [
    "mse",
    "structure",
    "*",
    "+",
    " ",
    "48",
    "1e3",
    "-",
    ".",
    "nan",
    "inf",
    "l1",
    "e",
    "9" * 400,
]


@FUZZ
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=20))
def test_losses(expression: str) -> None:
    loss = outcome(lambda: parse_loss(expression))
    if isinstance(loss, Loss):
        assert parse_loss(str(loss)) == loss


@FUZZ
@given(st.lists(st.tuples(st.floats(1e-300, 1e300), st.sampled_from(["mse", "structure", "l1"])),
                min_size=1, max_size=4))  # fmt: skip
@example([(1e6, "mse"), (48.123456789, "structure")])
def test_losses_keep_their_weights(terms: list[tuple[float, str]]) -> None:
    loss = parse_loss(" + ".join(f"{w!r} * {n}" for w, n in terms))
    assert loss.terms == tuple(terms) and parse_loss(str(loss)) == loss


@FUZZ
@given(st.lists(st.sampled_from(["ridge", "layers", "=", ",", "0.1", "2", "x", "residual", "true"]),
                max_size=6).map("".join) | st.text(max_size=12))  # fmt: skip
def test_grids(written: str) -> None:
    outcome(lambda: parse_grid([written]))


@FUZZ
@given(st.lists(st.sampled_from(["toy-source", "+", "*", "0.5", "-1", "st:", "/", "~", " ", "@"]),
                max_size=6).map("".join) | st.text(max_size=12))  # fmt: skip
@example("st:/")
@example("st:~nobody/x+toy-source")
def test_names_of_sources(name: str) -> None:
    outcome(lambda: m2m.load_source(name))


REGISTRY = {
    "sources": {"mine": {"plugin": "st", "model": "org/name", "dim": 8, "languages": ["en"]}},
    "targets": {"theirs": {"plugin": "clip", "model": "x", "modality": "image", "options": {}}},
    "adapters": {"a": {"model": "org/a", "source": "mine", "target": "theirs"}},
    "plugins": {"st": {"distribution": "m2m-st", "install": "pip install it"}},
}


@FUZZ
@example({"sources": {"\ud800": {}}})
@example({"sources": {"a": {"notes": "\ud800"}}})
@given(changed(REGISTRY) | st.text(max_size=40) | st.binary(max_size=40))
def test_registries(written: object) -> None:
    import yaml

    from m2m_adapters.registry.entries import read

    if isinstance(written, bytes):
        text = written.decode("latin-1")
    else:
        text = written if isinstance(written, str) else yaml.safe_dump(written)
    outcome(lambda: read([(text, "registry.yaml")]))


@FUZZ
@given(st.text(max_size=12) | st.lists(
    st.sampled_from(["en", "zh", "Hant", "-", "_", "pt", "BR", "x", "jpn", "419", "English"]),
    max_size=6).map("".join))  # fmt: skip
@example("\0").via("SystemError and UnicodeDecodeError in langcodes")
@example("e-1")
@example("tw-ß")
@example("ßwo _")
def test_language_tags(written: str) -> None:
    from m2m_adapters._internal.languages import iso3, language, normalize_tag

    tag = normalize_tag(written)
    assert normalize_tag(tag) == tag
    language(written)
    iso3(written)


# --- items and vectors -------------------------------------------------------------------------


def picture(kind: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)).save(file, kind)
    return file.getvalue()


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(np.arange(400, dtype=np.int16).tobytes())
    return file.getvalue()


@FUZZ
@given(
    st.sampled_from(["PNG", "GIF", "BMP", "JPEG", "TIFF", "WEBP"]).flatmap(
        lambda kind: mutated(picture(kind))
    )
    | st.binary(max_size=60)
)
def test_pictures(raw: bytes) -> None:
    image = outcome(lambda: rgb_image(raw))
    if not isinstance(image, UserError):
        assert image.mode == "RGB" and np.asarray(image).shape == (*image.size[::-1], 3)


@FUZZ
@given(mutated(sound()) | st.binary(max_size=60))
def test_sounds(raw: bytes) -> None:
    pytest.importorskip("soundfile")
    samples = outcome(lambda: mono_samples(raw, 8000))
    if not isinstance(samples, UserError):
        assert samples.ndim == 1 and samples.size and np.isfinite(samples).all()


@FUZZ
@given(
    st.sampled_from([".npy", ".npz", ".safetensors", ".parquet"]).flatmap(
        lambda kind: st.tuples(st.just(kind), mutated(vectors_file(kind)) | st.binary(max_size=60))
    )
)
def test_files_of_vectors(place: Path, file: tuple[str, bytes]) -> None:
    path = place / f"v{file[0]}"
    path.write_bytes(file[1])
    outcome(lambda: m2m.align_vectors(path, progress=False))


def vectors_file(kind: str) -> bytes:
    from safetensors.numpy import save

    rng = np.random.default_rng(0)
    both = {side: rng.normal(size=(60, 4)).astype(np.float32) for side in ("source", "target")}
    if kind == ".safetensors":
        return bytes(save(both))
    if kind == ".parquet":
        return parquet({side: rows.tolist() for side, rows in both.items()})
    file = io.BytesIO()
    np.savez(file, **both) if kind == ".npz" else np.save(file, both["source"])
    return file.getvalue()
