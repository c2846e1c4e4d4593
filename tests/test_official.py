"""Published .pth files: the real ones where they lie, the same layouts made here, and bad ones."""

from __future__ import annotations

import itertools
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import m2m_adapters as m2m
from m2m_adapters.artifact.import_m2m import import_checkpoint
from m2m_adapters.errors import UserError
from m2m_adapters.testing import AffineTarget, ToySource

REFERENCE = Path(
    os.environ.get("M2M_REFERENCE") or Path(__file__).resolve().parents[2] / "shared" / "reference"
)
OFFICIAL = REFERENCE / "official"
needs_reference = pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="the published checkpoints are not here (M2M_REFERENCE)"
)

CLAP, JINA, FLUX = (
    "clap_general_multiMpnet_audiocaps_clotho_wavcaps/checkpoint.pth",
    "en_250_mse_klclip_L1_jina_multiMpnet/checkpoint.pth",
    "flux_en_250K_mse_clip_multiMpnet/epoch_10.pth",
)


def reference(name: str) -> tuple[np.ndarray, np.ndarray]:
    from safetensors.numpy import load_file

    found = load_file(OFFICIAL / Path(name).parent / "io.safetensors")
    return found["source"], found["expected"]


def relative(ours: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(ours - expected) / np.linalg.norm(expected))


@needs_reference
@pytest.mark.parametrize(("name", "names", "shape"), [
    (CLAP, {}, (768, 512, 2, "l2")),
    (JINA, {}, (768, 768, 1, "l2")),
    (FLUX, {"source": "mpnet", "target": "flux"}, (768, 768, 2, "layernorm")),
])  # fmt: skip
def test_official_files_match(
    name: str, names: dict[str, str], shape: tuple[Any, ...], tmp_path: Path
) -> None:
    made = import_checkpoint(OFFICIAL / name, **names)
    found = made.projector.shape
    assert (found.d_in, found.d_out, found.layers, found.head) == shape
    source, expected = reference(name)
    assert relative(made.project(source), expected) < 1e-5
    loaded = m2m.load_adapter(made.save(tmp_path / "adapter"))
    np.testing.assert_array_equal(loaded.project(source), made.project(source))
    told = loaded.record
    assert told.source.name == "mpnet" and told.source.normalize is False
    assert told.target.name == {CLAP: "clap", JINA: "jina-clip", FLUX: "flux"}[name]
    assert "/" not in json.dumps(told.imported.config)  # no path of their machines


@needs_reference
def test_the_bfloat16_one_in_bfloat16() -> None:
    made = import_checkpoint(OFFICIAL / FLUX, "mpnet", "flux")
    assert made.record.imported.dtype == "bfloat16"
    source, expected = reference(FLUX)
    half = made.projector.bfloat16()
    with torch.inference_mode():
        ours = half(torch.from_numpy(source).bfloat16()).float().numpy()
    assert relative(ours, expected) < 2e-2


@needs_reference
def test_a_wrong_encoder_is_refused() -> None:
    with pytest.raises(UserError, match="takes vectors of 768, the source 'minilm' has 384"):
        import_checkpoint(OFFICIAL / JINA, "minilm")
    with pytest.raises(UserError, match="gives vectors of 512, the target 'jina-clip' has 768"):
        import_checkpoint(OFFICIAL / CLAP, target="jina-clip")
    with pytest.raises(UserError, match="does not say which source"):
        import_checkpoint(OFFICIAL / FLUX)


class Theirs(nn.Module):
    """Their inference, written from the paper: layers, skip connections, head."""

    def __init__(self, widths: list[int], skip: bool, norm: bool) -> None:
        super().__init__()
        self.mlps = nn.ModuleList(nn.Linear(i, o) for i, o in itertools.pairwise(widths))
        if norm:
            self.layer_norm = nn.LayerNorm(widths[-1])
            nn.init.normal_(self.layer_norm.weight)
            nn.init.normal_(self.layer_norm.bias)
        self.skip, self.norm = skip, norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.mlps:
            x = x + layer(x) if self.skip else layer(x)
        return self.layer_norm(x) if self.norm else nn.functional.normalize(x, dim=-1)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_every_published_layout(tmp_path: Path, layers: int, skip: bool, norm: bool) -> None:
    torch.manual_seed(layers)
    d_out = 64 if skip else 48
    theirs = Theirs([64] + [d_out] * layers, skip, norm).eval()
    torch.save(theirs.state_dict(), tmp_path / "checkpoint.pth")
    config = {"num_layers": layers, "emb_method": "skip_conn" if skip else "no_skip_conn",
              "text_model": "somebody's", "eng_base_path": "/home/somebody"}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    made = import_checkpoint(tmp_path / "checkpoint.pth", ToySource(), AffineTarget(d_out))
    x = torch.randn(10, 64) * 3
    with torch.inference_mode():
        np.testing.assert_allclose(made.project(x.numpy()), theirs(x).numpy(), atol=2e-6)


def save(path: Path, **tensors: Any) -> Path:
    state = {
        "mlps.0.weight": torch.randn(48, 64),
        "mlps.0.bias": torch.randn(48),
        **{k.replace("__", "."): v for k, v in tensors.items()},
    }
    torch.save({k: v for k, v in state.items() if v is not None}, path)
    return path


class Bomb:
    def __reduce__(self) -> Any:
        return (os.mkdir, ("ran",))


@pytest.mark.parametrize(("tensors", "told"), [
    ({"mlps__0__bias": Bomb()}, "other things than tensors"),
    ({"mlps__0__bias": None}, "missing or misshaped"),
    ({"mlps__2__weight": torch.zeros(2, 2)}, r"numbered \[0, 2\]"),
    ({"labse__embeddings": torch.zeros(2)}, "not a layer of theirs"),
    ({"mlps__0__bias": torch.zeros(47)}, "does not fit the other layers"),
    ({"layer_norm__weight": torch.zeros(48)}, "does not fit the other layers"),
    ({"mlps__0__bias": torch.zeros(48, dtype=torch.int64)}, "is torch.int64"),
    ({"mlps__0__bias": torch.full((48,), torch.nan)}, "NaN or infinity"),
    ({"mlps__0__weight": torch.zeros(1).expand(1 << 20, 1 << 20)}, "claims more|larger than"),
    ({"epoch": 3}, "'epoch' is not a tensor"),
    ({"mlps__0__bias": torch.zeros(48).to_sparse()}, "other things|not a plain tensor"),
    ({"mlps__0__bias": torch.zeros(48, device="meta")}, "other things|not a plain tensor"),
    ({"mlps__0__bias": torch.nested.nested_tensor([torch.zeros(2)])},
     "other things|not a plain tensor"),
])  # fmt: skip
def test_bad_checkpoints(
    tmp_path: Path, tensors: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path / "checkpoint.pth", **tensors)
    with pytest.raises(UserError, match=told) as refused:
        import_checkpoint(path, ToySource(), AffineTarget())
    assert "\n" not in str(refused.value) and "weights_only=False" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    good = save(tmp_path / "good.pth")
    import_checkpoint(good, ToySource(), AffineTarget())
    (tmp_path / "text.pth").write_text("hello")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    torch.save({}, tmp_path / "empty.pth")
    torch.save({"mlps.0.weight": torch.zeros(2, 2)}, tmp_path / "old.pth",
               _use_new_zipfile_serialization=False)  # fmt: skip
    with (
        zipfile.ZipFile(good) as a,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as b,
    ):
        for entry in a.infolist():
            b.writestr(entry.filename, a.read(entry))
    for name in ("text", "tensor", "empty", "old", "packed"):
        with pytest.raises(UserError, match="not a published checkpoint"):
            import_checkpoint(tmp_path / f"{name}.pth", ToySource(), AffineTarget())
    with pytest.raises(UserError, match="cannot read"):
        import_checkpoint(tmp_path / "absent.pth", ToySource(), AffineTarget())


def test_a_config_that_does_not_fit(tmp_path: Path) -> None:
    path = save(tmp_path / "checkpoint.pth")
    (tmp_path / "config.json").write_text('{"num_layers": 2}')
    with pytest.raises(UserError, match="has 1 layers, the config beside it says 2"):
        import_checkpoint(path, ToySource(), AffineTarget())
    (tmp_path / "config.json").write_text('{"emb_method": "topk"}')
    with pytest.raises(UserError, match="'topk' is not known"):
        import_checkpoint(path, ToySource(), AffineTarget())
    (tmp_path / "config.json").write_text('{"emb_method": "skip_conn"}')
    with pytest.raises(UserError, match="cannot be residual"):
        import_checkpoint(path, ToySource(), AffineTarget())


def test_an_encrypted_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    path = save(tmp_path / "checkpoint.pth")
    raw = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = raw.find(sign)
        while start >= 0:
            raw[start + place] |= 1  # the flag of encryption
            start = raw.find(sign, start + 4)
    path.write_bytes(bytes(raw))
    with pytest.raises(UserError, match="not a published checkpoint"):
        import_checkpoint(path, ToySource(), AffineTarget())
