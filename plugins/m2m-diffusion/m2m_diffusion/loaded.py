"""What kinds and their text models see of the model that uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from m2m_diffusion.folders import Place


class Loaded(Protocol):
    """A :class:`~m2m_diffusion.target.DiffusionModel`, as they need it."""

    device: torch.device
    dtype: torch.dtype
    place: Place

    @property
    def text(self) -> Any: ...

    @property
    def pipeline(self) -> Any: ...
