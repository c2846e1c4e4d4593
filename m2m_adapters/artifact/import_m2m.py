"""Adapters published by the authors of M2M (arXiv 2601.10096): ``.pth`` files -> our artifact.

Their files hold ``mlps.N.weight`` and ``mlps.N.bias`` and, for diffusion models, a
``layer_norm``; a ``config.json`` beside them says which encoders they belong to. They take
their source's vectors as they come, not scaled to length 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.describe import describe_source, describe_target
from m2m_adapters.artifact.published_file import read_state, shape_of_state, their_name
from m2m_adapters.artifact.record import (
    ImportedRecord,
    ModelOptions,
    SourceRecord,
    TargetRecord,
)
from m2m_adapters.artifact.untrusted import JSON_LIMIT, parse_json, read_file
from m2m_adapters.artifact.weights import new_record
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder
from m2m_adapters.registry.entries import registry
from m2m_adapters.registry.names import load_source, load_target

if TYPE_CHECKING:
    from torch import Tensor

    from m2m_adapters.projectors.affine import AffineShape

LIMIT = 1 << 30

# The authors' names of encoders -> ours.
SOURCES = {
    "multiMpnet": "mpnet",
    "multiMiniLM": "minilm",
    "jinaTextv3": "jina-v3",
    "labse": "labse",
}
TARGETS = {
    "jinav1": "jina-clip",
    "align": "align",
    "cliplarge": "clip-l14",
    "clap_general": "clap",
    "clap_ht_fused": "clap-htsat-fused",
}
CONFIG_KEYS = (
    "num_layers", "emb_method", "loss_method", "epochs", "lr", "batch_size", "warmup_steps",
    "c_dist", "c_kl_clip", "train_langs", "wandb_name",
)  # fmt: skip


def import_checkpoint(
    checkpoint: str | Path,
    source: str | TextEncoder | None = None,
    target: str | ModalityModel | None = None,
    *,
    residual: bool | None = None,
    url: str | None = None,
) -> Adapter:
    """A published checkpoint as an adapter; weights are kept in float32.

    source, target: names or objects; without them the config beside the file must name them.
    residual: whether layers add to their input; None asks the config (``emb_method``).
    url: where the file was fetched, for the record.
    """
    path = Path(checkpoint)
    raw = read_file(path, LIMIT, path.resolve().parent)
    state = read_state(raw, path)
    config = read_config(path.with_name("config.json"))
    their_target = config.get("audio_model") or config.get("image_model")
    source = source or _named(SOURCES, config.get("text_model"), "source", path)
    target = target or _named(TARGETS, their_target, "target", path)
    if residual is None:
        residual = _is_residual(config, path)
    shape = shape_of_state(state, residual, path)
    layers = config.get("num_layers", shape.layers)
    if layers != shape.layers:
        raise UserError(
            f"{path} has {shape.layers} layers, the config beside it says {str(layers)[:40]}",
            "put the right config.json beside the file, or take it away",
        )
    projector = _projector(shape, state)
    record = new_record(
        projector,
        source=_source(source, shape, path),
        target=_target(target, shape, path),
        imported=ImportedRecord(
            file=f"{path.parent.name}/{path.name}",
            sha256=hashlib.sha256(raw).hexdigest(),
            dtype=str(next(iter(state.values())).dtype).removeprefix("torch."),
            paper="arXiv 2601.10096",
            config={key: config[key] for key in CONFIG_KEYS if key in config},
            url=url,
        ),
    )
    return Adapter(
        projector,
        record,
        source=source if isinstance(source, TextEncoder) else None,
        target=target if isinstance(target, ModalityModel) else None,
    )


def _named(ours: dict[str, str], recorded: object, side: str, path: Path) -> str:
    """Our name of the encoder that the config names."""
    if (name := ours.get(str(recorded))) is not None:
        return name
    raise UserError(
        f"{path} does not say which {side} it belongs to",
        f"name it: --{side} {'mpnet' if side == 'source' else 'jina-clip'}",
    )


def _is_residual(config: Mapping[str, object], path: Path) -> bool:
    """Whether layers add to their input, by the config or else the file's path."""
    method = config.get("emb_method", "skip_conn" if "skip_conn" in str(path) else None)
    if method not in (None, "skip_conn", "no_skip_conn"):
        raise UserError(
            f"{path.with_name('config.json')}: the method '{str(method)[:40]}' is not known",
            "only plain and residual stacks can be imported",
        )
    return bool(method == "skip_conn")


def read_config(path: Path) -> dict[str, Any]:
    """Their config, if it lies beside the checkpoint."""
    return parse_json(read_file(path, JSON_LIMIT), path) if path.is_file() else {}


def _projector(shape: AffineShape, state: dict[str, Tensor]) -> Any:
    from m2m_adapters.projectors.affine import AffineProjector

    projector = AffineProjector(shape)
    projector.load_state_dict({n: state[their_name(n)].float() for n in projector.state_dict()})
    return projector


def _source(source: str | TextEncoder, shape: AffineShape, path: Path) -> SourceRecord:
    # The published map has biases and was trained on unnormalized vectors: lengths matter.
    options = {"normalize": False}
    entry = registry().find("source", source) if isinstance(source, str) else None
    if entry is not None:
        _fits("source", str(source), entry.dim, shape.d_in, path)
        return SourceRecord(
            name=entry.name,
            class_name="",
            dim=shape.d_in,
            fingerprint=None,
            normalize=False,
            max_tokens=None,
            provenance={"model": entry.model, "license": entry.license},
            options=ModelOptions(normalize=False),
        )
    encoder = load_source(source, **options) if isinstance(source, str) else source
    name = source if isinstance(source, str) else None
    _fits("source", name or type(encoder).__name__, encoder.dim, shape.d_in, path)
    return describe_source(encoder, name, False, options if name else {})


def _target(target: str | ModalityModel, shape: AffineShape, path: Path) -> TargetRecord:
    entry = registry().find("target", target) if isinstance(target, str) else None
    if entry is not None:
        _fits("target", str(target), entry.dim, shape.d_out, path)
        return TargetRecord(
            name=entry.name,
            class_name="",
            modality=entry.modality or "image",
            dim=shape.d_out,
            normalized=shape.head == "l2",
            fingerprint=None,
            provenance={"model": entry.model, "license": entry.license},
            options=ModelOptions(),
        )
    model = load_target(target) if isinstance(target, str) else target
    name = target if isinstance(target, str) else None
    _fits("target", name or type(model).__name__, model.space.dim, shape.d_out, path)
    return describe_target(model, name, {})


def _fits(side: str, name: str, dim: int | None, width: int, path: Path) -> None:
    if dim is not None and dim != width:
        raise UserError(
            f"{path} {'takes' if side == 'source' else 'gives'} vectors of {width}, "
            f"the {side} '{name}' has {dim}",
            f"name the {side} it was trained with",
        )
