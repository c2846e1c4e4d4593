"""What goes wrong quietly in the libraries, and must not here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import st_folders
import torch
from m2m_sentence_transformers.source import TokenSource, WholeSource
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st
from st_folders import load

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.models import choose_precision
from m2m_adapters.testing import TextEncoderSuite, toy_sentences

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a small model, to be damaged."""
    return Path(shutil.copytree(st_folders.folder("mpnet"), tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, **changes}))


def test_without_tokenizer_files(folder: Path) -> None:
    for name in TOKENIZER_FILES:
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(UserError):
        load(str(folder), device="cpu")


def test_a_tokenizer_of_a_few_tokens(folder: Path) -> None:
    """Quietly near-empty tokenizers are how two texts come to be one vector."""
    import transformers as tf
    from tokenizers import Tokenizer, models

    words = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    empty = tf.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<unk>")),
        pad_token="<pad>",
        unk_token="<unk>",
    )
    empty.save_pretrained(folder)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(["dog", "cat"])
    np.testing.assert_allclose(theirs[0], theirs[1], atol=1e-6)  # the trap itself
    with pytest.raises(UserError, match="knows 4 tokens"):
        load(str(folder), device="cpu")


def test_sentences_that_look_like_pictures_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that also reads pictures would open, or fetch, what such a sentence names."""
    pytest.importorskip("PIL", reason="a model of pictures needs Pillow")
    import clip_folder_for_st

    SentenceTransformer(
        modules=[st.Transformer(str(clip_folder_for_st.folder()))], device="cpu"
    ).save(str(tmp_path / "clip"))
    texts = ["a dog", "http://127.0.0.1:9/dog.png", "dog.png", "see example.com/a.jpg"]
    theirs = SentenceTransformer(str(tmp_path / "clip"), device="cpu")
    with pytest.raises(Exception, match=r"(?i)dog.png|image|connection"):  # the trap itself
        theirs.encode(texts[1:2])
    mine = load(str(tmp_path / "clip"), device="cpu")
    vectors = mine.encode(texts)
    assert vectors.shape == (4, mine.dim) and len(np.unique(vectors.round(4), axis=0)) == 4
    expected = theirs.encode(texts[:1], normalize_embeddings=True)
    np.testing.assert_allclose(vectors[:1], expected, atol=1e-6)


class TestStatic(TextEncoderSuite):
    """Word vectors, which the library runs as a whole."""

    def make(self):
        return load(str(static_folder()), device="cpu")


@cache
def static_folder() -> Path:
    folder = Path(mkdtemp(prefix="m2m-st-static-"))
    torch.manual_seed(0)
    part = st.StaticEmbedding(st_folders.bert_tokenizer().backend_tokenizer, embedding_dim=16)
    SentenceTransformer(modules=[part], device="cpu").save(str(folder))
    return folder


def test_static_word_vectors_run_whole() -> None:
    mine = load(str(static_folder()), device="cpu")
    assert isinstance(mine, WholeSource) and mine.encode([]).shape == (0, 16)
    texts = ["a dog", "see dog.png", ""]
    theirs = SentenceTransformer(str(static_folder()), device="cpu").encode(texts)
    lengths = np.linalg.norm(theirs, axis=1, keepdims=True)
    np.testing.assert_allclose(
        mine.encode(texts), theirs / np.where(lengths, lengths, 1), atol=1e-6
    )


def test_options_of_a_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E5 wants "query: " before every sentence: the registry says so once for all."""
    from m2m_adapters.registry.entries import registry

    for name in ("e5-small", "e5-base", "e5-large"):
        assert registry().find("source", name).options["prompt"] == "query: "
    (tmp_path / "mine.yaml").write_text(
        f"sources:\n  mine:\n    plugin: st\n    model: {st_folders.folder('e5')}\n"
        '    options: {prompt: "query: ", truncate_dim: 8}\n'
    )
    monkeypatch.setenv("M2M_REGISTRY", str(tmp_path / "mine.yaml"))
    mine = m2m.load_source("mine", device="cpu", precision="fp32")
    assert mine.provenance["prompt"] == "query: " and mine.dim == 8
    by_hand = load(str(st_folders.folder("e5")), device="cpu", prompt="query: ", truncate_dim=8)
    assert mine.fingerprint == by_hand.fingerprint


def test_foreign_code_runs_by_the_users_word_alone(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (folder / "mine.py").write_text(
        f"open({str(mark)!r}, 'w').close()\n"
        "from sentence_transformers.sentence_transformer.modules import Normalize as Mine\n"
    )
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 2, "name": "2", "path": "2_Mine", "type": "mine.Mine"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=r"mine\.Mine.*--trust-remote-code"):
        load(str(folder), device="cpu")
    assert not mark.exists()


def test_code_named_by_the_encoder_is_refused_too(folder: Path) -> None:
    edit(folder / "config.json", model_type="far", auto_map={"AutoModel": "far.Far"})
    with pytest.raises(UserError, match=r"far\.Far.*--trust-remote-code"):
        load(str(folder), device="cpu")


def test_what_is_not_a_model(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "prose").mkdir()
    (tmp_path / "prose" / "a.txt").write_text("prose")
    (tmp_path / "file").write_text("x")
    for name, told in {
        "empty": "is empty",
        "prose": "modules.json",
        "file": "is a file",
        "absent/folder/x": "no model folder",
    }.items():
        with pytest.raises(UserError, match=told):
            load(str(tmp_path / name))
    (folder / "modules.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        load(str(folder))


def test_weights_cut_short(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:5000])
    with pytest.raises(UserError, match="cannot be loaded"):
        load(str(folder), device="cpu")


def test_weights_that_are_missing(folder: Path) -> None:
    """The library fills the gap with random numbers and goes on."""
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    name = next(key for key in state if "layer.1" in key and key.endswith("weight"))
    del state[name]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="lacks weights"):
        load(str(folder), device="cpu")


def test_a_missing_pooler_is_nobodys_loss(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in state.items() if not key.startswith("pooler.")}
    assert len(kept) < len(state)
    before = load(str(folder), device="cpu").encode(["a dog"])
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    np.testing.assert_array_equal(load(str(folder), device="cpu").encode(["a dog"]), before)


def test_fingerprints(folder: Path) -> None:
    first = load(str(folder), device="cpu").fingerprint
    assert first == load(str(st_folders.folder("mpnet")), device="cpu").fingerprint
    for options in ({"precision": "bf16"}, {"truncate_dim": 8}, {"normalized": False}):
        assert load(str(folder), device="cpu", **options).fingerprint != first
    (folder / "README.md").write_text("prose changes no vector")
    assert load(str(folder), device="cpu").fingerprint == first
    edit(folder / "1_Pooling" / "config.json", pooling_mode="cls")
    assert load(str(folder), device="cpu").fingerprint != first


def test_a_hub_model_in_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, commit = tmp_path / "hub", "a" * 40
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    repo = cache / "models--some--model"
    shutil.copytree(folder, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    made = load("some/model", device="cpu")
    assert made.fingerprint.startswith(f"st:hub:some/model@{commit}:")
    assert made.provenance["revision"] == commit


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: str) -> None:
    texts = ["a dog barks", "rain on a tin roof"]
    whole = load(str(st_folders.folder("e5")), device="cpu")
    half = load(str(st_folders.folder("e5")), device="cpu", precision=precision)
    assert isinstance(half, TokenSource) and half.encode(texts).dtype == np.float32
    assert (
        next(half.model.parameters()).dtype
        == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    )
    assert ((whole.encode(texts) * half.encode(texts)).sum(1) > 0.99).all()
    assert not np.array_equal(whole.encode(texts), half.encode(texts))


def test_the_default_is_the_precision_in_which_the_processor_is_fast() -> None:
    from m2m_sentence_transformers import source

    made = source.load(str(st_folders.folder("e5")), device="cpu")
    assert made.provenance["precision"] == choose_precision("auto", torch.device("cpu"))


def test_backends_that_are_not_installed() -> None:
    import importlib.util

    for backend, package in (("onnx", "optimum"), ("openvino", "openvino")):
        if importlib.util.find_spec(package) is None:
            with pytest.raises(UserError, match=rf"\[{backend}\]"):
                load(str(st_folders.folder("e5")), backend=backend)
    with pytest.raises(UserError, match="not a backend"):
        load(str(st_folders.folder("e5")), backend="tpu")


def test_offline_from_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from m2m_cli.main import run

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    with pytest.raises(SystemExit) as left:
        run(
            f"align --target toy-target --source st:nobody/absent "
            f"--texts {tmp_path}/texts.txt --out {tmp_path}/out".split()
        )
    told = capsys.readouterr().err
    assert left.value.code == 2 and len(told.strip().splitlines()) == 1
    assert "hf download nobody/absent" in told and "st:FOLDER" in told


def test_from_the_shell(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    parts = [f"st:{st_folders.folder(shape)}" for shape in ("mpnet", "labse")]
    command = [sys.executable, "-m", "m2m_cli.main", "align", "--target", "toy-target"]
    command += ["--texts", "texts.txt", "--out", "out", "--source", "+".join(parts)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    adapter = m2m.load_adapter(tmp_path / "out")
    assert adapter.source.dim == 48 and adapter.encode(["ein Hund"]).shape == (1, 48)


def test_a_dense_layer_with_a_foreign_activation_is_not_replaced_by_tanh(tmp_path: Path) -> None:
    """sentence-transformers falls back to Tanh: other vectors under the same fingerprint."""
    import sentence_transformers.sentence_transformer.modules as st

    folder = tmp_path / "model"
    (folder / "1_Dense").mkdir(parents=True)
    st.Dense(4, 4).save(str(folder / "1_Dense"))
    config = json.loads((folder / "1_Dense" / "config.json").read_text())
    config["activation_function"] = "my_package.Swish"
    (folder / "1_Dense" / "config.json").write_text(json.dumps(config))
    (folder / "modules.json").write_text(json.dumps([
        {"idx": 1, "name": "1", "path": "1_Dense",
         "type": "sentence_transformers.sentence_transformer.modules.Dense"},
    ]))  # fmt: skip
    with pytest.raises(UserError, match=r"code of its own \(my_package\.Swish\)"):
        m2m.load_source(f"st:{folder}")
