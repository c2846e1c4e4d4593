"""What projectors read of each text: one vector, or the states of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m2m_adapters.interfaces import Vectors


@dataclass(frozen=True)
class TokenStates:
    """Token states of several texts, end to end in one array.

    values: float ``[all tokens, width]``. ends: int64 ``[n]``, the row after each text's last.
    """

    values: npt.NDArray[np.floating]
    ends: npt.NDArray[np.int64]

    @classmethod
    def join(cls, parts: Sequence[npt.NDArray[np.floating]], width: int = 0) -> TokenStates:
        """From ``[tokens, width]`` arrays, one for each text."""
        values = np.concatenate(parts) if len(parts) else np.zeros((0, width), np.float32)
        return cls(values, np.cumsum([len(part) for part in parts], dtype=np.int64))

    @property
    def width(self) -> int:
        return int(self.values.shape[1])

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> npt.NDArray[np.floating]:
        """The states of one text, ``[tokens, width]``."""
        return self.values[self.ends[row - 1] if row else 0 : self.ends[row]]

    def between(self, start: int, stop: int) -> TokenStates:
        """Texts ``start`` to ``stop``, without a copy."""
        first = int(self.ends[start - 1]) if start else 0
        ends = self.ends[start:stop]
        last = int(ends[-1]) if len(ends) else first
        return TokenStates(self.values[first:last], ends - first)


Rows = Vectors | TokenStates
"""float32 ``[n, d]``, or the token states of n texts."""


def width_of(rows: Rows) -> int:
    """Columns of a vector or of a token's state."""
    return rows.width if isinstance(rows, TokenStates) else int(rows.shape[1])


def between(rows: Rows, start: int, stop: int) -> Rows:
    """Rows ``start`` to ``stop``, without a copy."""
    return rows.between(start, stop) if isinstance(rows, TokenStates) else rows[start:stop]


def concatenate(parts: Sequence[Rows]) -> Rows:
    """All parts, one after another; they are of one kind."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], TokenStates):
        states = [part for part in parts if isinstance(part, TokenStates)]
        sizes = np.concatenate([np.diff(part.ends, prepend=0) for part in states])
        return TokenStates(np.concatenate([s.values for s in states]), np.cumsum(sizes))
    return np.concatenate([part for part in parts if not isinstance(part, TokenStates)])
