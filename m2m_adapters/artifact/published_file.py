"""The file of a published adapter: ``.pth`` -> tensors -> the shape of its projector.

No code in the file is run, and no size it claims is believed.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from m2m_adapters.projectors.affine import AffineShape

LAYER = re.compile(r"mlps\.(\d{1,2})\.(weight|bias)")
NORM = ("layer_norm.weight", "layer_norm.bias")


class NotPublished(UserError):
    """The file is not a published checkpoint."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path} is not a published checkpoint: {what}",
            "give the unchanged .pth file of an adapter published with M2M",
        )


def read_state(raw: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pth`` file by their published names."""
    _check_archive(raw, path)
    state = {}
    for name, value in _load(raw, path).items():
        if not isinstance(name, str):
            raise NotPublished(path, f"'{str(name)[:60]}' is not a name")
        tensor = _checked_tensor(value, name[:60], path)
        plain = name.removeprefix("module.")
        if not LAYER.fullmatch(plain) and plain not in NORM:
            raise NotPublished(path, f"'{name[:60]}' is not a layer of theirs")
        state[plain] = tensor
    if not state:
        raise NotPublished(path, "it holds no tensors")
    return state


def _check_archive(raw: bytes, path: Path) -> None:
    """The archive is as torch.save writes it, and claims no more data than it has."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            inside = sum(entry.file_size for entry in entries)
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
            pickled = [entry for entry in entries if entry.filename.endswith("data.pkl")]
            if packed or inside > len(raw) or len(pickled) != 1:
                raise NotPublished(path, "its archive is not one that torch.save writes")
            claims = pickletools.genops(archive.read(pickled[0]))
            if any(type(claim) is int and abs(claim) > len(raw) for _, claim, _ in claims):
                raise NotPublished(path, "it claims more data than it has")
    # RuntimeError: the archive is encrypted
    except (zipfile.BadZipFile, ValueError, EOFError, RuntimeError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise NotPublished(path, reason) from error


def _load(raw: bytes, path: Path) -> dict[object, object]:
    import torch

    try:
        loaded = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch's message explains how to load it unsafely, which we do not advise.
        raise NotPublished(path, "it holds other things than tensors") from error
    for key in ("state_dict", "model_state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict):
        raise NotPublished(path, "it is not a table of tensors")
    return loaded


def _checked_tensor(value: object, name: str, path: Path) -> Tensor:
    """A plain, dense tensor of numbers."""
    import torch

    if not isinstance(value, torch.Tensor):
        raise NotPublished(path, f"'{name}' is not a tensor")
    if value.layout != torch.strided or value.device.type != "cpu" or value.is_nested:
        raise NotPublished(path, f"'{name}' is not a plain tensor")
    if value.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise NotPublished(path, f"'{name}' is {value.dtype}")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise NotPublished(path, f"'{name}' is larger than its data")
    if not bool(value.isfinite().all()):
        raise NotPublished(path, f"'{name}' holds NaN or infinity")
    return value


def shape_of_state(state: dict[str, Tensor], residual: bool, path: Path) -> AffineShape:
    """The shape of the projector; names and shapes of its tensors must leave nothing open."""
    from m2m_adapters.projectors.affine import AffineShape

    layers = _layers(state, path)
    first, last = state["mlps.0.weight"], state[f"mlps.{layers - 1}.weight"]
    hidden = {state[f"mlps.{n}.weight"].shape[0] for n in range(layers - 1)}
    inner = hidden.pop() if len(hidden) == 1 else None
    d_out = int(last.shape[0])
    shape = AffineShape(
        d_in=int(first.shape[1]),
        d_out=d_out,
        layers=layers,
        hidden=None if inner in (None, d_out) else int(inner),
        residual=residual,
        head="layernorm" if NORM[0] in state else "l2",
    )
    expected = {their_name(name): sides for name, sides in shape.tensors().items()}
    for name in sorted(set(expected) | set(state)):
        if name not in state or tuple(state[name].shape) != expected.get(name):
            raise NotPublished(path, f"'{name}' does not fit the other layers")
    if residual and any(wide != narrow for wide, narrow in shape.widths()):
        raise NotPublished(path, "its layers change their width, so it cannot be residual")
    return shape


def _layers(state: dict[str, Tensor], path: Path) -> int:
    """How many layers there are, each with weight and bias."""
    numbers = sorted({int(m[1]) for m in map(LAYER.fullmatch, state) if m})
    if numbers != list(range(len(numbers))) or not numbers:
        raise NotPublished(path, f"its layers are numbered {numbers}")
    for number in numbers:
        for part, sides in (("weight", 2), ("bias", 1)):
            tensor = state.get(f"mlps.{number}.{part}")
            if tensor is None or tensor.ndim != sides:
                raise NotPublished(path, f"'mlps.{number}.{part}' is missing or misshaped")
    return len(numbers)


def their_name(name: str) -> str:
    """Our name of a tensor -> the published one."""
    return name.replace("layers.", "mlps.").replace("norm.", "layer_norm.")
