"""What alignment, artifacts and exporters may ask of a projector, whatever it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from m2m_adapters.errors import AbilityMissing
from m2m_adapters.interfaces import Vectors
from m2m_adapters.projectors.rows import Rows

Scalar = int | float | str | bool | None
Spread = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Mean and variance ``[d_out]`` of vectors."""


class Shape(Protocol):
    """Everything needed to build a projector again.

    d_in: columns of what it reads. d_out: columns of the target's space. head: what its result
    goes through last.
    """

    @property
    def d_in(self) -> int: ...

    @property
    def d_out(self) -> int: ...

    @property
    def head(self) -> str: ...

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the projector's tensors, without allocating any."""

    def to_dict(self) -> dict[str, Scalar]:
        """The arguments that ``adapter.json`` records."""


@dataclass(frozen=True)
class AffineStep:
    """W float32 ``[out, in]``, b float32 ``[out]``, then an activation."""

    weight: Tensor
    bias: Tensor
    activation: str


class Projector(nn.Module, ABC):
    """A learned map from what a source says of a text into a target's space.

    level: ``"sentence"`` reads one vector for each text, ``"token"`` the states of its tokens.
    registry_name: what ``adapter.json`` calls this kind of projector.
    """

    registry_name: ClassVar[str]
    level: ClassVar[str]
    shape: Shape

    @abstractmethod
    def checked(self, rows: Rows) -> Rows:
        """The rows, or a clear refusal of what this projector does not read."""

    @abstractmethod
    def encode(self, rows: Rows) -> Vectors:
        """Checked rows -> float32 ``[n, d_out]``; no row's result depends on the others."""

    @property
    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @property
    def is_affine(self) -> bool:
        """Whether :meth:`fold` works."""
        return False

    def fold(self) -> tuple[Tensor, Tensor]:
        """The one affine map before the head: float64 W ``[d_out, d_in]`` and b ``[d_out]``."""
        raise AbilityMissing(
            f"a projector of {self.level} level is not an affine map", self._instead()
        )

    @property
    def head_norm(self) -> nn.LayerNorm | None:
        """The LayerNorm that is the head, if it is one."""
        return None

    def affine_steps(self) -> list[AffineStep]:
        """The map before the head as affine steps with activations, for other formats."""
        raise AbilityMissing(
            f"a projector of {self.level} level has no affine steps", self._instead()
        )

    def _instead(self) -> str:
        return "export it to onnx or onnx-projector, or align at level sentence"

    def start_from(self, spread: Callable[[], Spread]) -> None:
        """Before a training: take in mean and variance of the target's columns, if of use."""

    def loss_weights(self) -> Callable[[Tensor], Tensor] | None:
        """Target rows -> what they and the results are multiplied by before the loss.

        None for 1.
        """
        return None

    def for_ranking(self, rows: Tensor) -> Tensor:
        """Results ``[n, d_out]`` without what all of them share, to tell them apart by angle."""
        return rows
