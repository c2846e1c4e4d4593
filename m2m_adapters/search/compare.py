"""Check that vectors come from the model they are said to come from: encode some items again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Vectors, normalize
from m2m_adapters.models.items import encode_items

WANTED = 0.99
"""Mean cosine. Another preprocessing (a resizing filter, JPEG at another size) stays above it;
another model or another order of the items does not."""
FIRST, LATER = 8, 1
"""Items compared of the first piece with files that can be read, and of each later one."""


class Comparison:
    """Cosines of stored vectors to the vectors ``model`` computes for the same items.

    wanted: items at most; 0 compares none.
    """

    def __init__(self, model: ModalityModel, wanted: int) -> None:
        self._model, self._wanted = model, wanted
        self._cosines: list[float] = []
        self._worst = ("", 1.0)
        self._unusable: UserError | OSError | None = None

    @property
    def compared(self) -> int:
        return len(self._cosines)

    @property
    def mean(self) -> float | None:
        return float(np.mean(self._cosines)) if self._cosines else None

    def see(self, paths: Sequence[str], stored: Vectors) -> None:
        """Compare some of these items; refuses as soon as the mean is too low.

        stored: float32 ``[len(paths), dim]``, of length 1.
        """
        budget = min(self._wanted - self.compared, LATER if self._cosines else FIRST)
        if budget <= 0 or not len(paths):
            return
        at = np.unique(np.linspace(0, len(paths) - 1, min(budget, len(paths))).astype(int))
        for row in at.tolist():
            self._compare(paths[row], stored[row])
        if not self._cosines:
            raise UserError(
                f"the target cannot encode the files of these vectors ({self._unusable})",
                "name the target that made the vectors, or compare none (--compare 0)",
            )
        if self.mean is not None and self.mean < WANTED:
            name, lowest = self._worst
            raise UserError(
                f"the vectors are not those of this target: {self.compared} items encoded again "
                f"have a mean cosine of {self.mean:.3f} to what is stored, {WANTED} is wanted "
                f"(lowest {lowest:.3f}: {name})",
                "name the model and revision that made them, and check that ids and vectors are "
                "in the same order",
            )

    def _compare(self, path: str, stored: Vectors) -> None:
        try:
            vector = normalize(encode_items(self._model, [path]))[0]
        except (UserError, OSError) as error:
            self._unusable = error
            return
        cosine = float(vector @ stored)
        self._cosines.append(cosine)
        if cosine < self._worst[1]:
            self._worst = (path, cosine)
