"""Reads an original ``.pt`` checkpoint safely, and tells from its weights what model it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import Located, digest_file

# Width of HTSAT's first layer -> the package's name for that size.
SIZES = {96: "tiny", 128: "base", 256: "large"}
# A buffer of old releases of transformers: there or not, it means nothing.
_NO_WEIGHT = "text_branch.embeddings.position_ids"
_WORDS = "text_branch.embeddings.word_embeddings.weight"
_TYPES = "text_branch.embeddings.token_type_embeddings.weight"
_PATCHES = "audio_branch.patch_embed.proj.weight"


@dataclass(frozen=True)
class Checkpoint:
    """state: tensors by the names laion-clap gives them, mapped from the file, not yet read.

    size: of the audio tower (``tiny``, ``base``, ``large``); fused: trained with feature fusion.
    """

    located: Located
    state: dict[str, Any]
    size: str
    fused: bool

    def part(self, prefix: str) -> dict[str, Any]:
        """The tensors below ``prefix``, without it."""
        start = len(prefix)
        return {k[start:]: v for k, v in self.state.items() if k.startswith(prefix)}


def read(file: str) -> Checkpoint:
    """The checkpoint in ``file``; nothing in it is executed."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise UserError(
            f"there is no checkpoint file {file}",
            "give the .pt file itself, e.g. laion-clap:music_audioset_epoch_15_esc_90.14.pt; "
            "models of the hub are for clap:ORG/MODEL",
        )
    state = _state(path)
    missing = [name for name in (_WORDS, _TYPES, _PATCHES) if name not in state]
    if missing:
        raise UserError(
            f"{file} is not a laion-clap checkpoint with HTSAT and RoBERTa (no {missing[0]})",
            "give a checkpoint with these towers, as the package's own are",
        )
    if len(state[_TYPES]) != 1:
        raise UserError(f"the text tower of {file} is BERT, not RoBERTa", "use another checkpoint")
    width = int(state[_PATCHES].shape[0])
    if width not in SIZES:
        raise UserError(
            f"the audio tower of {file} is {width} wide; laion-clap knows "
            f"{', '.join(map(str, SIZES))}",
            "use another checkpoint",
        )
    fused = any(name.startswith("audio_branch.patch_embed.fusion_model") for name in state)
    located = Located(file, path.parent, None, f"files:{digest_file(path)}")
    return Checkpoint(located, state, SIZES[width], fused)


def _state(path: Path) -> dict[str, Any]:
    import numpy as np
    import torch

    # Trainers left their scores in the file as numpy numbers; these types hold data only. The
    # function has two names, of numpy 1 and numpy 2.
    from numpy._core import multiarray

    names = [f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")]
    harmless = [np.dtype, *((multiarray.scalar, name) for name in names), *_number_types(np)]
    try:
        with torch.serialization.safe_globals(harmless):
            loaded = _loaded(path)
        loaded = loaded.get("state_dict", loaded)
        state = {name.removeprefix("module."): value for name, value in loaded.items()}
        if not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise TypeError("not a dictionary of tensors")
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}: {reason[:160]})",
            "it is damaged, or holds code, which is never run; fetch the original again",
        ) from error
    state.pop(_NO_WEIGHT, None)
    return state


def _loaded(path: Path) -> Any:
    import torch

    try:  # the optimizer's state, twice the weights, then stays on disk
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # files of torch before 1.6 cannot be mapped
        return torch.load(path, map_location="cpu", weights_only=True)


def _number_types(np: Any) -> list[Any]:
    return [type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")]
