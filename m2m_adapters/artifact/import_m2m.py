"""Adapters published by the authors of M2M (arXiv 2601.10096): ``.pth`` files -> our artifact.

Their files hold ``mlps.N.weight`` and ``mlps.N.bias`` and, for diffusion models, a
``layer_norm``; a ``config.json`` beside them says which encoders they belong to. They take
their source's vectors as they come, not scaled to length 1.
"""

from __future__ import annotations

import hashlib
import pickletools
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.describe import describe_source, describe_target
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
LAYER = re.compile(r"mlps\.(\d{1,2})\.(weight|bias)")

# Their names for encoders -> ours.
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
TOLD = ("num_layers", "emb_method", "loss_method", "epochs", "lr", "batch_size", "warmup_steps",
        "c_dist", "c_kl_clip", "train_langs", "wandb_name")  # fmt: skip


def import_checkpoint(
    checkpoint: str | Path,
    source: str | TextEncoder | None = None,
    target: str | ModalityModel | None = None,
    *,
    residual: bool | None = None,
    origin: dict[str, Any] | None = None,
) -> Adapter:
    """A published checkpoint as an adapter; weights are kept in float32.

    source, target: names or objects; without them the config beside the file must tell.
    residual: whether layers add to their input; None asks the config (``emb_method``).
    origin: where the file came from, for the record.
    """
    path = Path(checkpoint)
    raw = read_file(path, LIMIT, path.resolve().parent)
    state = read_state(raw, path)
    config = read_config(path.with_name("config.json"))
    source = source or SOURCES.get(str(config.get("text_model")))
    their_target = config.get("audio_model") or config.get("image_model")
    target = target or TARGETS.get(str(their_target))
    for side, found in (("source", source), ("target", target)):
        if found is None:
            raise UserError(
                f"{path} does not say which {side} it belongs to",
                f"name it: --{side} {'mpnet' if side == 'source' else 'jina-clip'}",
            )
    assert source is not None and target is not None
    if residual is None:
        method = config.get("emb_method", "skip_conn" if "skip_conn" in str(path) else None)
        if method not in (None, "skip_conn", "no_skip_conn"):
            raise UserError(
                f"{path.with_name('config.json')}: the method '{str(method)[:40]}' is not known",
                "only plain and residual stacks can be imported",
            )
        residual = method == "skip_conn"
    shape = shape_of_state(state, residual, path)
    told_layers = config.get("num_layers", shape.layers)
    if told_layers != shape.layers:
        raise UserError(
            f"{path} has {shape.layers} layers, the config beside it says {told_layers}",
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
            config={key: config[key] for key in TOLD if key in config},
            **(origin or {}),
        ),
    )
    return Adapter(
        projector,
        record,
        source=source if isinstance(source, TextEncoder) else None,
        target=target if isinstance(target, ModalityModel) else None,
    )


def read_state(raw: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pth`` file; no code in it is run, no claimed size is believed."""
    import io

    import torch

    def wrong(what: str) -> UserError:
        return UserError(
            f"{path} is not a published checkpoint: {what}",
            "give the .pth file of an adapter published with M2M",
        )

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            inside = sum(entry.file_size for entry in entries)
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
            pickled = [entry for entry in entries if entry.filename.endswith("data.pkl")]
            if packed or inside > len(raw) or len(pickled) != 1:
                raise wrong("its archive is not one that torch.save writes")
            claims = pickletools.genops(archive.read(pickled[0]))
            if any(type(claim) is int and abs(claim) > len(raw) for _, claim, _ in claims):
                raise wrong("it claims more data than it has")
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OSError) as error:
        raise wrong(str(error).splitlines()[0][:120]) from error
    try:
        loaded = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch explains at length how to load it unsafely; that is not our advice.
        raise wrong("it holds other things than tensors") from error
    if not isinstance(loaded, dict):
        raise wrong("it is not a table of tensors")
    for key in ("state_dict", "model_state_dict"):
        if isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    state: dict[str, Tensor] = {}
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise wrong(f"'{str(name)[:60]}' is not a tensor")
        known = LAYER.fullmatch(name.removeprefix("module."))
        if not known and name.removeprefix("module.") not in (
            "layer_norm.weight",
            "layer_norm.bias",
        ):
            raise wrong(f"'{name[:60]}' is not a layer of theirs")
        if value.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise wrong(f"'{name}' is {value.dtype}")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise wrong(f"'{name}' is larger than its data")
        if not bool(value.isfinite().all()):
            raise wrong(f"'{name}' holds NaN or infinity")
        state[name.removeprefix("module.")] = value
    if not state:
        raise wrong("it holds no tensors")
    return state


def read_config(path: Path) -> dict[str, Any]:
    """Their config, if it lies beside the checkpoint."""
    return parse_json(read_file(path, JSON_LIMIT), path) if path.is_file() else {}


def shape_of_state(state: dict[str, Tensor], residual: bool, path: Path) -> AffineShape:
    """What the tensors say the projector is; names and shapes must leave nothing open."""
    from m2m_adapters.projectors.affine import AffineShape

    def wrong(what: str) -> UserError:
        return UserError(
            f"{path} is not a published checkpoint: {what}", "give an unchanged published file"
        )

    numbers = sorted({int(m[1]) for m in map(LAYER.fullmatch, state) if m})
    if numbers != list(range(len(numbers))) or not numbers:
        raise wrong(f"its layers are numbered {numbers}")
    for number in numbers:
        for part, sides in (("weight", 2), ("bias", 1)):
            found = state.get(f"mlps.{number}.{part}")
            if found is None or found.ndim != sides:
                raise wrong(f"'mlps.{number}.{part}' is missing or misshaped")
    first, last = state["mlps.0.weight"], state[f"mlps.{numbers[-1]}.weight"]
    hidden = {state[f"mlps.{n}.weight"].shape[0] for n in numbers[:-1]}
    inner = hidden.pop() if len(hidden) == 1 else None
    d_out = int(last.shape[0])
    shape = AffineShape(
        d_in=int(first.shape[1]),
        d_out=d_out,
        layers=len(numbers),
        hidden=None if inner in (None, d_out) else int(inner),
        residual=residual,
        head="layernorm" if "layer_norm.weight" in state else "l2",
    )
    wanted = {_their_name(name): sides for name, sides in shape.tensors().items()}
    for name in sorted(set(wanted) | set(state)):
        if name not in state or tuple(state[name].shape) != wanted.get(name):
            raise wrong(f"'{name}' does not fit the other layers")
    if residual and any(wide != narrow for wide, narrow in shape.widths()):
        raise wrong("its layers change their width, so it cannot be residual")
    return shape


def _their_name(name: str) -> str:
    return name.replace("layers.", "mlps.").replace("norm.", "layer_norm.")


def _projector(shape: AffineShape, state: dict[str, Tensor]) -> Any:
    from m2m_adapters.projectors.affine import AffineProjector

    projector = AffineProjector(shape)
    projector.load_state_dict({n: state[_their_name(n)].float() for n in projector.state_dict()})
    return projector


def _source(source: str | TextEncoder, shape: AffineShape, path: Path) -> SourceRecord:
    # Their map has biases and was trained on vectors as they come: lengths matter.
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
            provenance={"model": entry.model, "licence": entry.licence},
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
            provenance={"model": entry.model, "licence": entry.licence},
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
