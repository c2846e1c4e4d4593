"""What all projectors of token level have in common: they read the states of a text's tokens."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.projectors.device_rows import on_device
from m2m_adapters.projectors.protocol import Projector
from m2m_adapters.projectors.rows import Rows, TokenStates

LIMIT = 1 << 20
MOST_TOKENS = 4096


def check_size(name: str, value: object, least: int = 1) -> None:
    """Refuse a size that no projector of token level can have."""
    if not (type(value) is int and least <= value < LIMIT):
        raise UserError(f"token projector {name} must be positive, not {value!r}")


def check_head(head: object) -> None:
    if head != "none":
        raise UserError(f"a token projector has no head '{head}'", "use none")


def mean_state(states: Tensor, mask: Tensor) -> Tensor:
    """Mean of the states of real tokens, ``[B, 1, d_in]``."""
    kept = mask.unsqueeze(-1).to(states.dtype)
    return (states * kept).sum(1, keepdim=True) / kept.sum(1, keepdim=True).clamp_min(1)


class TokenLevelProjector(Projector):
    """Token states ``[B, T, d_in]`` and their mask ``[B, T]`` -> ``[B, d_out]``."""

    level = "token"

    def checked(self, rows: Rows) -> Rows:
        if not isinstance(rows, TokenStates):
            raise UserError(
                "this adapter maps the states of tokens, not vectors of sentences", "use encode"
            )
        if rows.width != self.shape.d_in:
            raise UserError(
                f"these token states have {rows.width} columns; the adapter takes "
                f"{self.shape.d_in}",
                "encode with its source",
            )
        return rows

    def encode(self, rows: Rows) -> Vectors:
        """Each text by itself: padding to another text's length would change the last bits."""
        states = on_device(rows)
        out = np.zeros((len(rows), self.shape.d_out), np.float32)
        with torch.inference_mode():
            for row in range(len(rows)):
                out[row] = self.cut(self(*states.take(slice(row, row + 1))))[0].numpy()
        return out

    def cut(self, rows: Tensor) -> Tensor:
        """Results ``[n, d_out]`` in the target's own form: zeros after a text's last token."""
        return rows
